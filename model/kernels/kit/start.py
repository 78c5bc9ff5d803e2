"""What start states of modelled kernels have in common."""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from model.kernels.arrays import aligned
from model.kernels.kit.machine import ModelMachine
from model.kernels.mix import FIRST_TAIL, HEAD, OTHER_TAIL, PLAIN
from model.kernels.start import FreedWord, StartState
from model.vocabulary.scenario import Scenario


class ModelStart(StartState):
    """Pages in play of a modelled kernel (`model.kernels.start`), on every CPU of the machine.

    Parameters
    ----------
    machine
        Its page array must have room for `pages`, and for what depth `full` has on the lists, of each CPU.
    scenario, pages, rng
        As `StartState` has them.
    variant
        Give every page at once its start state, as with this variant; None: left to a loop's `restore`.
    cpu
        The CPU that frees these pages; CPU 0's start state holds those of the others.
    """

    machine: ModelMachine
    references: ClassVar[str]
    """Field of a struct page: its references."""

    def __init__(
        self,
        machine: ModelMachine,
        scenario: Scenario,
        pages: int,
        rng: np.random.Generator,
        variant: str | None = None,
        cpu: int = 0,
    ) -> None:
        super().__init__(scenario, pages, rng, machine.memory, cpu * self.pages_of_a_cpu(scenario, pages))
        self.machine, self.cpu = machine, cpu
        others = range(1, machine.cpus) if cpu == 0 else ()
        self.others = [type(self)(machine, scenario, pages, rng, variant, number) for number in others]
        self.set_up(variant)

    @abstractmethod
    def set_up(self, variant: str | None) -> None:
        """Pages, charges and lists as they are before the free; ends with `keep`."""

    @staticmethod
    def pages_of_a_cpu(scenario: Scenario, pages: int) -> int:
        """Struct pages of each CPU, where there are several."""
        return pages

    @abstractmethod
    def mark_compound(self, pages: npt.NDArray[Any]) -> None:
        """Make templates those of a compound block."""

    def templates(self, variant: str) -> npt.NDArray[Any]:
        """What a page may start as with this variant: struct page[4], by the numbers in the patterns."""
        kind = self.scenario.page_kind
        head, plain = (self.machine.template(each, variant) for each in (kind, "plain"))
        pages = aligned(plain.dtype, 4)
        pages[PLAIN] = (plain if self.scenario.mixed else head)[0]
        pages[HEAD] = head[0]
        pages[FIRST_TAIL] = pages[OTHER_TAIL] = plain[0]
        pages[self.references][[FIRST_TAIL, OTHER_TAIL]] = 0
        if self.scenario.compound:
            self.mark_compound(pages)
        return pages

    def freed(self) -> int | None:
        """Blocks freed by each CPU since boot, by the kernel's own count; the fewest, if they differ."""
        return min(int(cpu["pgfree"]) for cpu in self.machine.memory.cpus) >> self.scenario.block_order

    @property
    def freed_word(self) -> FreedWord:
        """A page without references is freed."""
        return self.freed_word_of(self.references, 0, of_freed=True)

    def freed_word_of(self, field: str, value: int, *, of_freed: bool) -> FreedWord:
        """A field of a struct page that has this value once the page is freed, or until it is."""
        fields = self.machine.memory.mem_map.dtype.fields
        assert fields is not None
        kind, offset = fields[field][:2]
        return FreedWord(offset, kind.itemsize, value, of_freed)
