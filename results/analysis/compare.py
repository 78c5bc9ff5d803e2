"""`python -m results compare OLD NEW`: what changed, run against run or census against census.

Runs are compared by their log ratios ln(arm / base), so a change of the machine's speed cancels. The
difference is shown in ns at the old run's level of base. That level is a row too, but beyond the threshold it
is `unsure`: the census decides whether base itself changed. Census files are exact: any changed count is a
finding.

regressed  the interval of the difference, corrected for the arms of its scenario (Holm), lies above the noise
           floor, and a change as large as the threshold cannot be excluded
improved   the same below
same       the interval lies within the threshold, or both files hold the same measurements
unsure     neither; measure longer
missing    only one of the files has it
changed    a count of the census, or an arm that only one census has
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from model.vocabulary.machine import said
from model.vocabulary.margin import Margin
from results.analysis.change import Change as Change
from results.analysis.change import Side
from results.analysis.conditions import CONDITIONS, UNLIKE, Condition, apart
from results.analysis.estimate import Overhead, quantile
from results.analysis.file_pairs import asked, path_change, releases
from results.analysis.groups import Analysis, Cell, Group
from results.analysis.same_code import compared, unlike_settings
from results.analysis.verdict import holm
from results.reading import machine
from results.reading.cpus import core_of
from results.reading.formats import arm_named
from results.reading.load import Arm, BadRunError, Run, clean

MUST_MATCH: Final = ("numba", "freepath_cpu", "build_scheme", "store_bypass")
"""Facts that two compared runs must share, beside those of `results.reading.machine.unlike`."""
COUNTS: Final = ("instructions", "loads", "stores", "branches", "taken", "locked", "lines", "code_bytes")
LEVEL: Final = {
    "same": "level of base: the speed of the machine, since the machine code is the same",
    "other": "level of base",
    "unknown": "level of base: the speed of the machine; compare census files for its code",
}
"""Detail of a level of base, by whether its code is the same."""
ORDER: Final = ("regressed", "changed", "missing", "improved", "unsure", "same")
"""Verdicts in the order of the rows, findings first."""


Cells = dict[str, tuple[Group, Cell]]
"""Cells of a run with their scenario, by the name of their row."""


Files = tuple[str, str] | None
"""Releases of the kernel files of the two runs, where they differ."""


def compare_runs(before: Analysis, after: Analysis, threshold: Margin, *, across: bool) -> list[Change]:
    """Every cell and every level of base that one of the runs has, in `ORDER`.

    Raises
    ------
    BadRunError
        When the runs are from unlike machines or compilers and `across` is not set, or share no cell.
    """
    old, new = before.run, after.run
    unlike = machine.unlike(old, new) + [
        f"{name}: {said(old.facts.get(name))} and {said(new.facts.get(name))}"
        for name in MUST_MATCH
        if old.facts.get(name) != new.facts.get(name)
    ]
    unlike += unlike_settings(old, new)
    if unlike and not across:
        hint = "--across-machines compares them anyway"
        if [line.partition(":")[0] for line in unlike] == ["store_bypass"]:
            hint = "two experiments; measure both with the same --store-bypass, or use --across-machines"
        raise BadRunError(f"not comparable ({'; '.join(unlike)}): {hint}")
    files = releases(old, new)
    cells, again = (
        {_key(g, c, files): (g, c) for g in analysis.groups for c in g.cells} for analysis in (before, after)
    )
    both = [key for key in again if key in cells]
    if not both:
        raise BadRunError(f"{old.path} and {new.path} share no scenario and arm")
    levels = {again[key][0].scenario.name: (cells[key][0], again[key][0]) for key in both}
    if files:
        changes = [
            path_change(_base_key(groups[1], files), *groups, threshold, files) for groups in levels.values()
        ]
    else:
        changes = [_level(*groups, threshold) for groups in levels.values()]
    for scenario in levels:
        arms = [key for key in both if again[key][0].scenario.name == scenario]
        pairs = [Pair(key, *cells[key], *again[key]) for key in arms]
        changes += _judged(pairs, old, new, threshold, known_code=not files)
        others = [other for key in arms if (other := _other(key, cells[key], again[key]))]
        changes += _judged(others, old, new, threshold, known_code=not files)
    changes += [
        Change(key, ns, None, None, None, "missing", f"{what} only in the old file")
        for key, ns, what in _lacking(again, cells, files)
    ]
    changes += [
        Change(key, None, ns, None, None, "missing", f"{what} only in the new file")
        for key, ns, what in _lacking(cells, again, files)
    ]
    return sorted(changes, key=lambda change: ORDER.index(change.verdict))


def _judged(
    pairs: Sequence["Pair"], old: Run, new: Run, threshold: Margin, *, known_code: bool
) -> Iterator[Change]:
    """The arms of a scenario in one condition, corrected together."""
    errors = holm([pair.chance for pair in pairs])
    for pair, error in zip(pairs, errors, strict=True):
        sides = _side(old, pair.old), _side(new, pair.new)
        code = pair.code if known_code else "unknown"
        yield replace(_change(pair, error, threshold), sides=sides, code=code, condition=pair.condition)


def _other(key: str, old: tuple[Group, Cell], new: tuple[Group, Cell]) -> "Pair | None":
    """An arm beside a busy sibling, where both runs have it in both conditions; it gets a row of its own."""
    if not all({*CONDITIONS} <= cell.conditions.keys() for _, cell in (old, new)):
        return None
    return Pair(f"{key}{apart('shared')}", *old, *new, condition="shared")


def _side(run: Run, overhead: Overhead) -> Side:
    """An estimate in units of its own processor."""
    core, cycles = core_of(run.facts), overhead.cycles
    slots = None if core is None or cycles is None else cycles * core.width
    return Side(cycles, slots, overhead.slots)


def _lacking(lacking: Cells, having: Cells, files: Files) -> Iterator[tuple[str, float, str]]:
    """Rows that the first run lacks: name, ns per page, and what it is; a whole scenario by its base."""
    known = {_name(group, files) for group, _ in lacking.values()}
    for key, (group, cell) in having.items():
        if _name(group, files) not in known:
            known.add(_name(group, files))
            yield _base_key(group, files), group.base_ns, "the whole scenario is"
        if key not in lacking:
            yield key, cell.overhead.ns, "it is"


def _level(old: Group, new: Group, threshold: Margin) -> Change:
    """The level of base itself, in the headlines' conditions."""
    difference = new.base_ns - old.base_ns
    unlike = old.condition != new.condition
    verdict = "same" if abs(difference) < threshold.ns(old.base_ns) and not unlike else "unsure"
    code = compared(old.scenario, new.scenario, new.scenario.base_of(Arm("", "")))
    key, detail = _base_key(new), f"{LEVEL[code]}; {UNLIKE}" if unlike and old.condition else LEVEL[code]
    return Change(key, old.base_ns, new.base_ns, difference, None, verdict, detail, code=code)


def _base_key(group: Group, files: Files = None) -> str:
    return f"{_name(group, files)}: base"


def _key(group: Group, cell: Cell, files: Files = None) -> str:
    return f"{_name(group, files)}: {cell.overhead.arm.name}"


def _name(group: Group, files: Files) -> str:
    """A scenario's name; of two kernel files, one that both have."""
    return asked(group.scenario) if files else group.scenario.name


class Pair:
    """One cell in both runs: the difference of its log ratios, with Welch's error and degrees of freedom.

    Like is compared with like: both alone on the core where both runs have that, else both beside a busy
    sibling. Where they have no condition in common the headlines are shown, and nothing is claimed.
    """

    def __init__(
        self,
        key: str,
        old_group: Group,
        old: Cell,
        new_group: Group,
        new: Cell,
        condition: Condition | None = None,
    ) -> None:
        self.key = key
        common = [c for c in CONDITIONS if c in old.conditions and c in new.conditions]
        self.condition = condition or next(iter(common), None)
        self.old, old_floor = _in_condition(old_group, old, self.condition)
        self.new, new_floor = _in_condition(new_group, new, self.condition)
        self.busy = old_group.busy or new_group.busy
        self.unlike = not common and None not in (old.condition, new.condition)
        self.code = compared(old_group.scenario, new_group.scenario, self.new.arm)
        self.floor_ns = max(old_floor or 0.0, new_floor or 0.0)
        before, after = self.old.log_ratio, self.new.log_ratio
        self.difference = after.mean - before.mean
        self.error, self.freedom = None, 1.0
        if before.error is not None and after.error is not None:
            parts = before.error**2, after.error**2
            self.error = math.sqrt(sum(parts))
            if self.error > 0:
                self.freedom = sum(parts) ** 2 / (
                    parts[0] ** 2 / before.freedom + parts[1] ** 2 / after.freedom
                )

    @property
    def chance(self) -> float:
        """Two-sided p value of a difference beyond the noise floor."""
        from scipy.special import stdtr

        beyond = abs(self.difference) - self.floor_ns / self.old.base_ns
        if self.error is None or beyond <= 0:
            return 1.0
        return 2 * float(stdtr(self.freedom, -beyond / self.error)) if self.error > 0 else 0.0

    def ns(self, log_ratio: float) -> float:
        """A difference of log ratios in ns at the old run's level: arms are 1 to 1.3 times base there."""
        with np.errstate(over="ignore"):  # untrusted times; infinity is handled where it is shown
            return float(np.expm1(log_ratio)) * (self.old.base_ns + self.old.ns)


def _in_condition(group: Group, cell: Cell, condition: Condition | None) -> tuple[Overhead, float | None]:
    """A cell's estimate in a condition, and its noise floor; of none the headline's."""
    if condition is None:
        return cell.overhead, group.floor_ns
    return cell.conditions[condition].overhead, group.floors[condition]


def _change(pair: Pair, error: float, threshold: Margin) -> Change:
    old_ns, difference = pair.old.ns, pair.ns(pair.difference)
    new_ns = old_ns + difference
    if np.array_equal(pair.old.per_process, pair.new.per_process):
        return Change(pair.key, old_ns, new_ns, 0.0, None, "same", "the same measurements")
    if pair.error is None:
        return Change(pair.key, old_ns, new_ns, difference, None, "unsure", "one process only: no interval")
    half = quantile(pair.freedom, 1 - error / 2) * pair.error
    agrees = abs(pair.difference) <= quantile(pair.freedom, 0.975) * pair.error
    low, high = pair.ns(pair.difference - half), pair.ns(pair.difference + half)
    limit = threshold.ns(pair.old.bare_ns)
    if pair.busy or pair.unlike:
        detail = UNLIKE if pair.unlike else "measured on a busy machine: nothing is claimed"
        return Change(pair.key, old_ns, new_ns, difference, (low, high), "unsure", detail)
    if -limit < low and high < limit:
        verdict = "same"
    elif low > pair.floor_ns:
        verdict = "regressed"
    elif high < -pair.floor_ns:
        verdict = "improved"
    else:
        verdict = "unsure"
    return Change(pair.key, old_ns, new_ns, difference, (low, high), verdict, agrees=agrees)


def compare_census(old: Any, new: Any) -> list[Change]:
    """Every arm in both files whose counts or accesses differ; arms that are only in one of them.

    Raises
    ------
    BadRunError
        When a file is no census, or they were compiled for different CPUs.
    """
    if old.get("cpu") != new.get("cpu"):
        raise BadRunError(f"not comparable: compiled for {clean(old.get('cpu'))} and {clean(new.get('cpu'))}")
    before, after = _arms(old), _arms(new)
    changes = [
        Change(key, arm["instructions"], None, None, None, "changed", "only in the old file")
        for key, arm in before.items()
        if key not in after
    ]
    for key, arm in after.items():
        if key not in before:
            detail = "only in the new file"
            changes.append(Change(key, None, arm["instructions"], None, None, "changed", detail))
        elif arm != before[key]:
            changes.append(_census_change(key, before[key], arm))
    return changes


def _arms(document: Any) -> dict[str, dict[str, Any]]:
    """Arms by what names them; `read_json` has seen to it that they are as they should be."""
    return {arm_named(arm): arm for arm in document["arms"]}


def _accesses(arm: dict[str, Any]) -> dict[str, float]:
    """How often each place is read or written."""
    return {
        f"{a['op']} {a['object']}.{a['field']}+{a['offset']}:{a['size']}": a["count"] for a in arm["accesses"]
    }


def _census_change(key: str, old: dict[str, Any], new: dict[str, Any]) -> Change:
    """What differs, counts first, then accesses."""
    parts = [f"{name} {old[name]:g} to {new[name]:g}" for name in COUNTS if old[name] != new[name]]
    before, after = _accesses(old), _accesses(new)
    parts += [
        f"{access} {before.get(access, 0):g} to {after.get(access, 0):g}"
        for access in sorted({*before, *after})
        if before.get(access, 0) != after.get(access, 0)
    ]
    detail = "; ".join(parts) or "what base does"
    difference = new["instructions"] - old["instructions"]
    return Change(key, old["instructions"], new["instructions"], difference, None, "changed", detail)
