"""The free path of a kernel file: its arms, images and loops in a scenario, and what a slice of it is."""

from typing import TYPE_CHECKING, Final

import numpy as np

from model.code.caches import struct_pages
from model.kernels.kernel_file.image import FileImage
from model.kernels.kernel_file.machine import FileMachine
from model.kernels.kernel_file.start import FileStart
from model.kernels.modelled import check_modelled, values
from model.vocabulary.scenario import Arm, Scenario

if TYPE_CHECKING:
    from model.kernels.kernel_file.known import KnownFile

SLICE_NS: Final = 30_000
NOMINAL_NS: Final = 30
"""ns per warm page; it only sets how many passes make a slice."""
SEQUENTIAL_CHUNK: Final = 4096
RANDOM_CHUNK: Final = 1024
"""Pages per slice beyond the warm set."""
VALUES: Final = values(
    memcg=("on-idle", "on-active"),
    page_kind=("plain",),
    depth=("pcp",),
    checks=("on", "off"),
    entry=("__free_pages", "put_page"),
    share=("100",),
    between=("nothing",),
    block=("page",),
    threads=("1",),
    config=("distribution",),
)
"""Axis -> values that a kernel file is measured with; the keys' states are as the file was booted."""


class FilePath:
    """A page of order 0 that goes to the per-CPU list.

    Parameters
    ----------
    file
        The kernel file, read, booted and surveyed.
    """

    def __init__(self, file: "KnownFile") -> None:
        self.file = file

    def arms(self, scenario: Scenario) -> list[Arm]:
        """Every arm that the file has, bases first."""
        self.check(scenario)
        beside = [other.name for other in self.file.beside if scenario.entry in other.surveys]
        return [Arm(name, "none") for name in (*self.file.arms(scenario.entry), *beside)]

    def image(self, scenario: Scenario, arm: Arm) -> FileImage:
        """The image that this arm runs here."""
        if other := self.file.other(arm.variant):
            return other.image(scenario.entry, "base")
        return self.file.image(scenario.entry, arm.variant)

    def check(self, scenario: Scenario) -> None:
        """Refuse what a kernel file is not measured with.

        Raises
        ------
        FreepathError
        """
        faults = [] if scenario.entry in self.file.surveys else [f"it has no {scenario.entry}"]
        check_modelled(scenario, {**VALUES, "kernel": (self.file.name,)}, faults)

    def loop(self, scenario: Scenario, arm: Arm) -> str:
        """Name of the compiled loop."""
        return "time_free"

    def nothing(self, scenario: Scenario) -> str:
        """Name of the compiled loop that frees nothing: what reading the clock costs."""
        return "time_nothing"

    def free(self, scenario: Scenario, arm: Arm) -> str:
        """Name of the function that frees one page."""
        return self.file.entry_name(scenario.entry)

    def slots(self, arm: Arm) -> int | None:
        """Dispatch slots of what an exact arm puts in; None for what is no exact operation."""
        return self.file.variants[arm.variant].slots

    def pages(self, scenario: Scenario) -> int:
        """Pages that are freed before they are given back."""
        return struct_pages(scenario.memory)

    def pages_per_pass(self, scenario: Scenario) -> int:
        """Pages that are freed between two readings of the clock."""
        if scenario.memory == "warm":
            return self.pages(scenario)
        return SEQUENTIAL_CHUNK if scenario.order == "sequential" else RANDOM_CHUNK

    def passes(self, scenario: Scenario) -> int:
        """Passes per slice; cold pages are freed once."""
        if scenario.memory != "warm":
            return 1
        return max(1, round(SLICE_NS / (self.pages(scenario) * NOMINAL_NS)))

    def start(
        self, scenario: Scenario, rng: np.random.Generator, *, counting: Arm | None = None
    ) -> FileStart:
        """A machine and the pages that are to be freed on it.

        Parameters
        ----------
        rng
            Draws the order of the pages, and where data lies.
        counting
            One arm is counted, not timed: data lies at a page's start.
        """
        self.check(scenario)
        if counting and (other := self.file.other(counting.variant)):
            return _start(other, scenario, self.pages(scenario), rng, counted=True)
        start = _start(self.file, scenario, self.pages(scenario), rng, counted=counting is not None)
        if not counting:
            for other in self.file.beside:
                start.beside[other.name] = _start(other, scenario, self.pages(scenario), rng, counted=False)
        return start


def _start(
    file: "KnownFile", scenario: Scenario, pages: int, rng: np.random.Generator, *, counted: bool
) -> FileStart:
    huge = scenario.backing == "huge"
    machine = FileMachine(file.loaded(), pages, rng=None if counted else rng, huge=huge)
    return FileStart(machine, scenario, pages, rng)
