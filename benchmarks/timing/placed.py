"""An arm where it can run: its image, what its loop reaches, its record, and the builds that are timed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from model.kernels.start import LoopRecord, StartState
from model.machine_code.builds import Builds
from model.machine_code.image import Code
from model.machine_code.pieces import Pieces
from model.vocabulary.scenario import Arm

if TYPE_CHECKING:
    from benchmarks.gate import Candidate


@dataclass
class PlacedArm:
    """One arm: its loop's code and address in each cell, its record, and how its pages are restored."""

    arm: Arm
    start: StartState
    code: Code
    pieces: Pieces
    run: LoopRecord
    restore: Callable[..., int]
    restore_at: int
    """Address of that function."""
    taken: list[Builds] = field(default_factory=list)
    """The builds of the current value; none before the first one."""
    addresses: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 1), np.int64))
    """int64[builds, places], of their loops."""

    @property
    def digest(self) -> str:
        """Machine code digest of the image as loaded."""
        return self.code.digest

    @property
    def builds(self) -> Builds:
        """Those of the current value."""
        (builds,) = self.taken
        return builds

    def candidate(self, scenario: str) -> "Candidate":
        """What the emulator runs before they are timed."""
        from benchmarks.gate import Candidate

        builds, name = self.builds, f"{scenario}: {self.arm.name}"
        return Candidate(name, self.start, self.run, builds.addresses, builds.begins, builds.ends)
