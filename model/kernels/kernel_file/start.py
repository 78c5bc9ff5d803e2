"""Start states of a kernel file's pages: as their owners hold them just before the free."""

import numpy as np
import numpy.typing as npt

from model.kernels.kernel_file.layout import LIST_POISON
from model.kernels.kernel_file.machine import FileMachine
from model.kernels.start import StartState as Start
from model.vocabulary.scenario import Scenario


def template(machine: FileMachine, entry: str) -> npt.NDArray[np.void]:
    """A page as its owner holds it just before a free, V64[1].

    put_page drops the last reference inline, before it calls the function that is timed.
    """
    return machine.memory.page(_refcount=int(entry != "put_page"))


class FileStart(Start):
    """Pages of a kernel file in play (`model.kernels.start`).

    Parameters
    ----------
    machine, scenario, pages, rng
        As `model.kernels.start.StartState` has them.

    Attributes
    ----------
    beside
        Arm -> the start state of another file, where several are measured side by side.
    """

    gated = True

    def __init__(
        self, machine: FileMachine, scenario: Scenario, pages: int, rng: np.random.Generator
    ) -> None:
        memory = machine.memory
        super().__init__(scenario, pages, rng, memory)
        self.machine = machine
        memory.fill(self.templates("base"))
        self._pgfree = memory.variable("vm_event_states") + 8 * memory.btf.enumerator("PGFREE")
        self.keep(memory.arena, memory.restored)
        self.beside: dict[str, FileStart] = {}

    def of(self, variant: str) -> "FileStart":
        """The start state that an arm frees pages of: of the arm that is another file, that file's."""
        return self.beside.get(variant, self)

    def templates(self, variant: str) -> npt.NDArray[np.void]:
        """What a page may start as: V64[1], alike for every arm."""
        return template(self.machine, self.scenario.entry)

    def freed(self) -> int | None:
        """Pages freed since this state was made, by the kernel's own event counter."""
        return self.machine.memory.read(self._pgfree, 8)

    def held(self, pages: npt.NDArray[np.uint32]) -> int:
        """How many of these pages, by number, were put on no list: so many were not freed."""
        links = self.machine.memory.page_words("lru.next")[pages]
        return int((links == np.uint64(LIST_POISON["lru.next"])).sum())
