"""Which scenarios and arms of kernel files a command is about: `--only`, `--sweep`, `--memory`.

What a scenario executes is found when it is chosen. One that a file cannot do, or that user space cannot run,
is left out of several with a note, and refused when it is the only one.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from benchmarks.cases import BARE, Case, SelectionError, case_of
from benchmarks.file_survey import survey
from model.common.errors import FreepathError
from model.common.streams import note
from model.kernels.kernel_file import known
from model.kernels.kernel_file.as_kernel import kernel_of
from model.kernels.kernel_file.given import known_files
from model.kernels.kernel_file.known import KnownFile
from model.kernels.kernel_file.survey import way_of
from model.vocabulary.scenario import AXES, Arm, Scenario

Terms = Mapping[str, Sequence[str]]


def select(args: argparse.Namespace, memory: str = "", *, timed: bool = False) -> list[Case]:
    """The usual scenario of each file, or those that the options name; a second file is an arm, too.

    Parameters
    ----------
    memory
        Comma-separated values, or `all`; beside `--only`.
    timed
        Whether they are to run natively: what user space cannot run is only counted.

    Raises
    ------
    SelectionError
    """
    files: list[KnownFile] = known_files()
    terms = _terms(args.only) | ({"memory": memory.replace("all", "*").split(",")} if memory else {})
    wanted = _swept(files, args.sweep) if args.sweep else _named(files, terms)
    if not wanted:
        raise SelectionError(f"--only '{args.only}' selects no scenario of {files[0].name}: see --list")
    faults = {scenario: _fault(scenario, timed=timed) for scenario in wanted}
    cases = [case_of(scenario) for scenario in wanted if not faults[scenario]]
    _say({scenario: fault for scenario, fault in faults.items() if fault}, last=not cases)
    chosen = [replace(case, arms=tuple(_arms(case, terms))) for case in cases]
    chosen = [case for case in chosen if any(_asked(arm, terms) for arm in case.arms)]
    if not chosen:
        names = ", ".join(dict.fromkeys(name for file in files for name in file.variants))
        raise SelectionError(f"--only '{args.only}' selects no arm of the kernel file; there are {names}")
    return chosen


def countable(cases: Sequence[Case]) -> list[Case]:
    """Those with counts of their own: wherever the struct pages lie, a free executes the same.

    Raises
    ------
    SelectionError
        When none is left.
    """
    warm = [case for case in cases if case.scenario.memory == "warm"]
    if not warm:
        raise SelectionError("--only: counts are the same for every memory=: leave it out")
    return warm


def _terms(only: str) -> dict[str, list[str]]:
    """Axis -> what its values have to match, as in `benchmarks.cases`; without an axis it is the variant."""
    terms: dict[str, list[str]] = {}
    for term in filter(None, (part.strip() for part in only.split(","))):
        axis, _, glob = term.rpartition("=")
        axis = axis or "variant"
        if axis not in ("variant", "gate", *AXES):
            there = ", ".join(("variant", "gate", *AXES))
            raise SelectionError(f"--only: no axis is called '{axis}'; there are {there}")
        terms.setdefault(axis, []).append(glob)
    return terms


def _swept(files: Sequence[KnownFile], sweep: str) -> list[Scenario]:
    """The scenarios along an axis, `AXIS` or `AXIS=VALUE,VALUE`."""
    axis, _, values = sweep.partition("=")
    sweeps = kernel_of(files[0]).sweeps
    if axis not in sweeps:
        raise SelectionError(
            f"--sweep: axis '{axis}' cannot vary on {files[0].name}; there are {', '.join(sweeps)}"
        )
    along = [scenario for file in files for scenario in kernel_of(file).sweeps[axis]]
    return _matching(files, along, {axis: values.split(",") if values else ["*"]})


def _named(files: Sequence[KnownFile], terms: Terms) -> list[Scenario]:
    """Those that terms name an axis of; the usual one of each file where they name none."""
    wanted = {axis: globs for axis, globs in terms.items() if axis in AXES}
    if not wanted:
        return [file.usual for file in files]
    scenarios = [scenario for file in files for scenario in kernel_of(file).scenarios]
    return _matching(files, scenarios, {"memory": ["warm"], **wanted})


def _matching(files: Sequence[KnownFile], scenarios: Sequence[Scenario], wanted: Terms) -> list[Scenario]:
    """Those whose axes match; a value that none has is refused with those that there are."""
    for axis, globs in wanted.items():
        there = list(dict.fromkeys(scenario.axes[axis] for scenario in scenarios))
        for glob in globs:
            if not any(fnmatchcase(value, glob) for value in there):
                names = " and ".join(file.name for file in files)
                raise SelectionError(f"there is no {axis}={glob} on {names}, but {', '.join(there)}")
    return [
        scenario
        for scenario in scenarios
        if all(_matches(scenario.axes[axis], globs) for axis, globs in wanted.items())
    ]


def _fault(scenario: Scenario, *, timed: bool) -> str:
    """Why a scenario cannot be measured, or counted."""
    file, way = known.file_called(scenario.kernel), way_of(scenario)
    assert file is not None
    faults = {}
    for each in (file, *file.beside):
        if way not in each.surveys:
            try:
                each.surveys[way] = survey(each, scenario.but(kernel=each.name))
            except FreepathError as error:
                faults[each.name] = str(error)
    for name, fault in faults.items():
        if name != file.name and file.name not in faults:
            note(f"{name} is no arm in {scenario.name}: {fault}")
    if way not in file.surveys:
        return faults[file.name]
    unfit = file.surveys[way].unfit if timed else ""
    return unfit and f"it is only counted, by python -m benchmarks.census: {unfit}"


def _say(faults: Mapping[Scenario, str], *, last: bool) -> None:
    for scenario, fault in faults.items():
        if last:
            raise SelectionError(f"{scenario.name}: {fault}")
        note(f"{scenario.name} is left out: {fault}")


def _arms(case: Case, terms: Terms) -> Iterator[Arm]:
    """Those that are asked for, and what every verdict needs."""
    return (arm for arm in case.arms if arm.variant in BARE or _asked(arm, terms))


def _asked(arm: Arm, terms: Terms) -> bool:
    values = {"variant": arm.variant, "gate": arm.gate}
    return all(_matches(value, terms.get(axis, ["*"])) for axis, value in values.items())


def _matches(value: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(value, glob) for glob in globs)
