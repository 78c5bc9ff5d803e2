"""The interface of a kernel version."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, ClassVar, Protocol

import numpy as np

from model.common.errors import FreepathError
from model.kernels.offer import Offer
from model.kernels.start import StartState
from model.kernels.variants import Variant
from model.machine_code.image import Spec
from model.vocabulary.scenario import Arm, Scenario, usual_scenario

Link = Callable[[Any], dict[str, tuple[Any, ...]]]
"""Fills the namespace for one image; returns its entries."""


@dataclass(frozen=True)
class Compiled:
    """What the compiling process needs of code that is no modelled version; a `Kernel` has the same.

    Attributes
    ----------
    spec_of
        Makes the spec of an image from plain data.
    linkage
        Its functions and how an image is linked; imports the compiler.
    """

    spec_of: Callable[[dict[str, Any]], Spec]
    linkage: Callable[[], tuple[Any, Link]]


class Path(Protocol):
    """One measured way through a kernel: how to compile, run and check it in a scenario."""

    gated: ClassVar[bool]
    """Whether the emulator runs every build before it is timed."""

    def check(self, scenario: Scenario) -> None:
        """Refuse values that this kernel version does not have, alone or together.

        Raises
        ------
        FreepathError
        """

    def arms(self, scenario: Scenario) -> list[Arm]:
        """Every arm that makes sense here, bases first; refuses as `check` does."""

    def image(self, scenario: Scenario, arm: Arm) -> Spec:
        """The image that this arm runs."""

    def loop(self, scenario: Scenario, arm: Arm) -> str:
        """The timed loop of that image."""

    def nothing(self, scenario: Scenario) -> str:
        """The timed loop that frees nothing: the cost of reading the clock."""

    def free(self, scenario: Scenario, arm: Arm) -> str:
        """The function that frees one page, which the census traces."""

    def slots(self, arm: Arm) -> int | None:
        """Dispatch slots of what the arm inserts, where they are known."""

    def pages(self, scenario: Scenario) -> int:
        """Pages that are freed before they are restored."""

    def pages_per_pass(self, scenario: Scenario) -> int:
        """Pages that are freed between two readings of the clock."""

    def passes(self, scenario: Scenario) -> int:
        """Passes per slice."""

    def start(
        self, scenario: Scenario, rng: np.random.Generator, *, counting: Arm | None = None
    ) -> StartState:
        """A machine with the pages that timed loops, or the arm of a census, will free.

        Refuses as `check` does.
        """


@dataclass(frozen=True)
class Kernel:
    """One version.

    Attributes
    ----------
    name
        As users name it: `v4.3`.
    paths
        Its measured paths, by name.
    scenarios, quick
        All scenarios, and those of the headline; every scenario names its path.
    not_quick
        Variant and gate (None: every gate) that the headline leaves out.
    sweeps, sweep_arms
        Axis -> the scenarios along it, and the arms that are measured there beside base.
    variants, calibration
        Forms of the patch point in the order of tables, and variants that only calibrate.
    counted_when_asked
        Scenarios that a census leaves out unless they are selected: they take seconds for each arm.
    offer
        What a check may use.
    template
        A commented variant to begin from, in which VERSION is `name`.
    keys
        Name of each static key -> its number in the jump table.
    spec_of
        An image's spec from plain data.
    linkage
        Its functions (`model.compiler.function.Linkage`) and how an image is linked; only the compiling
        process calls this, for it imports Numba.
    """

    name: str
    paths: Mapping[str, Path]
    scenarios: Sequence[Scenario]
    quick: Sequence[Scenario]
    not_quick: Collection[tuple[str, str | None]]
    sweeps: Mapping[str, Sequence[Scenario]]
    sweep_arms: Collection[tuple[str, str]]
    variants: dict[str, Variant]
    calibration: Mapping[str, Variant]
    keys: Mapping[str, int]
    offer: Offer
    template: FilePath
    spec_of: Callable[[dict[str, Any]], Spec]
    linkage: Callable[[], tuple[Any, Link]]
    counted_when_asked: Collection[Scenario] = ()

    def __post_init__(self) -> None:
        """Refuse a list with a scenario that this version cannot run, or that is in it twice.

        The first would fail after minutes of a run; processes of the second would be pooled. Refused is also
        a usual scenario that is not in the headline: `--insert` and `--sweep kernel` measure it, and nobody
        would see that it is another kernel's.

        Raises
        ------
        ValueError
        """
        lists = {"scenarios": self.scenarios, "quick": self.quick, "usual": [self.usual]}
        lists |= {"counted_when_asked": list(self.counted_when_asked)}
        lists |= {f"the sweep along {axis}": along for axis, along in self.sweeps.items()}
        for name, listed in lists.items():
            for scenario in listed:
                if fault := self._fault(scenario, listed):
                    raise ValueError(f"{self.name}: {name} has {scenario.name}: {fault}")
        if self.usual not in self.quick:
            raise ValueError(
                f"{self.name}: quick lacks the usual scenario, {self.usual.name}: say what is usual there in "
                "USUAL_OF (model/vocabulary/scenario.py)"
            )

    def _fault(self, scenario: Scenario, listed: Sequence[Scenario]) -> str:
        """Why a scenario cannot be in a list; an empty text when it can."""
        if listed.count(scenario) > 1:
            return "it is there twice"
        if scenario.kernel != self.name or scenario.path not in self.paths:
            return f"it is of {scenario.kernel}, path {scenario.path}"
        try:
            self.paths[scenario.path].check(scenario)
        except FreepathError as error:
            return str(error)
        return ""

    @property
    def usual(self) -> Scenario:
        """The scenario in which a user variant is measured by default."""
        return usual_scenario(self.name)
