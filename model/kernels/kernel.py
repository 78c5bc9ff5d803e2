"""What a kernel version is to everyone outside its folder."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from model.code.image import Spec
from model.kernels.variants import Variant
from model.vocabulary.scenario import Arm, Scenario

Link = Callable[[Any], dict[str, tuple[Any, ...]]]
"""Fills the namespace for one image; returns its entries."""


class Path(Protocol):
    """One way through a kernel that is measured: what it takes to compile, run and check it in a scenario."""

    def arms(self, scenario: Scenario) -> list[Arm]:
        """Every arm that makes sense here, bases first."""

    def image(self, scenario: Scenario, arm: Arm) -> Spec:
        """What this arm runs, compiled."""

    def loop(self, scenario: Scenario, arm: Arm) -> str:
        """The timed loop of that image."""

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
        """A machine, and the pages that timed loops, or one arm that is counted, will free on it."""


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
    quick_arms
        Variant and gate (None: every gate) of the headline.
    variants, calibration
        Forms of the patch point in the order of tables, and variants that only calibrate.
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
    quick_arms: Collection[tuple[str, str | None]]
    variants: Mapping[str, Variant]
    calibration: Mapping[str, Variant]
    keys: Mapping[str, int]
    spec_of: Callable[[dict[str, Any]], Spec]
    linkage: Callable[[], tuple[Any, Link]]
