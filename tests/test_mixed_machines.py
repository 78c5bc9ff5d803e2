"""A file that mixes machines: every stage asks one list of what makes a machine, none a host's name."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from model.common.errors import UsageError
from model.vocabulary.machine import FACTS, NAMES, identity, mixed, said
from results.analysis.compare import compare_runs
from results.analysis.history import history
from results.analysis.machines import MARGIN
from results.kept.publishing import publish
from results.output import as_answer, exports
from results.output.words import run_warnings
from results.reading.cpus import processor_line
from results.reading.load import BadRunError, load
from tests import runfile
from tests.command import drawn, refused, run
from tests.runfile import analysed

CONDITIONS: dict[str, Any] = {"smt": "off", "governor": "performance", "virtual": "no", "thp": "always"}


def made(path: Path, seed: int = 1, **last: Any) -> Path:
    """A run of one machine, but that its last process has these facts."""
    data = runfile.of_machine(
        runfile.document(runfile.FakeRun(processes=4, blocks=4, seed=seed)), **CONDITIONS
    )
    for bench in data["benchmarks"]:
        bench["runs"][-1]["metadata"] |= last
    return runfile.write(path, data)


@pytest.mark.parametrize("name", NAMES)
def test_every_stage_sees_it(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Show and answer say so; compare, export and publish refuse; history leaves it out."""
    clean, mix = made(tmp_path / "clean.json"), made(tmp_path / "mix.json", 2, **{name: "else"})
    old, new, text = load(clean), load(mix), rf"mixes machines \({name} .* and else\)"
    assert not old.mixed and any(re.search(text, warning) for warning in run_warnings(new))
    assert re.search(text, as_answer.doubt(new, []))
    for pair in ((old, new), (new, old), (new, new)):
        with pytest.raises(BadRunError, match=rf"mix.json mixes machines: {name} .*--across-machines"):
            compare_runs(*analysed(*pair), MARGIN, across=False)
    with pytest.raises(BadRunError, match=text):
        exports.runs(str(mix))
    with pytest.raises(UsageError, match=rf"mixes {name}: publish"):
        publish(new, tmp_path / "machines")
    assert {len(series.points) for series in history(tmp_path)} == {1}
    assert f"mix.json mixes machines: {name}" in capsys.readouterr().err


def test_a_mix_is_never_compared_in_silence(tmp_path: Path) -> None:
    """Exit status 2, as for two unlike machines."""
    files = [str(made(tmp_path / "a.json")), str(made(tmp_path / "b.json", 2, cpu_stepping="2"))]
    refused(
        run("results", "compare", *files), "not comparable", "b.json mixes machines: cpu_stepping 1 and 2"
    )
    refused(run("results", "export", files[1], "--format", "lnt"), "mixes machines")
    assert "the file mixes machines (cpu_stepping 1 and 2)" in run("results", "claims", files[1]).stderr


def test_who_insists_is_warned(tmp_path: Path) -> None:
    """`--across-machines` compares a mix with a line that says what it is."""
    files = [str(made(tmp_path / "a.json")), str(made(tmp_path / "b.json", 2, governor="powersave"))]
    done = run("results", "compare", *files, "--across-machines")
    assert done.returncode == 0 and "mixes machines (governor performance and powersave)" in done.stderr


def test_what_is_no_machine_mixes_nothing(tmp_path: Path) -> None:
    """Another host, C library, numbering of siblings; a core type that is unknown now and was `only` then."""
    same: dict[str, Any] = {
        "hostname": "b",
        "platform": "Linux-6.1-x86_64-with-glibc2.40",
        "smt": "off, siblings of cpu0: 0",
    }
    file = made(tmp_path / "run.json", **same, cpu_core_type="unknown")
    assert load(file).mixed == {} and "mixes" not in " ".join(run_warnings(load(file)))
    assert run("results", "compare", str(made(tmp_path / "clean.json", 2)), str(file)).returncode == 0
    done = run("results", "publish", str(file), "--to", str(tmp_path / "machines"))
    assert done.returncode == 0, done.stderr


def test_what_two_files_do_not_both_know_is_a_difference(tmp_path: Path) -> None:
    """Nobody can say that it is the same machine."""
    data = json.loads(made(tmp_path / "old.json").read_text())
    for bench in data["benchmarks"]:
        for each in bench["runs"]:
            del each["metadata"]["governor"]
    old = runfile.write(tmp_path / "old.json", data)
    done = run("results", "compare", str(old), str(made(tmp_path / "new.json", 2)))
    refused(done, "governor: unknown and performance")


def test_nobody_reads_a_tuple(tmp_path: Path) -> None:
    """In sentence, table and JSON several values are words, or a list."""
    file = made(tmp_path / "run.json", cpu_model="68", hostname="other", cpu_core_type="efficiency")
    assert processor_line(load(file).facts) == (
        "None 9000 (family 26 model 2 and 68 stepping 1, only and efficiency CPU)"
    )
    for command in (("answer",), ("show",), ("show", "--format", "markdown"), ("answer", "--format", "json")):
        done = run("results", command[0], str(file), *command[1:])
        assert done.returncode == 0 and "('" not in done.stdout and "['" not in done.stdout
    page = tmp_path / "report.html"
    assert drawn("results", "report", str(file), "-o", str(page)).returncode == 0
    assert (
        "simulated and other" in (text := page.read_text()) and "[&#39;" not in text and "(&#39;" not in text
    )


def test_a_moved_name_is_read_as_pyperfs(tmp_path: Path) -> None:
    """What pyperf insists on lies under a name of ours where the runs of a file differ in it."""
    data = json.loads(made(tmp_path / "run.json").read_text())
    del data["metadata"]["platform"]
    for bench in data["benchmarks"]:
        for number, each in enumerate(bench["runs"]):
            each["metadata"]["process_platform"] = f"Linux-6.{number // 2}"
    moved = load(runfile.write(tmp_path / "moved.json", data))
    assert moved.mixed == {"platform": ("Linux-6.0", "Linux-6.1")}


def test_the_list_itself() -> None:
    """Each fact says why; an update of the kernel alone does not keep a run from its end."""
    assert all(fact.why for fact in FACTS) and [fact.name for fact in FACTS if not fact.refuses] == [
        "platform"
    ]
    assert mixed([]) == {} and set(identity({}).values()) == {"unknown", "only"}
    assert said(("a", "b", "c")) == "a, b and c" and said("a") == "a"
