"""Nothing is written that the reader refuses, and no error after writing is passed over."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.selection import select
from benchmarks.timing.rehearsal import rehearse
from benchmarks.timing.scheme import Scheme
from model.common.errors import FreepathError, UsageError
from model.vocabulary.formats import MOST_BYTES, MOST_SEED, MOST_TIMES
from results.reading import document
from results.reading.formats import schema
from results.reading.load import load
from tests.command import ROOT, refused, run

ONLY = "base,memcg=off,page_kind=plain,depth=pcp,checks=on,entry=__free*"
SMALL = ("-p", "1", "-n", "1", "-l", "96")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--seed", str(MOST_SEED + 1)), "give a number up to"),
        (("--seed", "1764226000123456789", "--insert", "nop"), "give a number up to"),
        (("--track-memory",), "measures bytes"),
        (("--tracemalloc",), "measures bytes"),
        (("--pipe", "1"), "for workers"),
        (("--values", "6400"), "add processes"),
        (("--processes", "100000"), "MiB"),
        (("--insert", "nop # \udcff"), "UTF-8"),
    ],
)
def test_what_could_not_be_read_is_not_measured(options: tuple[str, ...], words: str, tmp_path: Path) -> None:
    """One line, and an empty cache stays empty."""
    asked = options if "--insert" in options else ("--only", ONLY, *options)
    target = tmp_path / "run.json"
    cache = tmp_path / "cache"
    refused(run("benchmarks", *SMALL, *asked, "-o", str(target), XDG_CACHE_HOME=str(cache)), words)
    assert not list(tmp_path.glob("run.json*"))


def test_the_largest_seed_is_read(tmp_path: Path) -> None:
    """The limit is where the reader has it."""
    target = tmp_path / "run.json"
    done = run("benchmarks", *SMALL, "--only", ONLY, "--seed", str(MOST_SEED), "-o", str(target))
    assert done.returncode == 0, done.stderr
    assert load(target).facts["seed"] == MOST_SEED
    assert schema("run")["$defs"]["metadata"]["properties"]["seed"]["maximum"] == MOST_SEED
    assert schema("run")["$defs"]["times"]["maxLength"] == MOST_TIMES


def test_the_size_is_foreseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a measured file within a half; a file larger than the readers' limit is refused, also by them."""
    from benchmarks.timing import rehearsal

    target = tmp_path / "run.json"
    assert run("benchmarks", *SMALL, "-n", "8", "--only", ONLY, "-o", str(target)).returncode == 0
    size = target.stat().st_size
    (case,) = select(ONLY)
    for most, fits in ((size * 3 // 2, True), (size // 2, False)):
        monkeypatch.setattr(rehearsal, "MOST_BYTES", most)
        try:
            rehearsal._check_size([(case, 1)], 8, Scheme())
            assert fits
        except UsageError:
            assert not fits
    monkeypatch.setattr(document, "MOST_BYTES", size - 1)
    with pytest.raises(FreepathError, match="more than 0 MiB"):
        command._read(target.read_text(), target)
    assert size < MOST_BYTES


@pytest.mark.parametrize("version", ["v4.3", "v6.18"])
def test_every_scenario_passes_the_readers(version: str) -> None:
    """Names of all scenarios and arms, with as many values as fit."""
    from types import SimpleNamespace

    cases = [case for case in select(memory="all") if case.scenario.kernel == version]
    asked = SimpleNamespace(values=8, seed=1, builds=24, scheme="both")
    seen = []

    def read(content: str, path: Path) -> None:
        command._read(content, path)
        seen.append(json.loads(content)["metadata"]["scenario"])

    facts = {"commit": "0123456789ab"}
    rehearse([(case, 1) for case in cases], asked, facts, read)  # type: ignore[arg-type]
    assert seen == [case.scenario.name for case in cases]
    with pytest.raises(FreepathError, match="commit is ''"):
        rehearse([(cases[0], 1)], asked, {"commit": ""}, read)  # type: ignore[arg-type]


PATCHED = """
import sys
from pathlib import Path
from benchmarks import __main__ as command
from model.common.command import leave
from model.common.errors import FreepathError

read = command._read

def spoiled(content, path):
    read(content.replace('"freepath.run/1"', '" x"') if path.suffix == ".json" else content, path)

def fails(folder, margin):
    raise FreepathError("no verdict could be had")

setattr(command, sys.argv[1], {"_read": spoiled, "_brought": fails}[sys.argv[1]])
leave(command.start(sys.argv[2:]))
"""
"""The command, with readers that refuse the finished file, or find no verdict in it."""


def patched(name: str, target: Path) -> subprocess.CompletedProcess[str]:
    """A run by the command with one of its functions replaced: pyperf runs once in a process."""
    options = (*SMALL, "--only", ONLY, "-o", str(target))
    child = [sys.executable, "-c", PATCHED, name, *options]
    return subprocess.run(child, cwd=ROOT, capture_output=True, text=True)


def test_a_file_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    """The process is kept, and it is never said that the file was written."""
    target = tmp_path / "run.json"
    done = patched("_read", target)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and "nothing is written" in last and "schema is ' x'" in last, done.stderr
    assert "--resume" in last and "wrote" not in done.stderr and not target.exists()
    assert run("benchmarks", "--resume", str(target)).returncode == 0
    assert len(load(target).scenarios[0].processes) == 1


def test_an_error_after_writing_is_an_error(tmp_path: Path) -> None:
    """The file is there, and says so; but no verdict came, so the command has not done what it should."""
    target = tmp_path / "run.json"
    done = patched("_brought", target)
    *_, wrote, last = done.stderr.splitlines()
    assert done.returncode == 2 and "no verdict could be had" in last and f"wrote {target}" in wrote
    assert load(target).scenarios and [path.name for path in tmp_path.iterdir()] == ["run.json"]
