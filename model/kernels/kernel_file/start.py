"""Start states of a kernel file's pages: as their owners hold them just before the free."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from model.kernels.arrays import address_of
from model.kernels.kernel_file.batches import FOLIOS, Batches, part_of
from model.kernels.kernel_file.blocks import Block
from model.kernels.kernel_file.layout import LIST_POISON, Needs
from model.kernels.kernel_file.machine import FileMachine
from model.kernels.kernel_file.memcg import Charge, parts_of
from model.kernels.modelled import BATCHES
from model.kernels.start import FreedWord, LoopRecord
from model.kernels.start import StartState as Start
from model.vmlinux.loading import LoadedKernel
from model.vocabulary.scenario import Scenario


class FileStart(Start):
    """Pages of a kernel file in play (`model.kernels.start`).

    Parameters
    ----------
    loaded
        The file.
    scenario, pages, rng
        As `model.kernels.start.StartState` has them.
    counted
        One call is counted, not timed: data lies at a page's start.

    Attributes
    ----------
    beside
        Arm -> the start state of another file, where several are measured side by side.
    """

    gated = True
    machine: FileMachine

    def __init__(
        self,
        loaded: LoadedKernel,
        scenario: Scenario,
        pages: int,
        rng: np.random.Generator,
        *,
        counted: bool = False,
    ) -> None:
        huge = scenario.backing == "huge"
        batched, charged = scenario.entry in BATCHES, scenario.page_kind == "charged"
        parts = [part_of(loaded.kernel.btf, scenario, pages)] if batched else []
        parts += parts_of(loaded.kernel.btf) if charged else []
        self.at_once = FOLIOS if batched else 1
        needs = Needs(parts, scenario.block_order, self.at_once)
        machine = FileMachine(loaded, pages, rng=None if counted else rng, huge=huge, needs=needs)
        memory = machine.memory
        super().__init__(scenario, pages, rng, memory)
        self.machine = machine
        self._charge = Charge(memory, pages) if charged else None
        if self._charge:
            self._empty_stock = self._charge.stock.copy()
        self._block = Block(memory, scenario, self._first_page())
        self._batches = Batches(memory, self._addresses) if batched else None
        if self._batches:
            self._addresses = self._batches.words
        self._block.put(memory, pages >> scenario.block_order)
        self._pgfree = memory.variable("vm_event_states") + 8 * memory.btf.enumerator("PGFREE")
        by_template = not self._block.links
        self.keep(memory.arena, memory.restored, range(0 if by_template else pages), by_template=by_template)
        self.beside: dict[str, FileStart] = {}

    def _first_page(self) -> npt.NDArray[np.void]:
        """The page, or the first one of a block, V64[1].

        put_page drops the last reference inline, before it calls the function that is timed.
        """
        charge = {"memcg_data": self._charge.data} if self._charge else {}
        return self.machine.memory.page(_refcount=int(self.scenario.entry != "put_page"), **charge)

    def loop_record(self, variant: str) -> LoopRecord:
        """The record of the timed loops; the stock lies apart from what is given back with the lists."""
        made = super().loop_record(variant)
        if self._charge:
            made.record["residents"] = address_of(self._charge.stock)
            made.record["residents_start"] = address_of(self._empty_stock)
            made.record["residents_bytes"] = self._empty_stock.nbytes
        return made

    def of(self, variant: str) -> "FileStart":
        """The start state that an arm frees pages of: of the arm that is another file, that file's."""
        return self.beside.get(variant, self)

    def templates(self, variant: str) -> npt.NDArray[np.void]:
        """What a page may start as: V64[4], alike for every arm, by the numbers in the patterns."""
        rows = self._block.rows
        return rows[[0, 0, min(1, len(rows) - 1), len(rows) - 1]]

    def arguments(self, number: int) -> tuple[int, int]:
        """What the entry is called with, for the n-th time."""
        return self._batches.arguments(number) if self._batches else super().arguments(number)

    def page_address(self, number: int) -> int:
        """Address of the n-th page, or first page of a block."""
        return self.machine.memory.page_address(number << self.scenario.block_order)

    def freed(self) -> int | None:
        """Pages or blocks freed since this state was made, by the kernel's own event counter."""
        return self.machine.memory.read(self._pgfree, 8) >> self.scenario.block_order

    @property
    def freed_word(self) -> FreedWord:
        """A page that was put on no list was not freed."""
        link = self.machine.memory.btf.offset("struct page", "lru.next")
        return FreedWord(link, 8, LIST_POISON["lru.next"], of_freed=False)

    def rows_of(self, pages: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Numbers of all pages of the blocks that begin with these."""
        return (pages.astype(np.int64)[:, None] + np.arange(len(self._block.rows))).reshape(-1)

    def fault(self, pages: Iterable[int]) -> str | None:
        """What is not as it should be after these pages were freed, to lists that were empty; or None.

        Parameters
        ----------
        pages
            Their numbers, or those of the first pages of blocks.
        """
        listed, expected = self.machine.memory.listed(self.scenario.block_order), {*pages}
        if sorted(listed) != sorted(expected):
            lost = sorted(expected - {*listed}) or sorted({*listed} - expected)
            return f"page {lost[0]} is not on its list: {self.machine.report() or 'it is elsewhere'}"
        if self._charge and (fault := self._charge.fault(np.array(listed, np.int64))):
            return fault
        return self.machine.report()
