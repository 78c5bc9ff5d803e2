"""A forest plot over machines: the cost of each arm on every published CPU."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from matplotlib.figure import Figure

from plots.style import foot, legend, new_figure
from results.analysis.conditions import beside
from results.analysis.machines import Entry, Row, rows, scenarios_of

READS: Final = "machines"
ALT: Final = "Overhead of each arm on every machine, in ns per page with 95 % intervals."
NEEDS: Final = "make publish, on another machine"
ROW: Final = 0.17
"""Inches per machine and arm."""
COLOURS: Final = ("#0072B2", "#D55E00", "#000000", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS: Final = "osDv^<>"
FAR, LEAST = 20, 0.1
"""Ratio of the largest overhead to the median one (at least so many ns) beyond which the axis is
logarithmic."""
MOST_INCHES: Final = 1.4
"""Most inches per arm; with more than eight machines the marks stand closer."""
MANY: Final = 7
"""Most machines with a colour and a marker each; of more, each processor model has one."""


def draw(found: Sequence[Entry]) -> Figure | None:
    """A panel per kernel's usual scenario, a row per arm, in it a mark per machine."""
    chosen = {name: rows(found, name) for name in scenarios_of(found)}
    if not chosen:
        return None
    count = max(len(arms) for arms in chosen.values())
    height = 1.8 + count * (0.15 + min(ROW * len(found), MOST_INCHES))
    names = _names(found)
    places = {name: at for at, name in enumerate(dict.fromkeys(names))}
    looks = [_look(places[name]) for name in names]
    figure, axes = new_figure(1, len(chosen), height)
    for panel, (name, arms) in zip(axes.flat, chosen.items(), strict=True):
        _panel(panel, name, arms, looks)
    handles = [_handle(at, name) for name, at in places.items()]
    legend(figure, handles, [handle.get_label() for handle in handles])
    about = "; ".join(f"{entry.title}: {entry.processor}, commit {entry.commit}" for entry in found[:MANY])
    text = f"Mean over builds, 95 % intervals; right of zero: it costs. {about}"
    foot(figure, "\n".join([text, *_shared(found, chosen)]))
    return figure


def _shared(found: Sequence[Entry], chosen: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """A line for each machine with figures beside a busy sibling; older entries know no condition."""
    for at, entry in enumerate(found):
        known = {n: c.get("condition") for n, arms in chosen.items() for row in arms if (c := row.cells[at])}
        if said := beside(known):
            yield f"{entry.title}: measured {said}"


def _names(found: Sequence[Entry]) -> list[str]:
    """Entries of the legend: machines, or processors where there are many machines."""
    return [entry.title if len(found) <= MANY else entry.short for entry in found]


def _look(at: int) -> dict[str, Any]:
    fill = "full" if at % 2 == 0 else "none"
    marker = MARKERS[(at + at // MANY) % MANY]
    return {"color": COLOURS[at % MANY], "marker": marker, "fillstyle": fill, "markersize": 4.5}


def _handle(at: int, label: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="none", label=label, **_look(at))


def _panel(panel: Any, name: str, arms: Sequence[Row], looks: Sequence[dict[str, Any]]) -> None:
    panel.axvline(0, color="black", linewidth=0.8)
    for place, row in enumerate(arms):
        for at, cell in enumerate(row.cells):
            if cell is None:
                continue
            low, high = cell["ci95_ns"] or (cell["overhead_ns"],) * 2
            y = place + (at - (len(looks) - 1) / 2) * 0.8 / len(looks)
            error = [[cell["overhead_ns"] - low], [high - cell["overhead_ns"]]]
            panel.errorbar(cell["overhead_ns"], y, xerr=error, linestyle="none", linewidth=1.2, **looks[at])
    panel.set_yticks(range(len(arms)), [row.arm for row in arms])
    panel.set_ylim(len(arms) - 0.5, -0.5)
    panel.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.set_title(name, fontsize=7.5)
    panel.set_xlabel("overhead, ns per page")
    values = sorted(abs(cell["overhead_ns"]) for row in arms for cell in row.cells if cell is not None)
    if values[-1] > FAR * max(values[len(values) // 2], LEAST):
        panel.set_xscale("symlog", linthresh=max(values[len(values) // 2], LEAST))
        panel.set_xlim(-1.6 * values[-1], 1.6 * values[-1])
        panel.xaxis.set_major_formatter("{x:g}")
        panel.set_xlabel("ns per page, logarithmic away from zero")
