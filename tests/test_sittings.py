"""Sittings of one file: whatever pyperf insists on may differ, and pyperf reads the file all the same."""

import io
from typing import Any

import pyperf
import pytest
from pyperf import _bench

from benchmarks.timing.collect import dumps, join
from model.common.errors import FileError
from model.vocabulary.sittings import INSISTED_ON, OWN_NAMES, by_pyperfs_names

MEANING = {"name", "unit", "inner_loops"}


def suite(pair_id: str, **metadata: Any) -> pyperf.BenchmarkSuite:
    """One process of one arm."""
    facts = {"name": "a: base/none", "unit": "second", "inner_loops": 4, "pair_id": pair_id} | metadata
    run = pyperf.Run([1e-8, 2e-8], warmups=[(1, 3e-8)], metadata=facts, collect_metadata=False)
    return pyperf.BenchmarkSuite([pyperf.Benchmark([run])])


def runs_of(joined: pyperf.BenchmarkSuite) -> list[dict[str, Any]]:
    """Metadata of the runs, as pyperf has them after a round through a file, by pyperf's names."""
    (bench,) = pyperf.BenchmarkSuite.load(io.StringIO(dumps(joined)))
    assert all(run.values == (1e-8, 2e-8) and run.warmups == ((1, 3e-8),) for run in bench.get_runs())
    return [by_pyperfs_names(run.get_metadata()) for run in bench.get_runs()]


@pytest.mark.parametrize("name", INSISTED_ON)
@pytest.mark.parametrize("first", ["old", None])
def test_what_pyperf_insists_on_may_differ(name: str, first: str | None) -> None:
    """Nothing is lost of either sitting, nor of a third; what one does not say is no value of the other."""
    more = {} if first is None else {name: first}
    both = join([suite("1", **more), suite("2", **{name: "new"})])
    assert [facts.get(name) for facts in runs_of(both)] == [first, "new"]
    three = join([both, suite("3", **{name: "new"})])
    assert [facts.get(name) for facts in runs_of(three)] == [first, "new", "new"]


def test_what_is_the_same_keeps_its_name() -> None:
    """And a process that is there already is not there twice."""
    joined = join([suite("1", hostname="a"), suite("2", hostname="a"), suite("2", hostname="a")])
    (bench,) = joined
    assert bench.get_metadata()["hostname"] == "a" and bench.get_nrun() == 2
    assert not OWN_NAMES.keys() & bench.get_metadata().keys()


def test_other_units_and_loops_are_refused_by_name() -> None:
    """Their values mean something else; it is a refusal and no defect of ours."""
    for name, value in (("inner_loops", 8), ("unit", "byte")):
        with pytest.raises(FileError, match=rf"cannot be in one file: .*{name}"):
            join([suite("1"), suite("2", **{name: value})])


def test_the_list_is_pyperfs() -> None:
    """A release that insists on more is seen here, before a run of hours is."""
    assert {*_bench._CHECKED_METADATA} - MEANING == {*INSISTED_ON}
