"""Start states of a kernel file's pages: as their owners hold them just before the free."""

import numpy as np
import numpy.typing as npt

from model.kernels.kernel_file.machine import FileMachine
from model.kernels.start import StartState as Start
from model.vocabulary.scenario import Scenario


class FileStart(Start):
    """Pages of a kernel file in play (`model.kernels.start`).

    Parameters
    ----------
    machine, scenario, pages, rng
        As `model.kernels.start.StartState` has them.
    """

    def __init__(
        self, machine: FileMachine, scenario: Scenario, pages: int, rng: np.random.Generator
    ) -> None:
        memory = machine.memory
        super().__init__(scenario, pages, rng, memory)
        self.machine = machine
        memory.fill(memory.page())
        self._pgfree = memory.variable("vm_event_states") + 8 * memory.btf.enumerator("PGFREE")
        self.keep(memory.arena, memory.restored)

    def templates(self, variant: str) -> npt.NDArray[np.void]:
        """What a page may start as: V64[1], alike for every arm."""
        return self.machine.memory.page()

    def freed(self) -> int | None:
        """Pages freed since this state was made, by the kernel's own event counter."""
        return self.machine.memory.read(self._pgfree, 8)

    def held(self, pages: npt.NDArray[np.uint32]) -> int:
        """How many of these pages, by number, still have an owner: so many were not freed."""
        return int((self.machine.memory.page_words("_refcount")[pages] != 0).sum())
