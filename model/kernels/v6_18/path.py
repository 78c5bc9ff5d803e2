"""The path of a freed page: its arms, images and loops in a scenario, and what a slice of it is."""

from typing import Final

import numpy as np

from model.code.caches import struct_pages
from model.common.errors import FreepathError
from model.kernels.v6_18.image import Image
from model.kernels.v6_18.machine import Machine
from model.kernels.v6_18.start import StartState
from model.kernels.v6_18.variants import VARIANTS, variant_called
from model.vocabulary.scenario import Arm, Gate, Scenario

SLICE_NS: Final = 30_000
NOMINAL_NS: Final = 30
"""ns per warm page on the machine that this was written on; it only sets how many passes make a slice."""
SEQUENTIAL_CHUNK: Final = 4096
RANDOM_CHUNK: Final = 1024
"""Pages per slice beyond the warm set."""
APART_PAGES: Final = 64
HERE: Final = {
    "memcg": ("off", "on-idle", "on-active"),
    "page_kind": ("plain", "anon", "flagged"),
    "depth": ("pcp",),
    "checks": ("on", "off"),
    "entry": ("__free_pages", "put_page"),
    "block": ("page",),
    "threads": ("1",),
    "levels": ("2",),
    "memsw": ("off",),
}
"""Values that this version has, on axes where it has not all."""


def check_here(scenario: Scenario) -> None:
    """Refuse what this version does not have.

    Raises
    ------
    FreepathError
    """
    for axis, there in HERE.items():
        if scenario.axes[axis] not in there:
            raise FreepathError(
                f"{scenario.kernel} has no {axis}={scenario.axes[axis]}; it has {', '.join(there)}"
            )
    if scenario.entry != "__free_pages" and scenario.between != "nothing":
        raise FreepathError(f"between={scenario.between} goes with entry=__free_pages, not {scenario.entry}")


class FreePath:
    """The path of order-0 pages, from __free_pages to the per-CPU list."""

    def arms(self, scenario: Scenario) -> list[Arm]:
        """Every arm whose code differs from base here, bases first."""
        left_out = set()
        if scenario.memcg == "off":
            left_out |= {name for name, known in VARIANTS.items() if hasattr(known.module, "memcg_step")}
        if scenario.config == "default":
            left_out.add("no-cpupid")
        if scenario.checks == "on":
            left_out.add("check-pages")
        return [Arm(name, self._gate(scenario, name)) for name in VARIANTS if name not in left_out]

    def _gate(self, scenario: Scenario, variant: str) -> Gate:
        """The memcg key is always a jump label; an exact arm asks none of its own."""
        return "none" if scenario.memcg == "off" or VARIANTS[variant].exact else "jump-label"

    def image(self, scenario: Scenario, arm: Arm) -> Image:
        """The compiled free path that this arm runs here."""
        check_here(scenario)
        return Image(
            arm.variant,
            arm.gate,
            memcg=scenario.memcg != "off",
            config=scenario.config,
            apart=scenario.between != "nothing",
            entry=scenario.entry,
        )

    def loop(self, scenario: Scenario, arm: Arm) -> str:
        """Name of the compiled loop."""
        if scenario.entry == "put_page":
            return "time_put_page"
        return "time_free_pages" if scenario.between == "nothing" else "time_apart_free_pages"

    def nothing(self, scenario: Scenario) -> str:
        """Name of the compiled loop that frees nothing: what reading the clock costs."""
        return "time_nothing" if scenario.between == "nothing" else "time_apart_nothing"

    def free(self, scenario: Scenario, arm: Arm) -> str:
        """Name of the function that frees one such page."""
        return scenario.entry

    def slots(self, arm: Arm) -> int | None:
        """Dispatch slots of an exact arm's operation; None for a variant as compiled, or if nobody said."""
        return variant_called(arm.variant).slots

    def pages(self, scenario: Scenario) -> int:
        """Pages that are freed before they are given back."""
        if scenario.between == "flip":
            return 1
        return struct_pages(scenario.memory) if scenario.between == "nothing" else APART_PAGES

    def pages_per_pass(self, scenario: Scenario) -> int:
        """Pages that are freed between two readings of the clock."""
        if scenario.memory == "warm":
            return self.pages(scenario)
        return SEQUENTIAL_CHUNK if scenario.order == "sequential" else RANDOM_CHUNK

    def passes(self, scenario: Scenario) -> int:
        """Passes per slice; cold pages are freed once, as is a random mix: else it would be learned."""
        once = scenario.memory != "warm" or scenario.between != "nothing"
        if once or (scenario.mixed and scenario.spread == "random"):
            return 1
        return max(1, round(SLICE_NS / (self.pages(scenario) * NOMINAL_NS)))

    def start(
        self, scenario: Scenario, rng: np.random.Generator, *, counting: Arm | None = None
    ) -> StartState:
        """A machine and the pages that are to be freed on it.

        Parameters
        ----------
        rng
            Draws the order of the pages, and where data lies.
        counting
            One arm is counted, not timed: data lies at a page's start, and every page is of the kind at once.
        """
        check_here(scenario)
        machine = Machine(
            self.pages(scenario),
            scenario.memcg,
            scenario.config,
            checks=scenario.checks == "on",
            hvo=scenario.hvo == "on",
            rng=None if counting else rng,
            huge=scenario.backing == "huge",
        )
        return StartState(machine, scenario, self.pages(scenario), rng, filled=counting is not None)
