"""The path of a freed page: its arms, images and loops in a scenario, and the size of a slice."""

from typing import Final

import numpy as np

from model.kernels.kit.path import ModelPath
from model.kernels.v4_3.image import Image, is_kmem
from model.kernels.v4_3.machine import Machine
from model.kernels.v4_3.modelled import VALUES, faults
from model.kernels.v4_3.start import StartState
from model.kernels.v4_3.variants import CALIBRATION, VARIANTS
from model.vocabulary.scenario import Arm, Gate, Scenario

FULL_PASS: Final = 496
"""Warm pages per pass at depth `full`: 16 whole drains of 31."""
NOMINAL_NS: Final = {"prepare": 8, "pcp": 15, "full": 25}
"""Nominal ns per warm page; it only sets the number of passes of a slice."""
UNCHARGE_NS: Final = 45


class FreePath(ModelPath[StartState]):
    """The path of pages and blocks, from __free_pages and its siblings to the per-CPU list and the buddy."""

    start_type = StartState
    full_pass = FULL_PASS
    variants, calibration = VARIANTS, CALIBRATION
    values, faults = VALUES, staticmethod(faults)

    def arms(self, scenario: Scenario) -> list[Arm]:
        """Every arm that makes sense in a scenario, bases first."""
        self.check(scenario)
        arms: list[Arm] = []
        for name in VARIANTS:
            # Exact arms add to base, which cannot free a kmem page without its old helper.
            if not is_kmem(scenario.page_kind) or not VARIANTS[name].exact:
                arms += [Arm(name, gate) for gate in self._gates(scenario, name)]
        return arms

    def _gates(self, scenario: Scenario, variant: str) -> tuple[Gate, ...]:
        """Gates under which this variant's code differs here."""
        if scenario.memcg == "off":
            return ("none",)  # no key is compiled in
        if is_kmem(scenario.page_kind) and not VARIANTS[variant].exact:
            # The old helper tests the key too, so base exists with each gate; without any gate the
            # uncharge is always called, which shows what the key saves.
            ungated: tuple[Gate, ...] = ("none",) if variant in ("base", "v1") else ()
            return ("jump-label", *(() if variant == "base-twin" else ("memory-flag",)), *ungated)
        return ("jump-label", "memory-flag") if VARIANTS[variant].gated else ("none",)

    def image(self, scenario: Scenario, arm: Arm) -> Image:
        """The compiled free path that this arm runs here."""
        return Image(
            arm.variant,
            arm.gate,
            memcg=scenario.memcg != "off",
            checks=scenario.checks,
            apart=scenario.between != "nothing",
            together=scenario.threads != "1",
        )

    def loop(self, scenario: Scenario, arm: Arm) -> str:
        """Name of the compiled loop that frees such a page as this arm's kernel frees it."""
        if scenario.depth == "prepare":
            return "time_prepare"
        return self.timed(scenario, self._entry(scenario, arm))

    def _entry(self, scenario: Scenario, arm: Arm) -> str:
        """What is called: in base a kmem page goes through the old helper, which uncharges it."""
        if is_kmem(scenario.page_kind) and self.image(scenario, arm).marks == "never":
            return "__free_kmem_pages"
        return scenario.entry

    def free(self, scenario: Scenario, arm: Arm) -> str:
        """Name of the function that frees one such page; of other entries, what they have in common."""
        other = scenario.depth == "prepare" or scenario.entry != "__free_pages"
        return "prepare_only" if other else self._entry(scenario, arm)

    def pass_ns(self, scenario: Scenario) -> int:
        """Nominal ns of a pass over warm pages."""
        each = NOMINAL_NS[scenario.depth] + (UNCHARGE_NS if scenario.page_kind == "charged" else 0)
        return self.pages(scenario) * each

    def machine(self, scenario: Scenario, place: np.random.Generator | None) -> Machine:
        """A machine with room for the pages in play."""
        cpus = int(scenario.threads)
        return Machine(
            StartState.pages_of_a_cpu(scenario, self.pages(scenario)) * cpus,
            scenario.memcg,
            rng=place,
            swap_account=scenario.memsw == "on",
            levels=int(scenario.levels),
            cpus=cpus,
            backing=scenario.backing,
        )
