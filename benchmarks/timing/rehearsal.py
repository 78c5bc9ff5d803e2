"""A made-up process of each case: what no reader would accept is refused before it is measured."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.cases import Case
from benchmarks.timing.scheme import Scheme
from model.common.errors import UsageError
from model.vocabulary.formats import MOST_BYTES, MOST_TIMES, RUN

WIDEST: Final = "99999.999"
"""A time in ns per page, with as many digits as any scenario's has."""
USUAL_CHARACTERS: Final = 7
"""Characters of a time with the blank behind it: `23.456 `."""
FACTS_BYTES: Final = 3000
"""Bytes of metadata of one arm in one process, beside its cells."""


def rehearse(
    processes: Sequence[tuple[Case, int]],
    args: argparse.Namespace,
    facts: Mapping[str, Any],
    read: Callable[[str, Path], object],
) -> None:
    """Let readers read what a run would write, before it is measured.

    Parameters
    ----------
    processes
        Each case with the number of its processes.
    args
        Of the command: `values`, `seed`, `builds`, `scheme`.
    facts
        Metadata of every run.
    read
        Raises a FreepathError if a file of this content would be refused.

    Raises
    ------
    FreepathError
    """
    scheme = Scheme(args.builds, args.scheme)
    _check_size(processes, args.values, scheme)
    for case in (case for case, _ in processes if not case.pyperf_alone):
        document = _process(case, case.values or args.values, scheme, {**facts, "seed": args.seed})
        read(json.dumps(document), Path(f"a run of {case.scenario.name}"))


def _process(case: Case, values: int, scheme: Scheme, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A file with one process of a case, at its largest size."""
    most = MOST_TIMES // ((len(WIDEST) + 1) * scheme.cells)
    if values > most:
        raise UsageError(
            f"--values {values}: a process can hold {most} values of {scheme.cells} cells: "
            "add processes instead (-p)"
        )
    times = {"build_ns": " ".join([WIDEST] * (values * scheme.cells)), "layout_ns": ""}
    run = {"values": [float(WIDEST) * 1e-9] * values, "metadata": times}
    arms = [{"metadata": {"variant": a.variant, "gate": a.gate}, "runs": [run]} for a in case.arms]
    common = {**facts, **case.scenario.metadata(), "schema": RUN, "pair_id": "rehearsal"}
    return {"metadata": common, "benchmarks": arms}


def _check_size(processes: Sequence[tuple[Case, int]], values: int, scheme: Scheme) -> None:
    """Refuse what would become a larger file than is read."""
    foreseen = sum(
        count * len(case.arms) * ((case.values or values) * scheme.cells * USUAL_CHARACTERS + FACTS_BYTES)
        for case, count in processes
    )
    if foreseen > MOST_BYTES:
        raise UsageError(
            f"the file would have about {foreseen >> 20} MiB, and one of more than {MOST_BYTES >> 20} MiB is "
            "not read: measure fewer scenarios at a time (--only), or fewer processes (-p)"
        )
