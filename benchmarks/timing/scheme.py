"""Which builds a process measures: enumerated phases, random NOPs, placements and stack places, all balanced.

A build is laid out at several places: a *cell* is one build at one place in a line with the stack at one
place; all arms are measured in it, interleaved. A value (pyperf's word for what one call of the time function
gives) is the mean over cells in which each phase and each place of the stack occurs equally often.
docs/decisions/0004 and 0006 have the experiments.
"""

import math
import mmap
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from model.common.errors import FreepathError
from model.machine_code.builds import SHARE, Plan
from model.machine_code.image import LINE
from model.machine_code.placement import POSITIONS, STACK_PLACES, STACK_STEP, STEP

PHASES: Final = 24
"""Phases: 0 to 23 NOPs before the patch point. A multiple of every dispatch width from 4 to 12 but 5, 7, 9,
10 and 11, over which 24 consecutive phases are balanced to a 24th."""
SLICES: Final = 4
"""Slices of each arm in a cell: two orders of the arms, each mirrored."""

STACK_LINES: Final = mmap.PAGESIZE // LINE
"""Lines of a page, at each of which the stack lies equally often: a load that finds a store to the same place
of another page waits, so some lines cost 0.3 ns a page (docs/decisions/0006)."""

Incidental = Literal["both", "phase", "random"]
INCIDENTAL: Final[tuple[Incidental, ...]] = get_args(Incidental)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scheme:
    """How builds are drawn.

    Attributes
    ----------
    builds
        Phases 0 to builds - 1; with a single one the image stays as compiled.
    incidental
        What differs between builds: the enumerated phase, random NOPs elsewhere, or both.
    """

    builds: int = PHASES
    incidental: Incidental = "both"

    def __post_init__(self) -> None:
        if not 1 <= self.builds <= PHASES:
            raise FreepathError(
                f"--builds {self.builds}: from 1 (as compiled) to {PHASES} (the default) can be measured"
            )

    @property
    def name(self) -> str:
        """As the run's metadata has it; runs of unlike schemes are not mixed."""
        return "one" if self.builds == 1 else f"{self.incidental}-{self.builds}"

    @property
    def cells(self) -> int:
        """Builds of a value, one for each time that is stored: its mean over the build's places."""
        return math.lcm(self.builds, STACK_PLACES)

    @property
    def unit(self) -> int:
        """Loops (slices per arm and value) come in multiples of this."""
        return SLICES * self.cells

    def loops(self, asked: int | None = None) -> int:
        """Slices per arm and value.

        Raises
        ------
        FreepathError
            When so many do not balance phases and places of the stack.
        """
        if asked is None:
            return self.unit * max(1, SLICES * PHASES // self.unit)
        if asked % self.unit or asked < 1:
            near = max(1, round(asked / self.unit)) * self.unit
            raise FreepathError(
                f"--loops {asked}: {self.builds} builds, {STACK_PLACES} places of the stack and {SLICES} "
                f"slices balance at multiples of {self.unit}, such as {near}"
            )
        return asked

    def draw(self, rng: np.random.Generator, places: int = POSITIONS, copies: int | None = None) -> "Cells":
        """The cells of one value, of builds that no other value has.

        Parameters
        ----------
        places
            At which each build is measured, of the sixteen in a line.
        copies
            Of each build, each measured at as many places of the stack as make up its places; as many as
            places when not given.
        """
        copies = copies or places
        builds = self.cells
        phase = np.arange(builds) * self.builds // builds
        # A build's places have the stack at successive places, so that each meets all, or a phase does.
        first = np.arange(builds) * min(places, STACK_PLACES) + int(rng.integers(STACK_PLACES))
        stack = (first[:, None] + np.arange(places)) % STACK_PLACES
        placement = _balanced(rng, POSITIONS, builds * copies).reshape(builds, copies)
        alone = self.builds == 1
        plan = Plan(
            phases=np.zeros(builds, np.int64) if self.incidental == "random" else phase,
            seeds=rng.integers(0, 2**63, builds).astype(np.uint64),
            offsets=placement * STEP,
            share=0.0 if alone or self.incidental == "phase" else SHARE,
        )
        lines = _balanced(rng, STACK_LINES, stack.size).reshape(stack.shape)
        return Cells(
            plan, phase, placement.repeat(places // copies, axis=1), stack * STACK_STEP, lines * LINE
        )


def _balanced(rng: np.random.Generator, kinds: int, count: int) -> Ints:
    """int64[count], each of the numbers below `kinds` as often as any other, or once more, at random."""
    return np.concatenate([rng.permutation(kinds) for _ in range(-(-count // kinds))])[:count]


@dataclass(frozen=True)
class Cells:
    """The cells of one value; its builds in the order of their phase.

    Attributes
    ----------
    phase
        int64[builds], number of the phase.
    placement
        int64[builds, places], number of the place in a line.
    stack, lines
        int64[builds, places], bytes that the stack is moved down: less than a line; whole lines, less
        than a page.
    """

    plan: Plan
    phase: Ints
    placement: Ints
    stack: Ints
    lines: Ints

    @property
    def moved(self) -> Ints:
        """int64[builds, places], bytes that the stack is moved down."""
        return self.stack + self.lines
