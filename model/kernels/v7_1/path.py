"""The path of a freed page on v7.1: v6.18's arms, images and loops, where they exist here."""

from typing import Final

from model.kernels.page_array import LINE
from model.kernels.v6_18 import path as v6_18
from model.kernels.v7_1.image import Image
from model.kernels.v7_1.machine import Machine
from model.kernels.v7_1.modelled import check
from model.kernels.v7_1.start import StartState
from model.kernels.v7_1.variants import CALIBRATION, VARIANTS
from model.vocabulary.scenario import Arm, Scenario

WITHOUT_LISTS: Final = "to-buddy"
"""The variant whose pages no list takes."""


class FreePath(v6_18.FreePath):
    """The path of pages and blocks, from __free_pages and its siblings to the per-CPU lists and the buddy."""

    image_type = Image
    machine_type = Machine
    start_type = StartState
    variants, calibration = VARIANTS, CALIBRATION

    def check(self, scenario: Scenario) -> None:
        """Refuse values that this version does not have, alone or together."""
        check(scenario)

    def arms(self, scenario: Scenario) -> list[Arm]:
        """Every arm whose code differs from base here, bases first."""
        arms = super().arms(scenario)
        # A batch is put on the lists under one lock, and large blocks go to the buddy anyway.
        if scenario.entry == "folios_put_refs" or v6_18.direct(scenario):
            arms = [arm for arm in arms if arm.variant != WITHOUT_LISTS]
        return arms

    def step(self, scenario: Scenario) -> int:
        """A mask finds the head of a block only where blocks are aligned."""
        return LINE << scenario.block_order if scenario.compound else LINE
