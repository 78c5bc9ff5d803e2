"""A sampler on the real model: what it times, what it gives back, and what it refuses to believe."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.cases import Case, select
from benchmarks.timing import sampler as module
from benchmarks.timing.sampler import Sampler, Walk
from benchmarks.timing.scheme import Scheme
from model.code.caches import struct_pages
from model.common.errors import FreepathError, KernelReportError
from model.kernels.store import Store
from model.kernels.v4_3.image import Image
from model.vocabulary.scenario import Arm, Scenario

ARMS = (Arm("base", "none"), Arm("v1", "jump-label"))
SMALL = Scheme(2, groups=1)
PAGES = 512


def case_of(**axes: Any) -> Case:
    """Base and v1 in the usual state, or with other axes."""
    return Case(Scenario("on-idle", **axes), ARMS)


@pytest.fixture(scope="module")
def subject() -> Sampler:
    """One that has timed a block of one slice per cell and arm."""
    made = Sampler(case_of(), Store(), [1, 2, 3], SMALL)
    made(1)
    return made


def test_every_cell_of_every_arm_is_timed(subject: Sampler) -> None:
    """Ns per page, and beside them the cycle, the slot and base as compiled."""
    (block,) = subject.blocks
    assert block.shape == (2, len(subject.cells.group(0))) and (block > 1.0).all() and (block < 1000.0).all()
    assert 0.1 < subject.cycles[0] < 5.0 and 0.01 < subject.slots[0] < subject.cycles[0]
    assert subject.bare[0] == pytest.approx(block.mean(), rel=0.9)
    assert 0.0 < subject.empty_pass_ns < 1.0


def test_each_slice_is_counted(subject: Sampler) -> None:
    """Two slices per arm and cell, mirrored, and one of base as compiled."""
    cells = len(subject.cells.group(0))
    assert subject.freed == (2 * len(ARMS) + 1) * cells * subject.pages_per_slice
    assert subject.pages_per_slice == PAGES * subject.walk.passes


def test_checking_leaves_everything_as_it_was(subject: Sampler) -> None:
    """It passes, again and again, and the arms are ready for the next slice."""
    before = [arm.run.record.copy() for arm in subject.arms]
    subject.freed = subject.start.freed() or 0
    subject.check()
    for arm, record in zip(subject.arms, before, strict=True):
        assert arm.run.record["restore"][0] == record["restore"][0] == 1
        assert arm.run.record["passes"][0] == record["passes"][0] == subject.walk.passes > 1
    subject.freed = subject.start.freed() or 0
    subject.check()
    subject.freed += 1
    with pytest.raises(KernelReportError, match=r"\d+ pages were freed of \d+"):
        subject.check()


def test_a_build_that_frees_nothing_is_found(subject: Sampler) -> None:
    """Any of them: the last as well as the first."""
    subject.freed = subject.start.freed() or 0
    placed = subject.arms[1]
    kept = placed.addresses[-1]
    placed.addresses[-1] = subject.machine.place(Store().load(Image("base", "none", memcg=True)))[0].address(
        "time_nothing"
    )
    try:
        with pytest.raises(KernelReportError, match=rf"build {len(placed.addresses) - 1}, left 512 of 512"):
            subject._check_work(placed)
    finally:
        placed.addresses[-1] = kept
        placed.run.record["restore"], placed.run.record["passes"] = 1, subject.walk.passes


@pytest.mark.parametrize(
    ("drift", "good"), [(0.0009, True), (-0.0009, True), (0.0011, False), (-0.0011, False)]
)
def test_clocks_must_agree(
    subject: Sampler, drift: float, good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a thousandth."""
    subject.freed = subject.start.freed() or 0
    monkeypatch.setattr(subject, "_check_work", lambda placed: None)
    monkeypatch.setattr(subject, "_clock_rate", lambda: subject.ticks_per_ns * (1 + drift))
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
    """Between two moments 20 ms apart at least."""
    made: Any = Sampler.__new__(Sampler)
    moments = iter([(1000.0, 500.0), (1000.0 + 21e6, 500.0 + 63e6)])
    made._clocks = lambda: next(moments)
    waited = iter([1000 + 5_000_000, 1000 + 19_999_999, 1000 + 20_000_000])
    monkeypatch.setattr(module, "perf_counter_ns", lambda: next(waited))
    assert made._clock_rate() == pytest.approx(3.0)
    assert list(waited) == []


def walk(memory: str, templates: tuple[bytes, bytes] = (b"a", b"a")) -> Walk:
    """Of two arms whose pages begin like this."""
    arms: list[Any] = [SimpleNamespace(run=SimpleNamespace(templates=template)) for template in templates]
    case = case_of(memory=memory)
    start: Any = SimpleNamespace(order_address=lambda at: at, order_of_pages=np.arange(struct_pages("l2")))
    return Walk(case, start, arms)


def test_the_warm_set_is_freed_again_and_again() -> None:
    """No slice uses it up, and the latest slice freed all of it."""
    warm, record = walk("warm", (b"a", b"b")), np.zeros(1, [("order_of_pages", "i8")])
    assert warm.restores_each_pass and warm.passes > 1
    warm.advance(record)
    assert record["order_of_pages"][0] == 0 and warm.last().tolist() == list(range(PAGES))


def test_a_larger_array_is_walked_through() -> None:
    """Chunk after chunk; at its end, and before the first, the pages are to be restored."""
    cold, record = walk("l2"), np.zeros(1, [("order_of_pages", "i8")])
    assert cold.exhausted and not cold.restores_each_pass and cold.passes == 1
    cold.restart()
    for place in range(struct_pages("l2") // cold.chunk):
        assert not cold.exhausted
        cold.advance(record)
        assert record["order_of_pages"][0] == place * cold.chunk
        assert cold.last().tolist() == list(range(place * cold.chunk, (place + 1) * cold.chunk))
    assert cold.exhausted


def test_unlike_pages_cannot_share_an_array() -> None:
    """Arms that mark pages differently are refused beyond the warm set."""
    with pytest.raises(FreepathError, match="choose memory=warm"):
        walk("l2", (b"a", b"b"))


def test_checking_a_large_array_gives_it_back_seldom() -> None:
    """Once at first and then when it is used up: each time takes a quarter of a second for 1 GiB."""
    subject = Sampler(case_of(memory="l2"), Store(), [1], Scheme(24, groups=1))
    subject(1)
    given_back = []
    for placed in subject.arms:
        real = placed.restore
        placed.restore = lambda at, real=real: given_back.append(at) or real(at)  # type: ignore[func-returns-value]
    subject.check()
    cells, chunks = len(subject.arms[0].addresses), subject.walk.pages // subject.walk.chunk
    assert cells >= 24 and len(given_back) <= len(subject.arms) * (2 + cells // chunks)


def test_pyperf_alone_has_one_cell_and_a_plain_mean() -> None:
    """As compiled, the first build only."""
    (case,) = select("memcg=on-idle,page_kind=plain,depth=pcp,checks=on,entry=__free_pages,base")
    alone = Sampler(Case(case.scenario, ARMS[:1], pyperf_alone=True), Store(), [1], SMALL)
    assert alone.reduce([1.0, 2.0, 6.0]) == 3.0
    seconds = alone(4)
    assert alone.blocks[0].shape == (1, 1)
    assert seconds == pytest.approx(alone.blocks[0][0, 0] * 1e-9 * alone.pages_per_slice * 4)
    alone.check()
