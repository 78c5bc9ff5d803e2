"""A sampler on the real model: what it times, what it gives back, and what it refuses to believe."""

import gc
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.cases import MOST_PLACES, Case
from benchmarks.selection import select
from benchmarks.timing import sampler as module
from benchmarks.timing.page_cursor import PageCursor
from benchmarks.timing.sampler import AGAIN, AGAIN_SHARE, Sampler
from benchmarks.timing.scheme import Scheme
from benchmarks.timing.table import BARE_SLICES, Rows, Timed
from model.common.errors import FreepathError, KernelReportError
from model.kernels.store import Store
from model.kernels.v4_3.image import Image
from model.machine_code.builds import Builds
from model.machine_code.cpu_caches import struct_pages
from model.vocabulary.scenario import Arm, Scenario

ARMS = (Arm("base", "none"), Arm("v1", "jump-label"))
SMALL = Scheme(2)
PAGES = 512


def case_of(**axes: Any) -> Case:
    """Base and v1 in the usual state, or with other axes."""
    return Case(Scenario("on-idle", **axes), ARMS)


@pytest.fixture(scope="module")
def subject() -> Sampler:
    """One that has timed two slices per cell and arm."""
    made = Sampler(case_of(), Store(), [1, 2, 3], SMALL)
    made(1)
    return made


def test_every_cell_of_every_arm_is_timed(subject: Sampler) -> None:
    """Ns per page, and beside them the cycle, the slot and base as compiled."""
    (value,) = subject.values
    builds = len(value.cells.phase)
    assert value.slices.shape == value.turns.shape == (builds, subject.places, 2, len(ARMS))
    assert value.levels.shape == (len(ARMS), builds, subject.places) and subject.places == MOST_PLACES
    assert (value.slices > 1.0).all() and (value.levels > 1.0).all() and (value.levels < 1000.0).all()
    assert np.median(value.levels) == pytest.approx(np.median(value.slices), rel=0.2)
    assert value.slots.shape == (builds, subject.places, 2)
    cycle, slot = np.median(value.cycles), np.median(value.slots)
    assert 0.1 < cycle < 5.0 and 0.01 < slot < cycle
    assert np.median(value.bare) == pytest.approx(np.median(value.levels), rel=0.9)
    assert 0.0 < subject.empty_pass_ns < 1.0


def test_what_the_kernel_reports_ends_the_process(subject: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad page, say: the machine knows, and is asked at the end."""
    subject.check()

    def bad() -> None:
        raise KernelReportError("a bad page")

    monkeypatch.setattr(subject.machine, "check", bad)
    with pytest.raises(KernelReportError, match="a bad page"):
        subject.check()


def test_a_round_is_the_mirror_image_of_the_one_before(subject: Sampler) -> None:
    """Every arm has each turn once; so a linear drift of the machine's speed cancels."""
    (value,) = subject.values
    assert (np.sort(value.turns, axis=3) == np.arange(len(ARMS))).all()
    assert (value.turns[:, :, 0] + value.turns[:, :, 1] == len(ARMS) - 1).all()
    assert len(np.unique(value.turns[:, :, 0, 0])) == len(ARMS)  # drawn anew


def test_each_slice_is_counted(subject: Sampler) -> None:
    """Two per arm and cell, also of those timed again, some of base as compiled, one of each arm's build."""
    (value,) = subject.values
    builds = len(value.cells.phase)
    slices = builds * (2 * len(ARMS) * subject.places + BARE_SLICES + len(ARMS))
    slices += value.again * (2 * len(ARMS) + BARE_SLICES)
    assert subject.freed == slices * subject.pages_per_slice and subject.pages_per_slice == PAGES


def test_checking_leaves_everything_as_it_was(subject: Sampler) -> None:
    """It passes, again and again, and counts what was freed."""
    before = [arm.run.record.copy() for arm in subject.arms]
    for _ in range(2):
        subject.freed = subject.start.freed() or 0
        subject.check()
    for arm, record in zip(subject.arms, before, strict=True):
        assert arm.run.record == record and record["passes"][0] == 1 and record["restore"][0] == 0
    subject.freed += 1
    with pytest.raises(KernelReportError, match=r"\d+ pages were freed of \d+"):
        subject.check()


@pytest.mark.parametrize("build", [0, 5, 7])
def test_a_build_that_frees_nothing_is_found(subject: Sampler, build: int) -> None:
    """Any of them: the last as well as the first."""
    (value,) = subject.values
    placed, builds = subject.arms[1], len(value.cells.phase)
    kept = placed.addresses.copy()
    idle = subject.machine.place(Store().load(Image("base", "none", memcg=True)))[0].address("time_nothing")
    placed.addresses[build] = idle
    try:
        with pytest.raises(KernelReportError, match=rf"build {build}, left 512 of 512"):
            subject.check_builds(value.cells, builds)
    finally:
        placed.addresses[:] = kept
    subject.check_builds(value.cells, builds)


@pytest.mark.parametrize(
    ("drift", "good"), [(0.0009, True), (-0.0009, True), (0.0011, False), (-0.0011, False)]
)
def test_clocks_must_agree(
    subject: Sampler, drift: float, good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a thousandth."""
    subject.freed = subject.start.freed() or 0
    monkeypatch.setattr(subject, "_rate_since", lambda began: subject.ticks_per_ns * (1 + drift))
    if good:
        subject.check()
    else:
        with pytest.raises(KernelReportError, match="the process is not stored"):
            subject.check()


def test_the_reading_that_nothing_came_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 15, the one with both clocks closest; its moment is the middle."""
    made: Any = Sampler.__new__(Sampler)
    times: Iterator[int] = iter([*(t for n in range(14) for t in (1000 * n, 1000 * n + 50)), 20_000, 20_010])
    ticks = iter(range(100, 115))
    monkeypatch.setattr(module, "perf_counter_ns", lambda: next(times))
    made._ticks = lambda: next(ticks)
    assert made._clocks() == (20_005.0, 114)


def test_the_rate_is_ticks_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two moments 10 ms apart at least."""
    made: Any = Sampler.__new__(Sampler)
    made._clocks = lambda: (1000.0 + 11e6, 500.0 + 33e6)
    waited = iter([1000 + 5_000_000, 1000 + 9_999_999, 1000 + 10_000_000])
    monkeypatch.setattr(module, "perf_counter_ns", lambda: next(waited))
    assert made._rate_since((1000.0, 500.0)) == pytest.approx(3.0)
    assert list(waited) == []


def walk(memory: str, templates: tuple[bytes, bytes] = (b"a", b"a")) -> PageCursor:
    """Of two arms whose pages begin like this."""
    arms: list[Any] = [SimpleNamespace(run=SimpleNamespace(templates=template)) for template in templates]
    case = case_of(memory=memory)
    start: Any = SimpleNamespace(order_address=lambda at: at, order_of_pages=np.arange(struct_pages("l3")))
    return PageCursor(case, start, arms)


def test_the_warm_set_is_freed_again_and_again() -> None:
    """Every slice frees all of it, and it is restored before each."""
    warm = walk("warm", (b"a", b"b"))
    where, due = warm.take(3)
    assert warm.restores_each_pass and where.tolist() == [0, 0, 0] and due.all()


def test_a_larger_array_is_walked_through() -> None:
    """Chunk after chunk; at its end, and before the first, the pages are to be restored."""
    cold = walk("l3")
    chunk, chunks = cold.chunk, struct_pages("l3") // cold.chunk
    assert not cold.restores_each_pass and chunks > 3
    where, due = cold.take(2)
    assert where.tolist() == [0, chunk] and due.tolist() == [True, False]
    where, due = cold.take(chunks)
    assert where.tolist() == [number % chunks * chunk for number in range(2, chunks + 2)]
    assert np.flatnonzero(due).tolist() == [chunks - 2]


def test_unlike_pages_cannot_share_an_array() -> None:
    """Arms that mark pages differently are refused beyond the warm set."""
    with pytest.raises(FreepathError, match="choose memory=warm"):
        walk("l2", (b"a", b"b"))


def test_checking_a_large_array_gives_it_back_seldom() -> None:
    """When it is used up, and not for each build: each time takes a quarter of a second for 1 GiB."""
    subject = Sampler(case_of(memory="l2"), Store(), [1], Scheme(24))
    subject(1)
    (value,) = subject.values
    kept: list[Any] = []

    def run(rows: Any, build: int) -> None:
        kept.append(rows)
        rows["ticks"] = subject.cursor.chunk  # so many pages without a reference

    subject.run = run  # type: ignore[method-assign]
    subject.check_builds(value.cells, len(value.cells.phase))
    slices = sum(int((own["role"] > 0).sum()) for own in kept)
    restored = sum(int((own["role"] < 0).sum()) for own in kept)
    chunks = subject.cursor.pages // subject.cursor.chunk
    assert slices == 24 * len(ARMS) and restored <= 1 + slices // chunks


def test_pyperf_alone_has_one_cell_and_a_plain_mean() -> None:
    """As compiled, the first build only."""
    (case,) = select("memcg=on-idle,page_kind=plain,depth=pcp,checks=on,entry=__free_pages,base")
    alone = Sampler(Case(case.scenario, ARMS[:1], pyperf_alone=True), Store(), [1], SMALL)
    seconds = alone(4)
    (value,) = alone.values
    assert value.slices.shape == (1, 1, 4, 1) and value.levels.shape == (1, 1, 1)
    assert value.levels[0, 0, 0] == pytest.approx(value.slices.mean())
    assert seconds == pytest.approx(value.slices.mean() * 1e-9 * alone.pages_per_slice * 4)
    alone.check()


def test_a_cell_in_which_the_machine_moved_is_timed_again() -> None:
    """All its arms; the calmer time is kept, every page is counted, and the other cells stay.

    It stands behind the tests of `subject`: a second sampler leaves %gs at its own machine.
    """
    made = Sampler(case_of(), Store(), [1, 2, 4], SMALL)
    ticks, seen = made.table.ticks, []

    def moved(rows: Rows) -> Timed:
        seen.append(ticks(rows))
        if len(seen) == 1:
            seen[0].slices[0, 1, 4:] *= 50
        return seen[-1]

    made.table.ticks = moved  # type: ignore[method-assign]
    made(8 * SMALL.cells)
    made.check()
    (value,) = made.values
    cells = seen[0].slices.shape[0] * made.places
    assert value.again == sum(anew.slices.shape[0] for anew in seen[1:]) >= 1
    assert value.again <= AGAIN * AGAIN_SHARE * cells
    assert all(anew.slices.shape[1:] == (1, 8, len(ARMS)) for anew in seen[1:])
    left = value.slices > 20 * np.median(value.slices)
    assert (left.sum(axis=(2, 3)) < 4 * len(ARMS)).all()  # interruptions apart


def test_of_many_moved_cells_a_share_is_timed_again() -> None:
    """In a burst that hit a third of them, the worst ones: a value must not take twice as long."""
    made = Sampler(case_of(), Store(), [1, 2, 5], SMALL)
    ticks, seen = made.table.ticks, []

    def moved(rows: Rows) -> Timed:
        seen.append(ticks(rows))
        if len(seen) == 1:
            seen[0].slices[::3, :, 4:] *= 50
        return seen[-1]

    made.table.ticks = moved  # type: ignore[method-assign]
    made(8 * SMALL.cells)
    (value,) = made.values
    cells = seen[0].slices.shape[0] * made.places
    assert AGAIN_SHARE * cells - 1 < seen[1].slices.shape[0] <= AGAIN_SHARE * cells < cells / 3
    assert value.again <= AGAIN * AGAIN_SHARE * cells


def test_builds_of_the_value_before_follow_no_key() -> None:
    """They would be patched for as long as the process lives, and kept in memory."""
    made = Sampler(case_of(), Store(), [1, 2, 6], SMALL)
    made(1)
    before = [weakref.ref(placed.builds) for placed in made.arms]
    made(1)
    gc.collect()
    assert [each() for each in before] == [None] * len(ARMS)


def test_between_flips_each_build_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every build, once for each of its slices at least: the processor then sees modified code."""
    made = Sampler(case_of(between="flip"), Store(), [1, 2, 7], SMALL)
    written: list[int] = []
    rewrite = Builds.rewrite

    def watched(builds: Builds, build: int) -> None:
        written.append(build)
        rewrite(builds, build)

    monkeypatch.setattr(Builds, "rewrite", watched)
    made(1)
    (value,) = made.values
    builds = len(value.cells.phase)
    assert {*written} == {*range(builds * made.places)}
    rounds = value.slices.shape[2]
    assert all(written.count(build) >= rounds * len(ARMS) for build in {*written})
