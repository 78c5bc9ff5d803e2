"""--append: processes join a file only if they measured the same, and the refusal comes before measuring."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.timing.append import check_append
from model.common.errors import FreepathError
from tests.command import refused, run

FACTS = {
    "build_scheme": "both-24",
    "store_bypass": "on",
    "freepath_cpu": "x86-64",
    "numba": "0.61.0",
    "cpu_family": "26",
    "cpu_model": "2",
    "commit": "0123456789ab",
}
OTHERS = {
    "build_scheme": "phase-24",
    "store_bypass": "off",
    "freepath_cpu": "x86-64-v3",
    "numba": "0.60.0",
    "cpu_family": "25",
    "cpu_model": "17",
}


def stored(folder: Path, *runs: dict[str, Any], shared: dict[str, Any] | None = None) -> Path:
    """A pyperf file whose runs have this metadata."""
    path = folder / "run.json"
    bench = {"metadata": {}, "runs": [{"values": [1e-8], "metadata": metadata} for metadata in runs]}
    path.write_text(json.dumps({"version": "1.0", "metadata": shared or {}, "benchmarks": [bench]}))
    return path


def without(*names: str) -> dict[str, Any]:
    """The facts of a file from before these were stored."""
    return {name: fact for name, fact in FACTS.items() if name not in names}


def test_a_matching_file_is_accepted(tmp_path: Path) -> None:
    """Also from another commit, with other seeds, packed, with the facts in the file's common part."""
    check_append(stored(tmp_path, FACTS | {"seed": 1, "commit": "x"}, FACTS | {"seed": 2}), FACTS, None)
    check_append(stored(tmp_path, FACTS | {"seed": 1}), FACTS, 2)
    path = stored(tmp_path, {"seed": 1}, shared=FACTS)
    check_append(path, FACTS, None)
    path.write_bytes(gzip.compress(path.read_bytes()))
    check_append(path, FACTS, None)


def test_a_file_that_is_not_there_is_begun(tmp_path: Path) -> None:
    """As with -o."""
    check_append(tmp_path / "new.json", FACTS, 1)


@pytest.mark.parametrize("name", OTHERS)
def test_what_was_measured_otherwise_is_refused(tmp_path: Path, name: str) -> None:
    """One run among those that match is enough; the message names the fact and both values."""
    path = stored(tmp_path, FACTS, FACTS | {name: OTHERS[name]})
    with pytest.raises(FreepathError, match=rf"{name} .*\b{OTHERS[name]}\b.* would be {FACTS[name]};.* -o"):
        check_append(path, FACTS, None)


def test_a_fact_of_the_common_part_counts(tmp_path: Path) -> None:
    """Pyperf moves what all runs share out of them."""
    path = stored(tmp_path, without("build_scheme"), shared={"build_scheme": "one"})
    with pytest.raises(FreepathError, match="build_scheme one, this would be both-24"):
        check_append(path, FACTS, None)


@pytest.mark.parametrize("scheme", ["both-24", "one"])
def test_a_file_without_builds_is_refused(tmp_path: Path, scheme: str) -> None:
    """Such files hold one compilation, at other placements than any scheme has now."""
    path = stored(tmp_path, without("build_scheme", "store_bypass", "cpu_family", "cpu_model"))
    with pytest.raises(FreepathError, match=r"build_scheme .*older freepath"):
        check_append(path, FACTS | {"build_scheme": scheme}, None)


def test_a_file_that_does_not_say_how_stores_were_passed_had_it_on(tmp_path: Path) -> None:
    """It could not be switched then."""
    path = stored(tmp_path, without("store_bypass"))
    check_append(path, FACTS, None)
    with pytest.raises(FreepathError, match="store_bypass on, this would be off"):
        check_append(path, FACTS | {"store_bypass": "off"}, None)


def test_the_same_seed_is_refused(tmp_path: Path) -> None:
    """The same builds again are not new evidence."""
    with pytest.raises(FreepathError, match="--seed 7 was measured already"):
        check_append(stored(tmp_path, FACTS | {"seed": 6}, FACTS | {"seed": 7}), FACTS, 7)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b'{"benchmarks": 3}',
        b'{"benchmarks": [{"runs": [7]}]}',
        b"\x1f\x8bno",
        b"\xff",
    ],
)
def test_a_file_that_is_no_run_is_refused(tmp_path: Path, content: bytes) -> None:
    """And left as it is."""
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(FreepathError, match=r"this is no run of python -m benchmarks.* -o"):
        check_append(path, FACTS, None)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "older freepath"), (b"shopping list", "no run")],
)
def test_the_command_refuses_before_it_measures(tmp_path: Path, content: bytes | None, words: str) -> None:
    """An empty cache stays empty, so nothing was compiled, let alone measured."""
    path = stored(tmp_path, without("build_scheme", "cpu_family", "cpu_model"))
    path.write_bytes(content or path.read_bytes())
    before, cache = path.read_bytes(), tmp_path / "cache"
    done = run("benchmarks", "--quick", "--only", "v1", "--append", str(path), XDG_CACHE_HOME=str(cache))
    refused(done, "--append", words)
    assert path.read_bytes() == before and not cache.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]
