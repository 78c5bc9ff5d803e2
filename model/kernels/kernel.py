"""What a kernel version is to everyone outside its folder."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Protocol

import numpy as np

from model.code.image import Spec
from model.common.errors import FreepathError
from model.kernels.variants import Variant
from model.kernels.vetting import Offer
from model.vocabulary.scenario import Arm, Scenario, usual_scenario

Link = Callable[[Any], dict[str, tuple[Any, ...]]]
"""Fills the namespace for one image; returns its entries."""


class Path(Protocol):
    """One way through a kernel that is measured: what it takes to compile, run and check it in a scenario."""

    def check(self, scenario: Scenario) -> None:
        """Refuse what this kernel version does not have, or has not together.

        Raises
        ------
        FreepathError
        """

    def arms(self, scenario: Scenario) -> list[Arm]:
        """Every arm that makes sense here, bases first; refuses as `check` does."""

    def image(self, scenario: Scenario, arm: Arm) -> Spec:
        """What this arm runs, compiled."""

    def loop(self, scenario: Scenario, arm: Arm) -> str:
        """The timed loop of that image."""

    def nothing(self, scenario: Scenario) -> str:
        """The timed loop that frees nothing: the price of reading the clock."""

    def free(self, scenario: Scenario, arm: Arm) -> str:
        """The function that does it once, which the census follows."""

    def slots(self, arm: Arm) -> int | None:
        """Dispatch slots of what the arm inserts, where they are known."""

    def pages(self, scenario: Scenario) -> int:
        """Pages that are freed before they are given back."""

    def pages_per_pass(self, scenario: Scenario) -> int:
        """Pages that are freed between two readings of the clock."""

    def passes(self, scenario: Scenario) -> int:
        """Passes per slice."""

    def start(self, scenario: Scenario, rng: np.random.Generator, *, counting: Arm | None = None) -> Any:
        """A machine, and the pages that timed loops, or one arm that is counted, will free on it.

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
        What is measured of it, by name.
    scenarios, quick
        What there is to measure, and the headline; every scenario names its path.
    not_quick
        Variant and gate (None: every gate) that the headline goes without.
    sweeps, sweep_arms
        Axis -> the scenarios along it, and what is measured there beside base.
    variants, calibration
        Forms of the patch point in the order of tables, and variants that only calibrate.
    counted_when_asked
        Scenarios that a census leaves out where nobody names one: they take seconds for each arm.
    offer
        What a check may use.
    template
        A variant to begin from, commented.
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

        A run would come to the first one after minutes, and processes of the second one would be pooled.

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
        """Where a check is measured of which nothing else is asked."""
        return usual_scenario(self.name)
