"""Which pages the next slices free, in the warm set or on the way through a larger array."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.cases import Case
from benchmarks.timing.placed import PlacedArm
from model.common.errors import FreepathError
from model.kernels.start import StartState

Ints = npt.NDArray[np.int64]


class PageCursor:
    """Page cursor: a slice frees all of the warm set, or the next part of a larger array.

    Cold pages are restored in bulk when the array is used up, so that restoring does not warm what
    is freed next. So all arms must find the same pages there.
    """

    def __init__(self, case: Case, start: StartState, arms: Sequence[PlacedArm]) -> None:
        scenario, path = case.scenario, case.path
        self.start = start
        self.pages = path.pages(scenario)
        self.restores_each_pass = scenario.memory == "warm"
        self.chunk = path.pages_per_pass(scenario)
        # Nothing was restored yet: the page array holds plain pages, whatever the scenario's kind.
        self.at = self.pages
        if not self.restores_each_pass and len({arm.run.templates for arm in arms}) > 1:
            raise FreepathError(
                f"{scenario.name}: arms mark such pages differently, and beyond the warm set all arms walk "
                "through one array: choose memory=warm, or page_kind=plain or anon"
            )

    def take(self, slices: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Go on by so many slices.

        Returns
        -------
        int64[slices], address of the order of the pages that each frees; bool[slices], whether all pages have
        to be restored before it.
        """
        if self.restores_each_pass:
            return np.full(slices, self.start.order_address(0)), np.ones(slices, bool)
        chunks = self.pages // self.chunk
        number = self.at // self.chunk + np.arange(slices)
        due = number % chunks == 0
        number %= chunks
        self.at = (int(number[-1]) + 1) * self.chunk
        step = self.start.order_address(self.chunk) - self.start.order_address(0)
        return self.start.order_address(0) + number * step, due
