"""Two kernel files: what their free paths execute, exactly, and how long they take in two runs."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from model.vocabulary.margin import Margin
from model.vocabulary.scenario import DEFAULTS, RELEASE, name_of
from results.analysis.change import Change
from results.analysis.conditions import UNLIKE
from results.analysis.estimate import quantile
from results.analysis.groups import Group
from results.reading.load import Arm, MeasuredScenario, Run

AS_BOOTED: Final = ("kernel", "checks", "hvo", "config", "cgroup")
"""Axes of a kernel file, with its memcg state, that are as it was booted."""
COUNTED: Final = {"instructions": "instruction", "loads": "load", "stores": "store"}
"""Fact of an arm -> what it is the number of, for one free."""


def more_or_fewer(old: Mapping[str, int], new: Mapping[str, int]) -> str:
    """`2 instructions more, one store fewer`; empty where a count is unknown."""
    if not (old.keys() & new.keys() >= COUNTED.keys()):
        return ""
    parts = []
    for name, noun in COUNTED.items():
        if difference := new[name] - old[name]:
            number = f"one {noun}" if abs(difference) == 1 else f"{abs(difference)} {noun}s"
            parts.append(f"{number} {'more' if difference > 0 else 'fewer'}")
    return ", ".join(parts) or "as many instructions, loads and stores"


def counted(scenario: MeasuredScenario, arm: Arm) -> str:
    """What one free by an arm executes more or fewer than by its base."""
    return more_or_fewer(scenario.counts.get(scenario.base_of(arm), {}), scenario.counts.get(arm, {}))


def beside(group: Group) -> Iterator[str]:
    """A line for each other file that was measured beside: exact counts, and the clock's difference.

    Half the interval over processes is what the pair resolves: each process draws builds and data anew.
    """
    for cell in group.cells:
        arm, judged = cell.overhead.arm, cell.judgement
        if not RELEASE.fullmatch(arm.variant):
            continue
        measured = f"{cell.overhead.ns:+z.3f}"
        if judged.ci95 is not None:
            low, high = judged.ci95
            measured += f" [{low:+z.3f}, {high:+z.3f}]"
            resolved = f"; this run resolves {(high - low) / 2:.2f} ns"
        else:
            resolved = ""
        parts = [counted(cell.scenario, arm), f"{measured} ns: {judged.verdict}{resolved}"]
        yield f"{arm.variant}: {'; '.join(filter(None, parts))}"


def releases(old: Run, new: Run) -> tuple[str, str] | None:
    """The releases of two runs, each of one kernel file; None where they are one file, or a model."""
    sides = []
    for run in (old, new):
        names = {scenario.axes["kernel"] for scenario in run.scenarios}
        if len(names) != 1 or not RELEASE.fullmatch(min(names)):
            return None
        sides.append((min(names), {p.facts.get("kernel_files") for s in run.scenarios for p in s.processes}))
    (before, old_files), (after, new_files) = sides
    return None if old_files & new_files and before == after else (before, after)


def asked(scenario: MeasuredScenario) -> str:
    """A scenario's name without what follows from the kernel file and its boot: what was asked for."""
    axes = {**scenario.axes, **{name: DEFAULTS[name] for name in AS_BOOTED}}
    return name_of(axes).partition("/")[2]  # the memcg state comes first


def cycles(scenario: MeasuredScenario) -> npt.NDArray[np.float64]:
    """float64[processes], logarithm of base's cycles per page: the clock's speed cancels."""
    base = scenario.base_of(Arm("", ""))
    known = [p for p in scenario.processes if base in p.ns and p.facts.get("cycle_ns", 0) > 0]
    return np.array([math.log(p.ns[base].mean() / p.facts["cycle_ns"]) for p in known])


def path_change(key: str, old: Group, new: Group, threshold: Margin, names: tuple[str, str]) -> Change:
    """The path of one kernel file against that of another one: base against base, in cycles."""
    base = new.scenario.base_of(Arm("", ""))
    counts = [group.scenario.counts.get(group.scenario.base_of(Arm("", "")), {}) for group in (old, new)]
    detail = "; ".join(filter(None, [f"{names[0]} to {names[1]}", more_or_fewer(*counts)]))
    before, after = cycles(old.scenario), cycles(new.scenario)
    level = old.base_ns
    if min(len(before), len(after)) < 2 or base not in new.scenario.arms:
        return Change(key, level, new.base_ns, new.base_ns - level, None, "unsure", detail)
    parts = [float(each.var(ddof=1)) / len(each) for each in (before, after)]
    error, difference = math.sqrt(sum(parts)), float(after.mean() - before.mean())
    freedom = 1.0
    if error > 0:
        shares = zip(parts, (before, after), strict=True)
        freedom = sum(parts) ** 2 / sum(part**2 / (len(each) - 1) for part, each in shares)
    half = quantile(freedom, 0.975) * error
    low, high = (math.expm1(end) * level for end in (difference - half, difference + half))
    shown = math.expm1(difference) * level
    verdict = _verdict(low, high, threshold.ns(level), max(old.floor_ns or 0.0, new.floor_ns or 0.0))
    if old.busy or new.busy:
        verdict, detail = "unsure", f"{detail}; measured on a busy machine: nothing is claimed"
    elif old.condition != new.condition and None not in (old.condition, new.condition):
        verdict, detail = "unsure", f"{detail}; {UNLIKE}"
    return Change(key, level, level + shown, shown, (low, high), verdict, detail)


def _verdict(low: float, high: float, limit: float, floor: float) -> str:
    """As for an arm: within the threshold, beyond the noise floor, or neither."""
    if -limit < low and high < limit:
        return "same"
    if low > floor:
        return "regressed"
    return "improved" if high < -floor else "unsure"
