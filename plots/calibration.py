"""Test of the instrument: cycles inserted against cycles measured."""

from collections.abc import Sequence
from typing import Final

from matplotlib.figure import Figure

from plots.style import caption, new_figure
from results.analysis.calibration import known_cost
from results.analysis.groups import Group
from results.reading.load import BadRunError, Run

READS: Final = "run"
ALT: Final = "Inserted against measured cycles."
NEEDS: Final = "python -m benchmarks --calibrate -o FILE"


def draw(run: Run, groups: Sequence[Group]) -> Figure | None:
    """Short chains and their residuals; None unless the run is a calibration."""
    try:
        cost = known_cost(run)
    except BadRunError:
        return None
    figure, ((panel, residuals),) = new_figure(1, 2, 3.6)
    short = [(k, ns / cost.cycle_ns + 1, half / cost.cycle_ns) for k, ns, half in cost.points[:-1] if k > 0]
    injected, measured, halves = (list(column) for column in zip(*short, strict=True))
    look = {"fmt": "o", "color": "#0072B2", "capsize": 3, "linewidth": 1.2, "markersize": 5}
    panel.plot([1, injected[-1]], [1, injected[-1]], color="black", linewidth=0.8, linestyle=(0, (4, 3)))
    panel.errorbar(injected, measured, yerr=halves, **look)
    panel.set(xlabel="dependent additions inserted", ylabel="cycles measured, k = 1 set to 1")
    panel.set_title(f"slope {cost.slope:.3f} ± {cost.slope_half:.3f} cycles per addition")
    residuals.axhline(0, color="black", linewidth=0.8)
    off = [cycles - k for k, cycles in zip(injected, measured, strict=True)]
    residuals.errorbar(injected, off, yerr=halves, **look)
    residuals.set(xlabel="dependent additions inserted", ylabel="measured minus inserted, cycles")
    residuals.set_title(f"one cycle is {cost.cycle_ns:.4f} ns (chain of {cost.points[-1][0]})")
    text = "Chains of k dependent additions at the patch point; bars are 95 % intervals over processes."
    caption(figure, run, [g for g in groups if g.scenario.axes["memcg"] == "disabled"], text)
    return figure
