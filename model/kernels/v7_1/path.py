"""The path of a freed page on v7.1: v6.18's arms, images and loops, where they exist here."""

from typing import Final

from model.kernels.page_array import LINE
from model.kernels.v6_18 import path as v6_18
from model.kernels.v7_1.image import Image
from model.kernels.v7_1.machine import Machine
from model.kernels.v7_1.modelled import VALUES, faults
from model.kernels.v7_1.start import StartState
from model.kernels.v7_1.variants import CALIBRATION, VARIANTS
from model.vocabulary.scenario import Arm, Scenario

WITHOUT_LISTS: Final = "to-buddy"
"""The variant whose pages no list takes."""
OF_THE_STOCK: Final = ("one-slot", "random-victim")
"""Variants that differ where pages are charged."""


class FreePath(v6_18.FreePath):
    """The path of pages and blocks, from __free_pages and its siblings to the per-CPU lists and the buddy."""

    image_type = Image
    machine_type = Machine
    start_type = StartState
    variants, calibration = VARIANTS, CALIBRATION
    values, faults = VALUES, staticmethod(faults)

    def arms(self, scenario: Scenario) -> list[Arm]:
        """Every arm whose code differs from base here, bases first."""
        arms = super().arms(scenario)
        # A batch is put on the lists under one lock, and large blocks go to the buddy anyway.
        if scenario.entry == "folios_put_refs" or v6_18.direct(scenario):
            arms = [arm for arm in arms if arm.variant != WITHOUT_LISTS]
        if scenario.page_kind != "charged":
            arms = [arm for arm in arms if arm.variant not in OF_THE_STOCK]
        return arms

    def charged_pages(self, scenario: Scenario) -> int | None:
        """As on v6.18; of several cgroups about as many, each as often as the others."""
        if scenario.turns == 1:
            return super().charged_pages(scenario)
        return v6_18.STOCK_PAGES["cycle"] // scenario.turns * scenario.turns

    def step(self, scenario: Scenario) -> int:
        """A mask finds the head of a block only where blocks are aligned."""
        return LINE << scenario.block_order if scenario.compound else LINE
