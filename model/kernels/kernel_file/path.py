"""The free path of a kernel file: its arms, images and loops in a scenario, and what a slice of it is."""

from collections.abc import Iterator
from typing import ClassVar, Final

import numpy as np

from model.kernels.kernel_file.image import FileImage
from model.kernels.kernel_file.known import KnownFile
from model.kernels.kernel_file.start import FileStart
from model.kernels.kernel_file.survey import way_of
from model.kernels.modelled import BATCHES, check_modelled, values
from model.machine_code.cpu_caches import struct_pages
from model.vocabulary.scenario import Arm, Scenario

SLICE_NS: Final = 30_000
NOMINAL_NS: Final = 30
"""ns per warm page; it only sets how many passes make a slice."""
SEQUENTIAL_CHUNK: Final = 4096
RANDOM_CHUNK: Final = 1024
"""Pages per slice beyond the warm set."""
LARGE_NS: Final = 5
"""Nominal ns of each page of a block behind the first one."""
UNCHARGE_NS: Final = 60
CHARGE_BATCH: Final = 64
"""Pages that an empty stock takes (MEMCG_CHARGE_BATCH, include/linux/memcontrol.h, v6.1.192 to v7.3)."""
VALUES: Final = values(
    memcg=("on-idle", "on-active", "on-charged"),
    page_kind=("plain", "charged"),
    depth=("pcp",),
    checks=("on", "off"),
    entry=("__free_pages", "put_page", *BATCHES),
    share=("100",),
    between=("nothing",),
    block=("page", "order-1", "order-2", "order-3", "compound-1", "compound-2", "compound-3"),
    threads=("1",),
    levels=("2",),
    memsw=("off",),
    stock=("cycle", "hit"),
    cgroup=("v2",),
    config=("distribution",),
)
"""Axis -> values that a kernel file is measured with; the keys' states are as the file was booted."""


class FilePath:
    """Pages and blocks that go to the per-CPU lists.

    Parameters
    ----------
    file
        The kernel file, read, booted and surveyed.
    """

    gated: ClassVar[bool] = FileStart.gated

    def __init__(self, file: KnownFile) -> None:
        self.file = file

    def arms(self, scenario: Scenario) -> list[Arm]:
        """Every arm that the file has, bases first."""
        self.check(scenario)
        way = way_of(scenario)
        names = [*self.file.arms(way), *(other.name for other in self._beside(scenario))]
        # Without the memcg key charged pages would stay charged.
        left_out = {"memcg-off"} if scenario.page_kind == "charged" else set()
        return [Arm(name, "none") for name in names if name not in left_out]

    def _beside(self, scenario: Scenario) -> list[KnownFile]:
        """Files that are arms here: each as it can, and warm only, since cold arms walk through one array."""
        way = way_of(scenario)
        counted = bool(self.file.surveys[way].unfit)
        return [f for f in self.file.beside if scenario.memory == "warm" and f.can(way, counted=counted)]

    def image(self, scenario: Scenario, arm: Arm) -> FileImage:
        """The image that this arm runs here."""
        if other := self.file.other(arm.variant):
            return other.image(way_of(scenario), "base")
        return self.file.image(way_of(scenario), arm.variant)

    def check(self, scenario: Scenario) -> None:
        """Refuse what a kernel file is not measured with.

        Raises
        ------
        FreepathError
        """
        check_modelled(scenario, {**VALUES, "kernel": (self.file.name,)}, self._faults(scenario))

    def _faults(self, scenario: Scenario) -> Iterator[str]:
        """Messages on what the file does not have, or what does not go together."""
        if scenario.entry not in self.file.entries:
            yield f"there is no entry={scenario.entry}, but {', '.join(self.file.entries)}"
        other, charged = scenario.entry != "__free_pages", scenario.page_kind == "charged"
        if other and scenario.block_order:
            yield f"entry={scenario.entry} goes with block=page"
        if charged != (scenario.memcg == "on-charged") or charged != (scenario.stock == "hit"):
            yield "page_kind=charged, memcg=on-charged and stock=hit go together"
        if charged and (other or scenario.block_order or scenario.memory != "warm"):
            yield "page_kind=charged goes with entry=__free_pages, block=page and memory=warm"

    def loop(self, scenario: Scenario, arm: Arm) -> str:
        """Name of the compiled loop."""
        return f"time_{scenario.entry}" if scenario.entry in BATCHES else "time_free"

    def nothing(self, scenario: Scenario) -> str:
        """Name of the compiled loop that frees nothing: what reading the clock costs."""
        return "time_nothing"

    def free(self, scenario: Scenario, arm: Arm) -> str:
        """Name of the function that frees one page."""
        return (self.file.other(arm.variant) or self.file).entry_name(scenario.entry)

    def slots(self, arm: Arm) -> int | None:
        """Dispatch slots of what an exact arm puts in; None for what is no exact operation."""
        return self.file.variants[arm.variant].slots

    def pages(self, scenario: Scenario) -> int:
        """Pages that are freed before they are given back."""
        return CHARGE_BATCH if scenario.page_kind == "charged" else struct_pages(scenario.memory)

    def pages_per_pass(self, scenario: Scenario) -> int:
        """Pages or blocks that are freed between two readings of the clock."""
        if scenario.memory == "warm":
            return self.pages(scenario) >> scenario.block_order
        return SEQUENTIAL_CHUNK if scenario.access == "sequential" else RANDOM_CHUNK

    def passes(self, scenario: Scenario) -> int:
        """Passes per slice; cold pages are freed once."""
        if scenario.memory != "warm":
            return 1
        each = NOMINAL_NS + LARGE_NS * ((1 << scenario.block_order) - 1)
        each += UNCHARGE_NS if scenario.page_kind == "charged" else 0
        return max(1, round(SLICE_NS / (self.pages_per_pass(scenario) * each)))

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
        pages = self.pages(scenario)
        if counting:
            file = self.file.other(counting.variant) or self.file
            return FileStart(file.loaded(), scenario, pages, rng, counted=True)
        start = FileStart(self.file.loaded(), scenario, pages, rng)
        for other in self._beside(scenario):
            start.beside[other.name] = FileStart(other.loaded(), scenario, pages, rng)
        return start
