"""The measured path of a modelled kernel: the size of a slice, and what all versions do alike."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar, Final, Generic, TypeVar

import numpy as np

from model.kernels.kit.machine import ModelMachine
from model.kernels.kit.start import ModelStart
from model.kernels.modelled import Values, check_modelled
from model.kernels.variants import Variant
from model.machine_code.cpu_caches import struct_pages
from model.machine_code.image import Spec
from model.vocabulary.scenario import Arm, Scenario

SLICE_NS: Final = 30_000
"""Nominal ns of a slice. Actual ones take 16 to 60 us: in shorter ones the call weighs more, longer ones are
interrupted more often."""
SEQUENTIAL_CHUNK: Final = 4096
RANDOM_CHUNK: Final = 1024
"""Pages per slice beyond the warm set: a random page costs about four times as much."""
APART_PAGES: Final = 64
"""Pages per slice where each is freed alone: the work between frees takes about a microsecond."""
BLOCK_PAGES: Final = 512
LEAST_BLOCKS: Final = 8
"""Least number of blocks in a pass; `BLOCK_PAGES` struct pages hold more of all but the largest ones."""


State = TypeVar("State", bound=ModelStart)


class ModelPath(ABC, Generic[State]):
    """A path of pages and blocks, from __free_pages and its siblings to the per-CPU lists and the buddy."""

    gated: ClassVar[bool] = False
    full_pass: ClassVar[int]
    """Warm pages per pass at depth `full`."""
    start_type: type[State]
    variants: ClassVar[Mapping[str, Variant]]
    calibration: ClassVar[Mapping[str, Variant]]
    values: ClassVar[Values]
    """Axis -> its values on this version."""
    faults: "ClassVar[staticmethod[[Scenario], Iterable[str]]]"
    """Messages on values that do not go together there."""

    def check(self, scenario: Scenario) -> None:
        """Refuse values that this version does not have, alone or together.

        Raises
        ------
        FreepathError
        """
        check_modelled(scenario, self.values, self.faults(scenario))

    @abstractmethod
    def arms(self, scenario: Scenario) -> list[Arm]:
        """Every arm that makes sense here, bases first; refuses as `check` does."""

    @abstractmethod
    def image(self, scenario: Scenario, arm: Arm) -> Spec:
        """The image that this arm runs."""

    @abstractmethod
    def loop(self, scenario: Scenario, arm: Arm) -> str:
        """The timed loop of that image."""

    @abstractmethod
    def free(self, scenario: Scenario, arm: Arm) -> str:
        """The function that frees one page, which the census traces."""

    @abstractmethod
    def machine(self, scenario: Scenario, place: np.random.Generator | None) -> ModelMachine:
        """A machine with room for the pages in play.

        Parameters
        ----------
        place
            Draws where data lies; None: at a page's start.
        """

    def start(self, scenario: Scenario, rng: np.random.Generator, *, counting: Arm | None = None) -> State:
        """A machine and the pages that are to be freed on it.

        Parameters
        ----------
        rng
            Draws the order of the pages, and where data lies.
        counting
            This arm is counted, not timed: data lies at a page's start, and pages have their state at once.
        """
        self.check(scenario)
        machine = self.machine(scenario, None if counting else rng)
        variant = counting.variant if counting else None
        return self.start_type(machine, scenario, self.pages(scenario), rng, variant)

    @abstractmethod
    def pass_ns(self, scenario: Scenario) -> int:
        """Nominal ns of a pass over warm pages; it only sets the number of passes of a slice."""

    def charged_pages(self, scenario: Scenario) -> int | None:
        """Warm charged pages that are freed before they are restored; None: as many as plain ones."""
        return None

    def timed(self, scenario: Scenario, free: str) -> str:
        """The loop of a function that frees one page: on several threads, each free by itself, or neither."""
        way = "" if scenario.between == "nothing" else "apart_"
        if scenario.threads != "1":
            way = "together_"
        return f"time_{way}{free.strip('_')}"

    def nothing(self, scenario: Scenario) -> str:
        """Name of the compiled loop that frees nothing: the cost of reading the clock."""
        return "time_nothing" if scenario.between == "nothing" else "time_apart_nothing"

    def slots(self, arm: Arm) -> int | None:
        """Dispatch slots of an exact arm's operation; None for a compiled variant, or where undeclared."""
        return {**self.calibration, **self.variants}[arm.variant].slots

    def pages(self, scenario: Scenario) -> int:
        """Pages that are freed before they are restored."""
        if scenario.between == "flip":
            return 1  # the next one would find unmodified code
        if scenario.between != "nothing":
            return APART_PAGES
        if scenario.block_order:
            return max(BLOCK_PAGES, LEAST_BLOCKS << scenario.block_order)
        if scenario.memory == "warm":
            if scenario.page_kind == "charged" and (charged := self.charged_pages(scenario)):
                return charged
            if scenario.depth == "full":
                return self.full_pass
        return struct_pages(scenario.memory)

    def pages_per_pass(self, scenario: Scenario) -> int:
        """Pages that are freed between two readings of the clock."""
        if scenario.memory == "warm":
            return self.pages(scenario) >> scenario.block_order
        return SEQUENTIAL_CHUNK if scenario.access == "sequential" else RANDOM_CHUNK

    def passes(self, scenario: Scenario) -> int:
        """Passes per slice; cold pages are freed once, and so is a random mix: predictors would learn it."""
        once = scenario.memory != "warm" or scenario.between != "nothing"
        if once or (scenario.mixed and scenario.spread == "random"):
            return 1
        return max(1, round(SLICE_NS / self.pass_ns(scenario)))
