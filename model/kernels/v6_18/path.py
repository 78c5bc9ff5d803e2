"""The path of a freed page: its arms, images and loops in a scenario, and the size of a slice."""

from typing import ClassVar, Final

import numpy as np

from model.kernels.kit.path import ModelPath
from model.kernels.page_array import LINE
from model.kernels.v6_18.image import Image
from model.kernels.v6_18.machine import Machine
from model.kernels.v6_18.memcg import CHARGE_BATCH, SLOTS
from model.kernels.v6_18.modelled import VALUES, faults
from model.kernels.v6_18.start import StartState, residents_of
from model.kernels.v6_18.variants import CALIBRATION, VARIANTS
from model.kernels.v6_18.zone import COSTLY_ORDER, PAGEBLOCK_ORDER, TAKEN_AT_ONCE
from model.vocabulary.scenario import Arm, Gate, Scenario

NOMINAL_NS: Final = 30
"""Nominal ns per warm page; it only sets the number of passes of a slice."""
STOCK_PAGES: Final = {"cycle": 2 * (CHARGE_BATCH + 1), "hit": CHARGE_BATCH}
"""State of the stock -> charged pages of a pass."""
UNCHARGE_NS: Final = 60
LARGE_NS: Final = 4
"""Nominal ns of each page of a block behind the first one."""


def direct(scenario: Scenario) -> bool:
    """Whether no per-CPU list holds such blocks: those of order 9 have one with THP."""
    order = scenario.block_order
    return order > COSTLY_ORDER and not (order == PAGEBLOCK_ORDER and scenario.config == "distribution")


class FreePath(ModelPath[StartState]):
    """The path of pages and blocks, from __free_pages and its siblings to the per-CPU lists and the buddy."""

    image_type: ClassVar[type[Image]] = Image
    machine_type: ClassVar[type[Machine]] = Machine
    start_type = StartState
    full_pass = TAKEN_AT_ONCE
    variants, calibration = VARIANTS, CALIBRATION
    values, faults = VALUES, staticmethod(faults)

    def arms(self, scenario: Scenario) -> list[Arm]:
        """Every arm whose code differs from base here, bases first."""
        self.check(scenario)
        left_out = set()
        if scenario.memcg == "off":
            left_out |= {name for name, known in self.variants.items() if hasattr(known.module, "memcg_step")}
        if scenario.config == "default":
            left_out.add("no-cpupid")
        if scenario.checks == "on" or scenario.compound:
            # The same as base, or bad pages: a template does not say where a tail page's head is.
            left_out |= {name for name, known in self.variants.items() if hasattr(known.module, "CHECKS")}
        if scenario.checks == "on" and scenario.page_kind == "flagged":
            left_out.add("no-type-test")  # a type that stays is a bad page
        if scenario.page_kind == "charged":
            left_out.add("memcg-off")  # the pages would stay charged
        return [Arm(name, self._gate(scenario, name)) for name in self.variants if name not in left_out]

    def _gate(self, scenario: Scenario, variant: str) -> Gate:
        """The memcg key is always a jump label; an exact arm tests no key of its own."""
        return "none" if scenario.memcg == "off" or self.variants[variant].exact else "jump-label"

    def image(self, scenario: Scenario, arm: Arm) -> Image:
        """The compiled free path that this arm runs here."""
        return self.image_type(
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
        return self.timed(scenario, scenario.entry)

    def free(self, scenario: Scenario, arm: Arm) -> str:
        """Name of the function that frees one such page."""
        return scenario.entry

    def charged_pages(self, scenario: Scenario) -> int | None:
        """Two cycles of the stock, or all hits; else one page, since the next would find another stock."""
        return STOCK_PAGES.get(scenario.stock, 1)

    def pass_ns(self, scenario: Scenario) -> int:
        """Nominal ns of a pass over warm pages or blocks."""
        each = NOMINAL_NS + LARGE_NS * ((1 << scenario.block_order) - 1)
        each += UNCHARGE_NS if scenario.page_kind == "charged" else 0
        return (self.pages(scenario) >> scenario.block_order) * each

    def step(self, scenario: Scenario) -> int:
        """Bytes of which the place of the struct pages is a multiple: any line."""
        return LINE

    def machine(self, scenario: Scenario, place: np.random.Generator | None) -> Machine:
        """A machine with room for the pages in play."""
        return self.machine_type(
            self.pages(scenario) + residents_of(scenario),
            scenario.memcg,
            scenario.config,
            checks=scenario.checks == "on",
            hvo=scenario.hvo == "on",
            rng=place,
            huge=scenario.backing == "huge",
            levels=int(scenario.levels),
            v1=scenario.cgroup == "v1",
            step=self.step(scenario),
            cgroups=max(1 + SLOTS, scenario.turns),
        )
