"""The cost of each step of a later kernel's free path, as the saving when it is left out or replaced.

A figure for each version but the first, which has the headline; another version needs nothing here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.figure import Figure

from model.vocabulary.scenario import AXES, DEFAULTS
from plots.headline import forest, shown
from results.analysis.groups import Group, usual
from results.reading.load import Run

LARGE: Final = ("no-trylock", "irq-off", "check-pages", "to-buddy")
PANELS: Final[dict[str, dict[str, str]]] = {
    "distribution,\nmemcg key on": {"memcg": "on-active", "config": "distribution"},
    "distribution,\nmemcg key off": {"memcg": "on-idle", "config": "distribution"},
    "defconfig,\nno memcg": {"memcg": "off", "config": "default"},
    "distribution, key on,\npage checks on": {"memcg": "on-active", "config": "distribution", "checks": "on"},
}
NAMES: Final = {"v6.18": "today", "v7.1": "newer"}
"""Kernel -> the name of its images, where pages show them under another one than `steps-VERSION`."""


@dataclass(eq=False)
class Steps:
    """The figure of one kernel; its attributes are those of every figure (`plots.drawing`)."""

    kernel: str
    READS: str = "run"

    @property
    def ALT(self) -> str:  # noqa: N802
        """What it shows."""
        return f"What each step of the free path of {self.kernel} costs, in ns per page, by configuration."

    @property
    def NEEDS(self) -> str:  # noqa: N802
        """The command that measures its data."""
        return f"python -m benchmarks --quick --only kernel={self.kernel} -o FILE"

    def draw(self, run: Run, groups: Sequence[Group]) -> Figure | None:
        """A panel per configuration; None when the file has nothing of the kernel."""
        found = {title: usual(groups, kernel=self.kernel, **axes) for title, axes in PANELS.items()}
        chosen = {title: known[0] for title, known in found.items() if known and shown(known[0])}
        text = (
            f"{self.kernel}. Base is the kernel as it is, and most variants leave a step out: left of zero "
            "is the cost of that step. 95 % intervals; each panel has its own scale, and large overheads "
            "stand below."
        )
        return forest(run, chosen, text, LARGE)


IMAGES: Final[Mapping[str, Steps]] = {
    NAMES.get(kernel, f"steps-{kernel.replace('.', '-')}"): Steps(kernel)
    for kernel in AXES["kernel"]
    if kernel != DEFAULTS["kernel"]
}
"""Name of its images -> figure."""
