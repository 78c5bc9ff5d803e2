"""The path of a freed page: its arms, images and loops in a scenario, and the size of a slice."""

from typing import ClassVar, Final

import numpy as np

from model.code.caches import struct_pages
from model.kernels.v6_18.image import Image
from model.kernels.v6_18.machine import Machine
from model.kernels.v6_18.memcg import CHARGE_BATCH
from model.kernels.v6_18.modelled import check
from model.kernels.v6_18.start import StartState, residents_of
from model.kernels.v6_18.variants import VARIANTS, variant_called
from model.kernels.v6_18.zone import COSTLY_ORDER, PAGEBLOCK_ORDER, TAKEN_AT_ONCE
from model.vocabulary.scenario import Arm, Gate, Scenario

SLICE_NS: Final = 30_000
NOMINAL_NS: Final = 30
"""Nominal ns per warm page; it only sets the number of passes of a slice."""
SEQUENTIAL_CHUNK: Final = 4096
RANDOM_CHUNK: Final = 1024
"""Pages per slice beyond the warm set."""
APART_PAGES: Final = 64
BLOCK_PAGES: Final = 512
LEAST_BLOCKS: Final = 8
"""Least number of blocks in a pass; `BLOCK_PAGES` struct pages hold more of all but the largest ones."""
STOCK_PAGES: Final = {"cycle": 2 * (CHARGE_BATCH + 1), "hit": CHARGE_BATCH}
"""Charged pages of a pass: two cycles, or all hits; else one, since the next would find another stock."""
UNCHARGE_NS: Final = 60
LARGE_NS: Final = 4
"""Nominal ns of each page of a block behind the first one."""


def direct(scenario: Scenario) -> bool:
    """Whether no per-CPU list holds such blocks: those of order 9 have one with THP."""
    order = scenario.block_order
    return order > COSTLY_ORDER and not (order == PAGEBLOCK_ORDER and scenario.config == "distribution")


class FreePath:
    """The path of pages and blocks, from __free_pages and its siblings to the per-CPU lists and the buddy."""

    gated: ClassVar[bool] = False

    def check(self, scenario: Scenario) -> None:
        """Refuse values that this version does not have, alone or together."""
        check(scenario)

    def arms(self, scenario: Scenario) -> list[Arm]:
        """Every arm whose code differs from base here, bases first."""
        check(scenario)
        left_out = set()
        if scenario.memcg == "off":
            left_out |= {name for name, known in VARIANTS.items() if hasattr(known.module, "memcg_step")}
        if scenario.config == "default":
            left_out.add("no-cpupid")
        if scenario.checks == "on" or scenario.compound:
            # The same as base, or bad pages: a template does not say where a tail page's head is.
            left_out |= {name for name, known in VARIANTS.items() if hasattr(known.module, "CHECKS")}
        if scenario.checks == "on" and scenario.page_kind == "flagged":
            left_out.add("no-type-test")  # a type that stays is a bad page
        if scenario.page_kind == "charged":
            left_out.add("memcg-off")  # the pages would stay charged
        return [Arm(name, self._gate(scenario, name)) for name in VARIANTS if name not in left_out]

    def _gate(self, scenario: Scenario, variant: str) -> Gate:
        """The memcg key is always a jump label; an exact arm tests no key of its own."""
        return "none" if scenario.memcg == "off" or VARIANTS[variant].exact else "jump-label"

    def image(self, scenario: Scenario, arm: Arm) -> Image:
        """The compiled free path that this arm runs here."""
        return Image(
            arm.variant,
            arm.gate,
            memcg=scenario.memcg != "off",
            config=scenario.config,
            apart=scenario.between != "nothing",
            entry=scenario.entry,
            direct=direct(scenario),
        )

    def loop(self, scenario: Scenario, arm: Arm) -> str:
        """Name of the compiled loop."""
        if scenario.entry != "__free_pages":
            return f"time_{scenario.entry}"
        return "time_free_pages" if scenario.between == "nothing" else "time_apart_free_pages"

    def nothing(self, scenario: Scenario) -> str:
        """Name of the compiled loop that frees nothing: the cost of reading the clock."""
        return "time_nothing" if scenario.between == "nothing" else "time_apart_nothing"

    def free(self, scenario: Scenario, arm: Arm) -> str:
        """Name of the function that frees one such page."""
        return scenario.entry

    def slots(self, arm: Arm) -> int | None:
        """Dispatch slots of an exact arm's operation; None for a compiled variant, or where undeclared."""
        return variant_called(arm.variant).slots

    def pages(self, scenario: Scenario) -> int:
        """Pages that are freed before they are restored."""
        if scenario.between == "flip":
            return 1
        if scenario.between != "nothing":
            return APART_PAGES
        if scenario.block_order:
            return max(BLOCK_PAGES, LEAST_BLOCKS << scenario.block_order)
        if scenario.page_kind == "charged" and scenario.memory == "warm":
            return STOCK_PAGES.get(scenario.stock, 1)
        full = scenario.memory == "warm" and scenario.depth == "full"
        return TAKEN_AT_ONCE if full else struct_pages(scenario.memory)

    def pages_per_pass(self, scenario: Scenario) -> int:
        """Pages that are freed between two readings of the clock."""
        if scenario.memory == "warm":
            return self.pages(scenario) >> scenario.block_order
        return SEQUENTIAL_CHUNK if scenario.order == "sequential" else RANDOM_CHUNK

    def passes(self, scenario: Scenario) -> int:
        """Passes per slice; cold pages are freed once, and so is a random mix: predictors would learn it."""
        once = scenario.memory != "warm" or scenario.between != "nothing"
        if once or (scenario.mixed and scenario.spread == "random"):
            return 1
        blocks = self.pages(scenario) >> scenario.block_order
        each = NOMINAL_NS + LARGE_NS * ((1 << scenario.block_order) - 1)
        each += UNCHARGE_NS if scenario.page_kind == "charged" else 0
        return max(1, round(SLICE_NS / (blocks * each)))

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
        check(scenario)
        machine = Machine(
            self.pages(scenario) + residents_of(scenario),
            scenario.memcg,
            scenario.config,
            checks=scenario.checks == "on",
            hvo=scenario.hvo == "on",
            rng=None if counting else rng,
            huge=scenario.backing == "huge",
            levels=int(scenario.levels),
            v1=scenario.cgroup == "v1",
        )
        return StartState(machine, scenario, self.pages(scenario), rng, filled=counting is not None)
