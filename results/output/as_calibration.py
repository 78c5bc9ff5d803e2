"""`python -m results calibration`: what the instrument can resolve, as text or JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.vocabulary.calibration import SESSION
from model.vocabulary.formats import CALIBRATION
from results.analysis.calibration import figures, targets
from results.analysis.conditions import where_shared
from results.output.words import number
from results.reading.cpus import processor_line
from results.reading.load import Run


def document(run: Run, plain: Path | None) -> dict[str, Any]:
    """The figures as plain data, `freepath.calibration/1`."""
    alarms, halves, cost, layout = figures(run, plain)
    return {
        "schema": CALIBRATION,
        "targets": [asdict(target) for target in targets(run, plain)],
        "aa": {
            "sessions": alarms.sessions,
            "false_alarm_share": number(alarms.alarms / alarms.sessions),
            "intervals": alarms.intervals,
            "coverage": number(alarms.covering / alarms.intervals),
            "session_half_width_ns": number(alarms.half_ns),
        },
        "half_minute": {name: number(value) for name, value in vars(halves).items()},
        "layout_floor": None
        if layout is None
        else {
            "span_ns": number(layout.span_ns),
            "half_width_ns": number(layout.half_ns),
            "points": [
                {"bytes": k, "ns": number(ns), "half_width_ns": number(half)} for k, ns, half in layout.points
            ],
        },
        "known_cost": {
            "cycle_ns": number(cost.cycle_ns),
            "own_cycle_ns": number(cost.own_cycle_ns),
            "cycles_per_addition": number(cost.slope),
            "half_width": number(cost.slope_half),
            "points": [
                {"k": k, "ns": number(ns), "half_width_ns": number(half)} for k, ns, half in cost.points
            ],
        },
    }


def lines(run: Run, plain: Path | None) -> Iterator[str]:
    """The figures as text, the targets first."""
    alarms, halves, cost, layout = figures(run, plain)
    bypass = ", store bypass off" * (run.facts.get("store_bypass") == "off")
    yield f"{processor_line(run.facts)}{bypass}{where_shared(run.scenarios)}"
    for target in targets(run, plain):
        word = "reached" if target.reached else "NOT REACHED"
        yield f"  {word:11}  {target.name}: target {target.asked}, measured {target.got}"
    yield f"A/A: {alarms.sessions} sessions of {SESSION} processes; median half-width {alarms.half_ns:.4f} ns"
    v1 = f"{halves.v1_overhead_ns:+.4f} +- {halves.v1_ns:.4f} ns"
    yield f"after {halves.seconds:.0f} s of measuring: v1 costs {v1}"
    if halves.plain_ns is not None and halves.plain_overhead_ns is not None:
        times = f"{halves.plain_ns / halves.v1_ns:.0f} times as wide"
        of_plain = f"{halves.plain_ns:.3f}, {times}; its overhead {halves.plain_overhead_ns:+z.3f}"
        yield f"  v1 by plain pyperf, arm after arm, one placement each, in as long {of_plain}"
    if layout:
        yield f"layout floor: NOPs over base, neighbours differ by 0 +- {layout.half_ns:.4f} ns at the median"
        yield "  " + ", ".join(f"{k} bytes {ns:+.4f} +- {half:.4f}" for k, ns, half in layout.points)
    slope = f"{cost.slope:.3f} +- {cost.slope_half:.3f}"
    yield f"known cost: {slope} cycles per dependent addition, from k = 1 on"
    own = "" if cost.own_cycle_ns is None else f"; {cost.own_cycle_ns:.4f} by the chain timed alone"
    yield f"  one cycle is {cost.cycle_ns:.4f} ns, by the chain of {cost.points[-1][0]}{own}"
    for k, ns, half in cost.points:
        yield f"  k = {k:>3}: {ns:+8.3f} +- {half:.3f} ns over k = 1, {ns / cost.cycle_ns:+7.2f} cycles"
