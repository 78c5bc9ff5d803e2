"""Colours, markers, sizes and the caption of all figures.

Colours are Okabe and Ito's, safe for colour-blind readers; every series also has its own marker and fill, so
that a figure survives a black-and-white printer.
"""

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from model.vocabulary.machine import said_of
from results.analysis.conditions import beside
from results.analysis.groups import Cell, Group
from results.output.words import fact_texts
from results.reading.cpus import processor_line
from results.reading.load import Run

WIDTH: Final = 10.0
"""Inches; at 100 dpi a thousand pixels."""
NARROW_WIDTH: Final = 4.2
"""Inches, for a telephone: panels stand below each other, with text as large as on a wide screen."""
CAPTION_COLUMNS: Final = 15
"""Characters of a caption per inch of width."""
FRAME: Final = 1.2
"""Inches of a figure's height for legend and caption."""
SHORT_LABEL: Final = 20
MOST_COLUMNS: Final = 7
"""Most columns of a legend."""
NARROW: Final = ContextVar("narrow", default=False)

SERIES: Final[dict[str, tuple[str, str, Any]]] = {
    "jump-label": ("#0072B2", "o", "full"),
    "memory-flag": ("#D55E00", "s", "none"),
    "none": ("#000000", "D", "full"),
}
"""Gate -> colour, marker, fill."""
OTHER: Final[tuple[str, str, Any]] = ("#CC79A7", "v", "full")
"""Look of an unknown gate: a file may come from a later version."""

FLOOR: Final = "#BBBBBB"
STATES: Final = ("off", "disabled", "on-idle", "on-active", "on-charged")

rcParams.update(
    {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "svg.hashsalt": "freepath",
        "svg.fonttype": "none",
        "figure.dpi": 100,
        "savefig.dpi": 150,
    }
)


def error_bar(cell: Cell) -> Any:
    """The 95 % interval as matplotlib wants it; None without one."""
    centre, interval = cell.overhead.ns, cell.judgement.ci95
    return None if interval is None else [[centre - interval[0]], [interval[1] - centre]]


def point(axes: Axes, cell: Cell, y: float) -> None:
    """One overhead with its 95 % interval; without an interval the marker stands alone."""
    colour, marker, fill = SERIES.get(cell.overhead.arm.gate, OTHER)
    look: dict[str, Any] = {"fmt": marker, "color": colour, "fillstyle": fill, "markersize": 5}
    axes.errorbar(cell.overhead.ns, y, xerr=error_bar(cell), capsize=2.5, linewidth=1.2, **look)


def floor_band(axes: Axes, group: Group, *, vertical: bool = False) -> None:
    """Noise floor as a band around zero, margin as dashed lines."""
    margin = group.cells[0].judgement.margin_ns
    band = axes.axhspan if vertical else axes.axvspan
    line = axes.axhline if vertical else axes.axvline
    line(0, color="black", linewidth=0.8)
    if group.floor_ns is not None:
        band(-group.floor_ns, group.floor_ns, color=FLOOR, alpha=0.6, linewidth=0)
    for end in (-margin, margin):
        line(end, color="black", linewidth=0.7, linestyle=(0, (4, 3)))


def gate_legend(figure: Figure, gates: Sequence[str]) -> None:
    """Legend of the gates above the panels, with the band and the dashed line."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    labels = {"none": "no static key"}
    looks = {gate: SERIES.get(gate, OTHER) for gate in dict.fromkeys((*SERIES, *gates)) if gate in gates}
    handles: list[Any] = [
        Line2D([], [], color=colour, marker=marker, fillstyle=fill, label=labels.get(gate, gate))
        for gate, (colour, marker, fill) in looks.items()
    ]
    handles.append(Patch(color=FLOOR, alpha=0.6, label="noise floor"))
    handles.append(Line2D([], [], color="black", linewidth=0.7, linestyle=(0, (4, 3)), label="margin"))
    legend(figure, handles, [handle.get_label() for handle in handles])


PATCH: Final = 6
LEGEND_ROW: Final = 125
"""Characters of a legend's patch with its spaces, and of a row that the figure's width holds."""


def legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """A legend above the panels, where it covers no data."""
    columns = min(max(len(labels), 1), MOST_COLUMNS)
    while columns > 1 and sum(len(label) + PATCH for label in labels[:columns]) > LEGEND_ROW:
        columns -= 1
    if NARROW.get():
        columns = 2 if max(map(len, labels)) <= SHORT_LABEL else 1
    figure.legend(handles, labels, loc="outside upper right", ncols=columns, frameon=False)


@contextmanager
def narrow(wanted: bool) -> Iterator[None]:
    """Draw for a narrow screen for as long as this lasts."""
    before = NARROW.set(wanted)
    try:
        yield
    finally:
        NARROW.reset(before)


def caption(figure: Figure, run: Run, groups: Sequence[Group], text: str) -> None:
    """Machine, condition of the core, commit, command, noise floor and warnings, below the panels."""
    facts = fact_texts(run)
    floors = [group.floor_ns for group in groups if group.floor_ns is not None]
    counts = [len(group.scenario.processes) for group in groups]
    machine = ", ".join([processor_line(run.facts), *(facts[n] for n in ("hostname",) if n in facts)])
    machine += ", store bypass off" if facts.get("store_bypass") == "off" else ""
    lines = [
        text,
        f"{machine}; commit {facts.get('commit', 'unknown')}; {min(counts)} processes or more; "
        + (f"noise floor up to {max(floors):.3f} ns/page" if floors else "no noise floor measured"),
        f"made by: {facts.get('freepath_command', 'unknown')}",
    ]
    shared = beside_a_sibling(groups)
    lines += [f"measured {shared}"] if shared else []
    lines += [f"warning: the file mixes machines ({said_of(run.mixed)})"] if run.mixed else []
    loaded = sum(any("heavy load" in warning for warning in group.warnings) for group in groups)
    lines += (
        [f"warning: {loaded} of {len(groups)} scenarios were measured under heavy load"] if loaded else []
    )
    foot(figure, "\n".join(lines))


def beside_a_sibling(groups: Sequence[Group]) -> str:
    """Which scenarios have figures beside a busy sibling, as `results.analysis.conditions.beside` says it."""
    return beside({group.scenario.name: group.condition for group in groups})


def foot(figure: Figure, text: str) -> None:
    """Small print below the panels, wrapped to the figure's width."""
    columns = int(CAPTION_COLUMNS * figure.get_figwidth())
    wrapped = [part for line in text.splitlines() for part in textwrap.wrap(line, columns)]
    # A dollar sign would start mathematics in an untrusted text.
    figure.supxlabel("\n".join(wrapped).replace("$", r"\$"), x=0.01, ha="left", fontsize=7.5, color="#333333")


class Sheet(Figure):
    """A figure whose panels are placed without being drawn.

    matplotlib draws a figure with a layout twice: once for the layout, for which that of the panels is
    enough, and once for the file. The first time took a quarter of the whole.
    """

    def draw(self, renderer: RendererBase) -> None:
        """Place the panels while they have to be placed, and draw them after that."""
        layout = self.get_layout_engine()
        if isinstance(layout, ConstrainedLayoutEngine):
            layout.execute(self)
        else:
            super().draw(renderer)


def new_figure(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, Any]:
    """A figure of the common width, its panels laid out around legend and caption.

    Returns the figure and axes of this shape; on a narrow screen they stand below each other.
    """
    if not NARROW.get():
        figure = Sheet(figsize=(WIDTH, height), layout="constrained")
        return figure, figure.subplots(rows, columns, squeeze=False, **options)
    panel = max(height - FRAME, 1.0) / rows
    figure = Sheet(figsize=(NARROW_WIDTH, 1.6 * FRAME + rows * columns * panel), layout="constrained")
    ratios = [ratio for ratio in options.pop("height_ratios", [1] * rows) for _ in range(columns)]
    if options.get("sharey") == "row":
        options["sharey"] = False  # each panel has a row of its own, with names
    axes = figure.subplots(rows * columns, 1, squeeze=False, height_ratios=ratios, **options)
    for axis in axes.flat:
        axis.tick_params(labelsize=7)
    return figure, axes.reshape(rows, columns)
