"""An arm is its code, not its name: refused by --append, warned of, named by compare, split by history."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.selection import select
from benchmarks.timing.append import check_codes, codes_of
from model.common.errors import FreepathError
from model.kernels.store import Store
from model.vocabulary.margin import Margin
from results.analysis.compare import compare_runs
from results.analysis.groups import analyse
from results.analysis.history import history
from results.output.as_changes import as_json, lines
from results.output.as_history import lines as history_lines
from results.reading.load import Arm, BadRunError, load
from tests import runfile
from tests.command import ROOT, refused, run
from tests.runfile import analysed

ONLY = "base,memcg=off,page_kind=plain,depth=pcp,checks=on,entry=__free*"
SMALL = ("-p", "1", "-n", "1", "-l", "96")
THRESHOLD = Margin(2.0, percent=True)
PERCENT = Margin(1.0, percent=True)
TWO = {"old": "0000000000000001", "new": "0000000000000002"}
"""Digests of two codes."""


def coded(data: dict[str, Any], variant: str, **facts: str) -> dict[str, Any]:
    """The run with these facts in every process of a variant."""
    for bench in data["benchmarks"]:
        if bench["metadata"]["variant"] == variant:
            for made in bench["runs"]:
                made["metadata"] |= facts
    return data


def all_coded(data: dict[str, Any], digest: str) -> dict[str, Any]:
    """The run with the same digest in every arm."""
    for bench in data["benchmarks"]:
        coded(data, bench["metadata"]["variant"], image_digest=digest)
    return data


def written(path: Path, facts: dict[str, str], seed: int = 1, day: int = 1) -> Path:
    """A run in which v1 has these facts, and every other arm one code."""
    data = all_coded(runfile.document(runfile.FakeRun(seed=seed)), TWO["old"])
    data = coded(data, "v1", **facts)
    for bench in data["benchmarks"]:
        for made in bench["runs"]:
            made["metadata"]["date"] = f"2026-11-{day:02} 12:00:00"
    return runfile.write(path, data)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of base and its twin."""
    target = tmp_path_factory.mktemp("plain") / "run.json"
    done = run("benchmarks", *SMALL, "--only", ONLY, "-o", str(target))
    assert done.returncode == 0, done.stderr
    return target


def test_every_arm_says_which_machine_code_it_ran(plain: Path) -> None:
    """Workers ran what their parent would load; base's own copy is the same code."""
    (scenario,) = load(plain).scenarios
    cases = select(ONLY)
    expected = codes_of(cases, Store())
    for arm in scenario.arms:
        (code,) = scenario.codes_of(arm)
        assert code.image == expected[scenario.name, arm.variant, arm.gate]
        assert code.text == ""
    assert len({scenario.codes_of(arm) for arm in scenario.arms}) == 1


@pytest.mark.usefixtures("one_cpu")
def test_other_settings_of_the_compiler_are_not_appended(plain: Path, tmp_path: Path) -> None:
    """Refused once compiled, before measuring; workers, which lack the settings, run their parent's code."""
    before = plain.read_bytes()
    options = (*SMALL, "--only", ONLY)
    done = run("benchmarks", *options, "--append", str(plain), NUMBA_OPT="1")
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert "base/none ran machine code" in last and "nothing is kept" in last and "-o" in last
    assert plain.read_bytes() == before and [p.name for p in plain.parent.iterdir()] == ["run.json"]
    other = tmp_path / "other.json"
    for target in ("-o", "--append"):
        done = run("benchmarks", *options, target, str(other), NUMBA_OPT="1")
        assert done.returncode == 0, done.stderr
    (scenario,) = load(other).scenarios
    (code,) = scenario.codes_of(scenario.arms[0])
    assert code.image not in before.decode()
    refused(run("results", "compare", str(plain), str(other)), "compiler_settings: none and NUMBA_OPT=1")
    across = run("results", "compare", str(plain), str(other), "--across-machines")
    assert across.returncode == 0 and "not the same code in both" in across.stdout


@pytest.mark.reliability
def test_a_setting_without_effect_is_no_other_code(plain: Path, tmp_path: Path) -> None:
    """What decides is the machine code."""
    more = tmp_path / "run.json"
    more.write_bytes(plain.read_bytes())
    done = run("benchmarks", *SMALL, "--only", ONLY, "--append", str(more), NUMBA_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert run("results", "compare", str(plain), str(more)).returncode == 0


@pytest.mark.usefixtures("one_cpu")
@pytest.mark.parametrize(
    ("edit", "another"),
    [
        (('load = f"', 'load = f"nop; '), True),
        # As a setting without effect, above: the other code is compiled, and is found to be the same.
        pytest.param(("", "# a comment shapes no instruction\n"), False, marks=pytest.mark.reliability),
    ],
    ids=["code", "comment"],
)
def test_a_check_that_was_edited_is_not_appended(
    tmp_path: Path, edit: tuple[str, str], another: bool
) -> None:
    """Between two sittings in a checkout that is dirty both times: the commit and the name are the same."""
    checkout = tmp_path / "checkout"
    for name in ("model", "benchmarks", "results"):
        ignored = shutil.ignore_patterns("__pycache__", "machines", "reference")
        shutil.copytree(ROOT / name, checkout / name, ignore=ignored)
    variant = checkout / "model/kernels/kit/ladder.py"
    only = ("--only", "load,memcg=off,page_kind=plain,depth=pcp,checks=on,entry=__free*")
    before = variant.read_text()

    def measure(*options: str) -> subprocess.CompletedProcess[str]:
        return run("benchmarks", *SMALL, *only, *options, cwd=checkout, PYTHONPATH=str(checkout))

    assert measure("-o", "run.json").returncode == 0
    first = (checkout / "run.json").read_bytes()
    old, new = edit
    variant.write_text(before.replace(old, new) if old else before + new)
    done = measure("--append", "run.json")
    assert done.returncode == (2 if another else 0), done.stderr
    if another:
        assert "load/none ran machine code" in done.stderr.splitlines()[-1]
        assert (checkout / "run.json").read_bytes() == first


CODES = {("s", "v1", "none"): "a" * 16}


@pytest.mark.parametrize(
    ("facts", "settings", "words"),
    [
        ({"image_digest": "a" * 16, "compiler_settings": "NUMBA_X=1"}, "none", ""),
        ({"image_digest": "b" * 16}, "none", "ran machine code b{16}, this would be a{16}"),
        ({"variant": "v2", "image_digest": "b" * 16}, "none", ""),
        ({}, "none", ""),
        ({}, "NUMBA_OPT=1", "compiler_settings none, this would be NUMBA_OPT=1"),
        ({"compiler_settings": "NUMBA_OPT=1"}, "none", "compiler_settings NUMBA_OPT=1, this would be none"),
        ({"compiler_settings": "NUMBA_OPT=1"}, "NUMBA_OPT=1", ""),
    ],
)
def test_what_may_join_a_file(facts: dict[str, str], settings: str, words: str, tmp_path: Path) -> None:
    """Where a file is from before the digests, the compiler's settings decide."""
    path = tmp_path / "run.json"
    check_codes(path, CODES, settings)
    metadata = {"scenario": "s", "variant": "v1", "gate": "none"} | facts
    runs = [{"values": [1e-8], "metadata": metadata}]
    path.write_text(json.dumps({"version": "1.0", "benchmarks": [{"metadata": {}, "runs": runs}]}))
    if not words:
        check_codes(path, CODES, settings)
        return
    with pytest.raises(FreepathError, match=words):
        check_codes(path, CODES, settings)


@pytest.mark.parametrize(
    "facts",
    [
        {"image_digest": TWO["new"]},
        {"image_digest": TWO["old"], "own_variants": "v1:0123456789ab"},
    ],
)
def test_show_warns_of_two_codes_under_one_name(facts: dict[str, str], tmp_path: Path) -> None:
    """And of those arms alone."""
    data = all_coded(runfile.document(), TWO["old"])
    for bench in data["benchmarks"]:
        if bench["metadata"]["variant"] == "v1" and bench["metadata"]["gate"] == "jump-label":
            bench["runs"][0]["metadata"] |= facts
    (group,) = analyse(load(runfile.write(tmp_path / "run.json", data)), PERCENT)
    (warning,) = [line for line in group.warnings if "different codes" in line]
    assert warning.startswith("v1/jump-label: its processes ran 2 different codes") and TWO["old"] in warning
    assert facts.get("own_variants", facts["image_digest"]).rpartition(":")[2] in warning
    shown = run("results", "show", str(tmp_path / "run.json"))
    assert shown.returncode == 0 and shown.stdout.count("different codes") == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"image_digest": TWO["old"]}, {"image_digest": TWO["old"]}, "same"),
        ({"image_digest": TWO["old"]}, {"image_digest": TWO["new"]}, "other"),
        ({"own_variants": "v1:aa w:cc"}, {"own_variants": "w:cc v1:bb"}, "other"),
        ({"own_variants": "w:cc"}, {}, "same"),
    ],
)
def test_compare_names_another_code(
    old: dict[str, str], new: dict[str, str], said: str, tmp_path: Path
) -> None:
    """In every row, whatever its verdict; and the level of base says what is known of base."""
    first, second = written(tmp_path / "old.json", old), written(tmp_path / "new.json", new, 2)
    changes = compare_runs(*analysed(load(first), load(second)), THRESHOLD, across=False)
    codes = {change.cell.rpartition(": ")[2]: change.code for change in changes}
    assert {codes.pop(name) for name in ("v1/jump-label", "v1/memory-flag")} == {said}
    assert set(codes.values()) == {"same"}
    text = list(lines(changes, markdown=False))
    assert sum("not the same code in both" in line for line in text) == 2 * (said == "other")
    assert ("2 rows compare different code" in text[-1]) == (said == "other")
    rows = json.loads(as_json(changes))["changes"]
    assert {row["code"] for row in rows if ": v1/" in row["cell"]} == {said}


def test_compare_knows_nothing_of_older_files(tmp_path: Path) -> None:
    """They are read as ever."""
    paths = [runfile.write(tmp_path / f"{s}.json", runfile.document(runfile.FakeRun(seed=s))) for s in (1, 2)]
    changes = compare_runs(*analysed(load(paths[0]), load(paths[1])), THRESHOLD, across=False)
    assert {change.code for change in changes} == {"unknown"}
    changes = compare_runs(
        *analysed(load(paths[0]), load(written(tmp_path / "new.json", {}))), THRESHOLD, across=False
    )
    assert {change.code for change in changes} == {"unknown"}


def test_other_settings_are_not_compared_where_the_code_is_unknown(tmp_path: Path) -> None:
    """Numba's settings make other code; a file from before says nothing else of it."""
    old = load(runfile.write(tmp_path / "old.json", runfile.document()))
    settings = {"compiler_settings": "NUMBA_OPT=1"}
    new = load(runfile.write(tmp_path / "new.json", runfile.document(runfile.FakeRun(seed=2), **settings)))
    with pytest.raises(BadRunError, match=r"compiler_settings: none and NUMBA_OPT=1.*--across-machines"):
        compare_runs(*analysed(old, new), THRESHOLD, across=False)
    changes = compare_runs(*analysed(old, new), THRESHOLD, across=True)
    assert {change.code for change in changes} == {"other"}


@pytest.mark.parametrize(
    "facts",
    [
        ({"image_digest": TWO["old"]}, {"image_digest": TWO["new"]}),
        ({"own_variants": "v1:aa"}, {"own_variants": "v1:bb"}),
        ({}, {"own_variants": "v1:bb"}),
    ],
)
def test_history_has_a_series_for_each_code(facts: tuple[dict[str, str], ...], tmp_path: Path) -> None:
    """Named by the code where the name does not tell; what went back to a code joins its series again."""
    for day, number in enumerate((0, 1, 0), 1):
        written(tmp_path / f"{day}.json", facts[number], day, day)
    series = history(tmp_path)
    v1 = [row for row in series if row.cell.endswith("v1/jump-label")]
    assert [[point.date[8:10] for point in row.points] for row in v1] == [["01", "03"], ["02"]]
    assert len({row.code for row in v1}) == 2
    rest = [row for row in series if ": v1/" not in row.cell]
    assert len(rest) == len({row.cell for row in rest}) and all(len(row.points) == 3 for row in rest)
    text = list(history_lines(series))
    assert sum("machine code" in line for line in text) == 4
    places = [index for index, line in enumerate(text) if "v1/jump-label" in line]
    assert places[1] == places[0] + 1, "series of one name stand together"


def test_another_base_is_another_series(tmp_path: Path) -> None:
    """An overhead is over base."""
    for day, digest in enumerate(TWO.values(), 1):
        data = json.loads(written(tmp_path / f"{day}.json", {}, day, day).read_text())
        runfile.write(tmp_path / f"{day}.json", coded(data, "base", image_digest=digest))
    series = history(tmp_path)
    assert all(len(row.points) == 1 for row in series)
    assert load(tmp_path / "1.json").scenarios[0].codes_of(Arm("base", "none"))[0].image == TWO["old"]
