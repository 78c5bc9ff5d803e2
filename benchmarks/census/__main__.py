"""python -m benchmarks.census: exactly what freeing one page executes, for every arm. No clock is read.

Steady state: pages were freed before, so every list is in use. At depth `full` three figures: a free
without a drain, the one of 31 that drains, and the mean over the 31.

For example:
  python -m benchmarks.census                                   table
  python -m benchmarks.census --only 'v1,memcg=off' --json      one variant, as JSON
  python -m benchmarks.census --cpu x86-64-v3 --json -o census.json
"""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, Literal

from model.common.command import guard, leave, run
from model.common.parser import Parser
from model.common.streams import say
from model.common.tables import console, that_fit

if __name__ == "__main__":
    guard("python -m benchmarks.census")

from model.common.files import STANDARD, check_target, write_new
from model.vocabulary.scenario import DEFAULTS

WIDE: Final = 160
"""Columns when the output is no terminal."""
UNUSUAL: Final = ("entry", "config", "hvo", "block", "levels", "stock", "cgroup")
"""Axes that a table's title names where the file has them."""
NUMBERS: Final = (
    "instructions",
    "over base",
    "loads",
    "stores",
    "branches",
    "taken",
    "locked",
    "lines",
    "bytes",
)
HEADINGS: Final = ("arm", *NUMBERS, "adds")
SPARE: Final = ("bytes", "lines", "locked", "taken", "branches", "stores", "loads", "adds")
"""Columns that a narrow terminal leaves out, in this order."""
SHORT_ADDS: Final = 18
"""Least width of the last column, in characters: its lines are broken between words."""


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    return run("python -m benchmarks.census", lambda: _command(argv))


def _command(argv: Sequence[str]) -> int:
    """Slow imports are here and not at the top, so that Ctrl-C is handled at any time."""
    args = _parser().parse_args(argv)
    if args.output is not None:
        check_target(args.output, replace=args.force)
    from benchmarks import file_cases, kernel_files, user_variants
    from benchmarks.census.document import as_json, census, census_cases
    from benchmarks.selection import select_for
    from model.kernels.user_variants.added import added

    user_variants.add(args)
    kernel_files.add(args)
    if args.vmlinux:
        cases = file_cases.countable(file_cases.select(args))
    else:
        cases = select_for(args, "") if added() and not args.only else census_cases(args.only)
    document = census(cases, args.cpu, ordered=args.in_order)
    if args.output is not None:
        write_new(args.output, as_json(document), replace=args.force)
    if args.json and args.output is None:
        say(as_json(document))
    elif not args.json and args.output != STANDARD:
        show(document)
    if args.mca:
        from benchmarks.census.mca import predictions
        from model.kernels.store import Store

        for line in predictions(cases, Store(cpu=document["cpu"]), args.mca):
            say(f"{line}\n")
    return 0


def _parser() -> Parser:
    from benchmarks import kernel_files
    from benchmarks.user_variants import add_options
    from model.kernels.store import DEFAULT_CPU

    parser = Parser(prog="python -m benchmarks.census", description=__doc__)
    parser.set_defaults(quick=False, memory="", sweep="")
    parser.add_argument("--only", default="", metavar="EXPR", help="as in python -m benchmarks")
    add_options(parser)
    kernel_files.add_options(parser)
    parser.add_argument("--cpu", default=DEFAULT_CPU, help="LLVM's name of the CPU to compile for")
    parser.add_argument("--json", action="store_true", help="the whole document instead of a table")
    about = "in the JSON also every access of a free in its order, for python -m results.fidelity"
    parser.add_argument("--in-order", action="store_true", help=about)
    parser.add_argument("-o", "--output", metavar="FILE", help="write the JSON there; - is standard output")
    parser.add_argument("--force", action="store_true", help="overwrite FILE")
    parser.add_argument(
        "--mca",
        nargs="?",
        const="native",
        metavar="CPU",
        help="add llvm-mca's predicted cycles, if installed",
    )
    return parser


def show(document: dict[str, Any]) -> None:
    """Print one table per memcg state, page kind, depth and kind of free."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for arm in document["arms"]:
        key: tuple[str, ...] = (
            arm.get("kernel", DEFAULTS["kernel"]),
            arm["memcg"],
            arm["page_kind"],
            arm["depth"],
            f"checks {arm['checks']}",
            *(f"{name} {arm[name]}" for name in UNUSUAL if name in arm),
            arm["free"],
        )
        groups.setdefault(key, []).append(arm)
    with console(WIDE) as page:
        for key, arms in groups.items():
            rows = [_row(arm) for arm in arms]
            kept = that_fit(HEADINGS, [(*row[:-1], "") for row in rows], page.width - SHORT_ADDS, SPARE)
            table = Table(title=" / ".join(key), title_justify="left", box=SIMPLE_HEAD, collapse_padding=True)
            for heading in (HEADINGS[at] for at in kept):
                side: Literal["left", "right"] = "right" if heading in NUMBERS else "left"
                table.add_column(heading, justify=side, no_wrap=heading in NUMBERS, overflow="fold")
            for row in rows:
                table.add_row(*(row[at] for at in kept))
            page.print(table)
        compiled = f"compiled for {document['cpu']} by Numba {document['numba']}"
        page.print(f"{compiled}; exact, the same in every run")


def _row(arm: dict[str, Any]) -> list[str]:
    names = ("loads", "stores", "branches", "taken", "locked", "lines", "code_bytes")
    counts = [f"{arm[name]:g}" for name in names]
    more = f"{arm['over_base']['instructions']:+g}"
    name = f"{arm['variant']}/{arm['gate']}"
    return [name, f"{arm['instructions']:g}", more, *counts, _added(arm["over_base"])]


def _added(over: dict[str, Any]) -> str:
    """Accesses that base does not make, `page._mapcount load x1`; the stack is left out."""
    parts: Counter[str] = Counter()
    for access in over["accesses"]:
        if access["object"] != "stack":
            parts[f"{access['op']} {access['object']}.{access['field']}"] += access["count"]
    shown = [f"{text} {count:+g}" for text, count in parts.items()]
    return ", ".join(shown[:4]) + (f" and {len(shown) - 4} more" if len(shown) > 4 else "")


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
