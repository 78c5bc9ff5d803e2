"""--append: what a file and the processes that are to join it must share; checked before measuring."""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.cases import Case
from benchmarks.timing.same_machine import check_machine
from model.common.errors import FreepathError
from model.kernels.store import Store
from model.vocabulary.formats import NO_SETTINGS, OLDER_INSTRUMENT
from model.vocabulary.sittings import by_pyperfs_names

SCHEME: Final = ("build_scheme", "instrument", "store_bypass", "sibling", "freepath_cpu", "numba")
MUST_MATCH: Final = (*SCHEME, "own_variants", "kernel_files", "boot")
"""Metadata in which processes of one file must not differ; `check_machine` compares the machine."""
DEFAULTS: Final = {
    "build_scheme": "one, of an older freepath",
    "store_bypass": "on",
    "sibling": "as-found",
    "instrument": OLDER_INSTRUMENT,
}
"""Values of these facts in files from before they were stored."""


def check_append(path: Path, facts: Mapping[str, Any], seed: int | None) -> None:
    """Refuse a file that these processes must not join.

    Parameters
    ----------
    path
        The file; one that does not exist is begun.
    facts
        Metadata of the processes to come.
    seed
        Their seed, if the user gave one.

    Raises
    ------
    FreepathError
        When the file is no run, differs in how or where it was measured, or has this seed already.
    """
    if not path.exists():
        return
    seen = metadata_of(path)
    check_machine(f"--append {path}", seen, facts, "choose another file with -o")
    for name in MUST_MATCH:
        old = {str(run.get(name, DEFAULTS.get(name, "unknown"))) for run in seen} - {"unknown"}
        new = str(facts.get(name, "unknown"))
        if old - {new} and new != "unknown":
            raise FreepathError(
                f"--append {path}: measured with {name} {', '.join(sorted(old))}, this would be {new}; "
                "such processes are not averaged: choose another file with -o"
            )
    if seed is not None and any(run.get("seed") == seed for run in seen):
        raise FreepathError(
            f"--append {path}: --seed {seed} was measured already; the same builds again are no new "
            "evidence: choose another seed, or none"
        )


def metadata_of(path: Path) -> list[dict[str, Any]]:
    """Metadata of every run of a pyperf file, the common ones filled in; nothing where there is no file.

    Raises
    ------
    FreepathError
        When it is no run.
    """
    return [by_pyperfs_names(facts) for facts in _metadata(path)] if path.exists() else []


Codes = Mapping[tuple[str, str, str], str]
"""Scenario, variant, gate -> digest of the image that the arm runs."""


def codes_of(cases: Iterable[Case], store: Store) -> Codes:
    """Machine code digests of the arms of these cases; the images must have been compiled."""
    return {
        (case.scenario.name, arm.variant, arm.gate): store.load(case.path.image(case.scenario, arm)).digest
        for case in cases
        for arm in case.arms
    }


def check_codes(path: Path, codes: Codes, settings: str) -> None:
    """Refuse a file in which an arm of the same name ran other machine code.

    Parameters
    ----------
    path
        The file; one that does not exist is begun.
    codes
        Of the processes to come.
    settings
        Their compiler settings: they identify the code of runs from before digests were stored.

    Raises
    ------
    FreepathError
    """
    for run in _metadata(path) if path.exists() else ():
        arm = tuple(str(run.get(name)) for name in ("scenario", "variant", "gate"))
        new = codes.get((arm[0], arm[1], arm[2]))
        what = f"{arm[0]}: {arm[1]}/{arm[2]} ran machine code {run.get('image_digest')}, this would be {new}"
        if new is None or run.get("image_digest") == new:
            continue
        if "image_digest" not in run:
            before = run.get("compiler_settings", NO_SETTINGS)
            if before == settings:
                continue
            what = f"measured with compiler_settings {before}, this would be {settings}"
        raise FreepathError(
            f"--append {path}: {what}; two codes under one name are not averaged: choose another file with -o"
        )


def _metadata(path: Path) -> Iterator[dict[str, Any]]:
    try:
        data = path.read_bytes()
        suite = json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
        for bench in suite["benchmarks"]:
            shared = suite.get("metadata", {}) | bench.get("metadata", {})
            for run in bench["runs"]:
                yield shared | run.get("metadata", {})
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise FreepathError(
            f"--append {path}: this is no run of python -m benchmarks; choose another file with -o"
        ) from None
