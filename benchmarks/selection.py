"""Which cases a command line selects: `--only`, `--memory`, `--quick`, `--sweep`, user variants alone."""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from benchmarks.cases import BARE, DEFAULT_KERNEL, MIXES, Case, SelectionError, case_of, mix_of, names
from model.common.limits import usable_cpus
from model.kernels import VERSIONS, kernel_called, kernels, path_of
from model.kernels.kernel import Kernel
from model.kernels.user_variants.added import added
from model.vocabulary.scenario import AXES, Arm, Scenario


def select_for(args: argparse.Namespace, memory: str) -> list[Case]:
    """Cases of the command line; where it only names user variants, these in the usual scenario."""
    if args.sweep:
        return swept(along(args.sweep))
    brought = added()
    if not brought or args.only or args.quick or args.memory:
        return select(args.only, memory=memory, quick=args.quick)
    names = {check.name for check in brought}
    versions = dict.fromkeys(check.kernel for check in brought)
    cases = [case_of(kernel_called(version).usual) for version in versions]
    return [replace(case, arms=tuple(a for a in case.arms if a.variant in {*BARE, *names})) for case in cases]


def select(only: str = "", *, memory: str = "", quick: bool = False) -> list[Case]:
    """Choose cases.

    Parameters
    ----------
    only
        Comma-separated `axis=glob` or bare globs, which mean the variant. One term of every named axis must
        match. Bases and the A/A control are always kept: every verdict needs them.
    memory
        Comma-separated memory sizes, or `all`; warm by default.
    quick
        The headline scenarios and arms; an axis that `only` names overrides that. Without `only`, those of
        every kernel; else of the kernel that it names, or of the first one in which something matches.

    Raises
    ------
    SelectionError
        For an unknown axis, a term that matches nothing, or an empty selection.
    """
    terms = _parse(only)
    if memory:
        terms["memory"] = ["*"] if memory == "all" else [_known("memory", size) for size in memory.split(",")]
    terms.setdefault("memory", ["warm"])
    named = {axis for axis in terms if axis not in ("variant", "gate", "memory", "kernel")}
    headline = quick and not named and terms["memory"] == ["warm"]
    cases = [
        case
        for kernel in kernels()
        for scenario in (kernel.quick if headline else kernel.scenarios)
        if (case := _selected(kernel, scenario, terms, quick))
    ]
    if only and "kernel" not in terms:
        cases = [case for case in cases if case.scenario.kernel == cases[0].scenario.kernel]
    if not cases:
        raise SelectionError(f"--only '{only}' selects nothing: see python -m benchmarks --list")
    return cases


def _selected(kernel: Kernel, scenario: Scenario, terms: dict[str, list[str]], quick: bool) -> Case | None:
    """A scenario with its selected arms; None where it is not selected, or no arm is."""
    if not all(_matches(_value(scenario, axis, terms), terms[axis]) for axis in terms if axis in AXES):
        return None
    arms = tuple(arm for arm in path_of(scenario).arms(scenario) if _wanted(kernel, arm, terms, quick))
    asked = any(_matches(arm.variant, terms.get("variant", "*")) for arm in arms)
    return Case(scenario, arms) if asked else None


def along(sweep: str) -> str:
    """The argument of `--sweep` as `AXIS=VALUE,VALUE`; without values, all that are possible here.

    Raises
    ------
    SelectionError
        For an axis that no kernel can vary, or a value that a sweep along it does not have.
    """
    where, _, chosen = sweep.partition("=")
    axis = where.rpartition("/")[2]
    there = list(dict.fromkeys(scenario.axes[axis] for _, scenario in _sweep(where)))
    if not chosen:
        fit = [value for value in there if axis != "threads" or int(value) <= usable_cpus()]
        return f"{where}={','.join(fit)}"
    wrong = [value for value in chosen.split(",") if value not in there]
    if wrong:
        raise SelectionError(f"--sweep: {axis}={wrong[0]} does not exist; there are {', '.join(there)}")
    if axis == "threads" and max(map(int, chosen.split(","))) > usable_cpus():
        raise SelectionError(f"--sweep {sweep}: {usable_cpus()} CPUs may be used here: choose fewer threads")
    return sweep


def swept(sweep: str) -> list[Case]:
    """The scenarios along an axis, with the arms of a sweep and all user variants.

    Parameters
    ----------
    sweep
        `AXIS=VALUE,VALUE`, as `along` gives it.
    """
    where, _, values = sweep.partition("=")
    axis = where.rpartition("/")[2]
    return [
        Case(scenario, tuple(a for a in path_of(scenario).arms(scenario) if _in_sweep(kernel, a)))
        for kernel, scenario in _sweep(where)
        if scenario.axes[axis] in values.split(",")
    ]


def _sweep(where: str) -> list[tuple[Kernel, Scenario]]:
    """The scenarios of `AXIS`, or of `KERNEL/AXIS`; along the axis `kernel` each version's usual one."""
    version, _, axis = where.rpartition("/")
    if axis == "kernel" and not version:
        return [(kernel, kernel.usual) for kernel in kernels()]
    if version and version not in VERSIONS:
        raise SelectionError(f"--sweep: no kernel is called '{version}'; there are {', '.join(VERSIONS)}")
    kernel = kernel_called(version or DEFAULT_KERNEL)
    if axis not in kernel.sweeps:
        what = f"cannot vary on {kernel.name}" if axis in AXES else "does not exist"
        known = ", ".join([*kernel.sweeps, "kernel"])
        raise SelectionError(f"--sweep: axis '{axis}' {what}; there are {known}")
    return [(kernel, scenario) for scenario in kernel.sweeps[axis]]


def _in_sweep(kernel: Kernel, arm: Arm) -> bool:
    own = bool(kernel.variants[arm.variant].digest)
    return arm.variant in BARE or own or (arm.variant, arm.gate) in kernel.sweep_arms


def _parse(only: str) -> dict[str, list[str]]:
    terms: dict[str, list[str]] = {}
    for term in filter(None, (part.strip() for part in only.split(","))):
        axis, _, glob = term.rpartition("=")
        axis = axis or "variant"
        if axis not in names():
            raise SelectionError(f"--only: no axis is called '{axis}'; there are {', '.join(names())}")
        terms.setdefault(axis, []).append(_known(axis, glob))
    return terms


def _value(scenario: Scenario, axis: str, terms: Mapping[str, object]) -> str:
    """The text that a glob is matched with.

    Before axes `share` and `spread`, a mix was a kind of page. Where they are not named it still is:
    `page_kind=flagged` selects pages that are all flagged, `flagged-10-random` and `flagged*` also mixes.
    """
    if axis == "page_kind" and scenario.mixed and not {"share", "spread"} & terms.keys():
        return mix_of(scenario)
    return scenario.axes[axis]


def _known(axis: str, glob: str) -> str:
    values = {*names()[axis], *(MIXES if axis == "page_kind" else ())}
    if not any(fnmatchcase(value, glob) for value in values):
        raise SelectionError(f"no {axis} matches '{glob}'; there are {', '.join(names()[axis])}")
    return glob


def _matches(value: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(value, glob) for glob in globs)


def _wanted(kernel: Kernel, arm: Arm, terms: dict[str, list[str]], quick: bool) -> bool:
    if arm.variant in BARE:
        return True
    if "gate" in terms and arm.gate != "none" and not _matches(arm.gate, terms["gate"]):
        return False
    if "variant" in terms:
        return _matches(arm.variant, terms["variant"])
    return not quick or {(arm.variant, None), (arm.variant, arm.gate)}.isdisjoint(kernel.not_quick)
