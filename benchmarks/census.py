"""python -m benchmarks.census: exactly what freeing one page executes, for every arm. No clock is read.

Steady state: pages were freed before, so every list is in use. At depth `full` three figures: a free
without a drain, the one of 31 that drains, and the mean over the 31.

For example:
  python -m benchmarks.census                                   table
  python -m benchmarks.census --only 'v1,memcg=off' --json      one variant, as JSON
  python -m benchmarks.census --cpu x86-64-v3 --json -o census.json
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benchmarks.cases import Arm, Case, Scenario, SelectionError, select
from benchmarks.counting import Counts, count_case
from model.common.errors import FreepathError
from model.start import mix_of
from model.store import DEFAULT_CPU, Store

WIDE: Final = 160
"""Columns when the output is no terminal."""
SCHEMA: Final = "freepath.census/1"


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    args = _parser().parse_args(argv)
    try:
        if args.output and Path(args.output).exists() and not args.force:
            raise FreepathError(f"{args.output} exists: choose another name, or --force")
        document = census(census_cases(args.only), args.cpu)
        text = as_json(document)
        if args.output:
            Path(args.output).write_text(text)
        if args.json and not args.output:
            sys.stdout.write(text)
        elif not args.json:
            show(document)
        if args.mca:
            from benchmarks.mca import predictions

            for line in predictions(census_cases(args.only), Store(cpu=args.cpu), args.mca):
                print(line)
        return 0
    except FreepathError as error:
        print(f"python -m benchmarks.census: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"python -m benchmarks.census: cannot write {args.output}: {error.strerror}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.census",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", metavar="EXPR", help="as in python -m benchmarks")
    parser.add_argument("--cpu", default=DEFAULT_CPU, help="LLVM's name of the CPU to compile for")
    parser.add_argument("--json", action="store_true", help="the whole document instead of a table")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the JSON there")
    parser.add_argument("--force", action="store_true", help="overwrite FILE")
    parser.add_argument(
        "--mca",
        nargs="?",
        const="native",
        metavar="CPU",
        help="add llvm-mca's predicted cycles, if installed",
    )
    return parser


def census_cases(only: str = "") -> list[Case]:
    """Cases that counting tells apart: not by memory size, order, entry, or the share of a mix.

    Raises
    ------
    SelectionError
        Also when none is left.
    """
    cases = [
        case
        for case in select(only)
        if case.scenario.entry == "__free_pages" and mix_of(case.scenario.page_kind) is None
    ]
    if not cases:
        raise SelectionError(
            f"--only '{only}' leaves nothing to count: one page is followed through __free_pages, so mixes "
            "and other entries have no census of their own"
        )
    return cases


def census(cases: Sequence[Case], cpu: str = DEFAULT_CPU) -> dict[str, Any]:
    """Count every arm of every case; the document of design.md section 7."""
    store = Store(cpu=cpu)
    store.ensure([case.scenario.image(arm) for case in cases for arm in case.arms])
    arms = [entry for case in cases for entry in _entries(case, count_case(case, store))]
    return {"schema": SCHEMA, "cpu": cpu, "numba": version("numba"), "arms": arms}


def _entries(case: Case, counted: dict[Arm, dict[str, Counts]]) -> Iterator[dict[str, Any]]:
    for arm, figures in counted.items():
        base = counted[base_of(arm, case)]
        for name, counts in figures.items():
            yield {
                **_axes(case.scenario, arm),
                "free": name,
                **counts.document(),
                "over_base": counts.over(base[name]),
            }


def base_of(arm: Arm, case: Case) -> Arm:
    """The base that an arm is compared with: of its own gate, else the first."""
    bases = [other for other in case.arms if other.variant == "base"]
    return next((base for base in bases if base.gate == arm.gate), bases[0])


def _axes(scenario: Scenario, arm: Arm) -> dict[str, str]:
    axes = scenario.metadata()
    names = ("memcg", "page_kind", "depth", "checks")
    return {"variant": arm.variant, "gate": arm.gate, **{name: axes[name] for name in names}}


def as_json(document: dict[str, Any]) -> str:
    """One line per arm, so that a difference between two files is a line."""
    head = json.dumps({name: value for name, value in document.items() if name != "arms"})
    arms = ",\n".join(json.dumps(arm, separators=(",", ":")) for arm in document["arms"])
    return f'{head[:-1]}, "arms": [\n{arms}\n]}}\n'


def show(document: dict[str, Any]) -> None:
    """Print one table per memcg state, page kind, depth and kind of free."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for arm in document["arms"]:
        key: tuple[str, ...] = (
            arm["memcg"],
            arm["page_kind"],
            arm["depth"],
            f"checks {arm['checks']}",
            arm["free"],
        )
        groups.setdefault(key, []).append(arm)
    for key, arms in groups.items():
        table = Table(title=" / ".join(key), title_justify="left")
        table.add_column("arm")
        for name in (
            "instructions",
            "over base",
            "loads",
            "stores",
            "branches",
            "taken",
            "locked",
            "lines",
            "bytes",
        ):
            table.add_column(name, justify="right")
        table.add_column("adds")
        for arm in arms:
            table.add_row(*_row(arm))
        console.print(table)
    console.print(
        f"compiled for {document['cpu']} by Numba {document['numba']}; exact, the same in every run"
    )


def _row(arm: dict[str, Any]) -> list[str]:
    names = ("loads", "stores", "branches", "taken", "locked", "lines", "code_bytes")
    counts = [f"{arm[name]:g}" for name in names]
    more = f"{arm['over_base']['instructions']:+g}"
    return [
        f"{arm['variant']}/{arm['gate']}",
        f"{arm['instructions']:g}",
        more,
        *counts,
        _added(arm["over_base"]),
    ]


def _added(over: dict[str, Any]) -> str:
    """Accesses that base does not make, `page._mapcount load x1`; the stack is left out."""
    parts: Counter[str] = Counter()
    for access in over["accesses"]:
        if access["object"] != "stack":
            parts[f"{access['op']} {access['object']}.{access['field']}"] += access["count"]
    shown = [f"{text} {count:+g}" for text, count in parts.items()]
    return ", ".join(shown[:4]) + (f" and {len(shown) - 4} more" if len(shown) > 4 else "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
