"""v6.18: the cost of each step of the free path, as the saving when it is left out."""

from collections.abc import Sequence
from typing import Final

from matplotlib.figure import Figure

from plots.headline import forest, shown
from results.analysis.groups import Group, usual
from results.reading.load import Run

IMAGE: Final = "today"
"""Of its images: pages show them under it."""
READS: Final = "run"
ALT: Final = "What each step of the free path of v6.18 costs, in ns per page, by configuration."
NEEDS: Final = "python -m benchmarks --quick --only kernel=v6.18 -o FILE"
LARGE: Final = ("no-trylock", "irq-off", "check-pages", "to-buddy")
PANELS: Final[dict[str, dict[str, str]]] = {
    "distribution,\nmemcg key on": {"memcg": "on-active"},
    "distribution,\nmemcg key off": {"memcg": "on-idle"},
    "defconfig,\nno memcg": {"memcg": "off", "config": "default"},
    "distribution, key on,\npage checks on": {"memcg": "on-active", "checks": "on"},
}


def draw(run: Run, groups: Sequence[Group]) -> Figure | None:
    """A panel per configuration; None when the file has no v6.18."""
    return steps(run, groups, "v6.18")


def steps(run: Run, groups: Sequence[Group], kernel: str) -> Figure | None:
    """The same of a kernel that is modelled in these configurations."""
    found = {title: usual(groups, kernel=kernel, **axes) for title, axes in PANELS.items()}
    chosen = {title: known[0] for title, known in found.items() if known and shown(known[0])}
    text = (
        f"{kernel}. Base is the kernel as it is, and most variants leave a step out: left of zero is the "
        "cost of that step. 95 % intervals; each panel has its own scale, and large overheads stand below."
    )
    return forest(run, chosen, text, LARGE)
