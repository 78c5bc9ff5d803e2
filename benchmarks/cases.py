"""Cases: scenarios of a kernel with their arms, and how `--only` chooses among them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from model.common.errors import FreepathError
from model.kernels import VERSIONS, kernel_called, kernels, path_of
from model.kernels.kernel import Path
from model.kernels.variants import Variant
from model.machine_code.image import Spec
from model.vocabulary.scenario import AXES, GATES, Arm, Scenario

DEFAULT_KERNEL: Final = VERSIONS[0]
BARE: Final = frozenset({"base", "base-twin"})
"""Variants with nothing at the patch point, which every selection keeps."""
MOST_PLACES: Final = 4
"""Places of a build: more would measure one draw of NOPs again, and draws differ by more than places do."""
USUAL_ARMS: Final = 12
"""Arms of a scenario that is measured whole."""
LARGEST_FACTOR: Final = 4
"""By which a process of few arms measures more values at most."""


class SelectionError(FreepathError):
    """The selection names what does not exist, or leaves nothing to measure."""


def names() -> Mapping[str, Sequence[str]]:
    """Axes of `--only`, each with its values."""
    variants = [name for kernel in kernels() for name in kernel.variants]
    return {"variant": list(dict.fromkeys(variants)), "gate": GATES, **AXES}


def mix_of(scenario: Scenario) -> str:
    """A mix by its old name, as a kind of page: `flagged-10-random`."""
    return f"{scenario.page_kind}-{scenario.share}-{scenario.spread}"


MIXES: Final = frozenset(mix_of(s) for kernel in kernels() for s in kernel.scenarios if s.mixed)
"""Mixes by their old names, as kinds of page."""


@dataclass(frozen=True)
class Case:
    """A scenario with the arms to measure in it, bases first.

    Attributes
    ----------
    processes
        Number of workers; None: as the command line says.
    values
        Values per worker; None likewise.
    pyperf_alone
        One arm, one placement, plain means, as pyperf alone measures: for comparison.
    """

    scenario: Scenario
    arms: tuple[Arm, ...]
    processes: int | None = None
    values: int | None = None
    pyperf_alone: bool = False

    @property
    def path(self) -> Path:
        """The path that the scenario measures."""
        return path_of(self.scenario)

    @property
    def pages_per_slice(self) -> int:
        """Pages that one slice of one arm frees, a single pass: pyperf's inner loops."""
        return self.path.pages_per_pass(self.scenario)

    @property
    def places(self) -> int:
        """Places at which each build is measured: as many passes as take 30 us, so that values take alike."""
        scenario = self.scenario
        if scenario.memory != "warm" or scenario.between != "nothing" or scenario.threads != "1":
            return 1
        return min(MOST_PLACES, self.path.passes(self.scenario))

    @property
    def copies(self) -> int:
        """Copies of each build: one where the emulator runs each first, which takes longer than timing it."""
        return 1 if self.path.gated else self.places

    def benchmark(self, arm: int) -> str:
        """Name of pyperf's benchmark: `scenario: variant/gate`."""
        plain = "plain pyperf, " if self.pyperf_alone else ""
        return f"{plain}{self.scenario.name}: {self.arms[arm].name}"

    def variant(self, arm: Arm) -> Variant:
        """What an arm's variant declares."""
        kernel = kernel_called(self.scenario.kernel)
        return {**kernel.calibration, **kernel.variants}[arm.variant]

    def images(self) -> list[Spec]:
        """The images that its arms run."""
        return [self.path.image(self.scenario, arm) for arm in self.arms]


def with_arms(case: Case, names: Collection[str]) -> Case:
    """A case with its arms of these names, and its controls."""
    return replace(case, arms=tuple(a for a in case.arms if a.variant in BARE or a.name in names))


def lasting(case: Case, values: int) -> Case:
    """A case whose processes last as long as those of a usual one, which measures so many values."""
    return replace(case, values=case.values or values_of(len(case.arms), values))


def values_of(arms: int, values: int) -> int:
    """Values of a process: with few arms more than usual, else its start would take most of its life."""
    return values * min(LARGEST_FACTOR, max(1, round(USUAL_ARMS / arms)))


def from_plain(plain: Mapping[str, Any]) -> Case:
    """A case from what `dataclasses.asdict` makes of it."""
    arms = tuple(Arm(**arm) for arm in plain["arms"])
    return Case(**{**plain, "scenario": Scenario(**plain["scenario"]), "arms": arms})


def case_of(scenario: Scenario) -> Case:
    """A scenario with every arm that it has."""
    return Case(scenario, tuple(path_of(scenario).arms(scenario)))
