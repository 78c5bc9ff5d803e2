"""python -m plots: draw every figure for which a file has the data.

For example:
  python -m plots run.json                      SVG and PNG beside the run
  python -m plots run.json -o figures --format pdf
  python -m plots results/reference/census-x86-64-v3.json -o figures
  python -m plots results/runs -o figures        the history of a folder of runs
  python -m plots results/machines -o figures    every published machine
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from model.common.command import BAD_INPUT, leave, run
from model.common.errors import FileError, UsageError
from model.common.files import STANDARD, check_target, write_new
from model.common.parser import Parser
from model.common.streams import note, printable, say

FORMATS: Final = ("svg", "png", "pdf")


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    return run("python -m plots", lambda: _draw_all(_parser().parse_args(argv)))


def _parser() -> Parser:
    parser = Parser(prog="python -m plots", description=__doc__)
    parser.add_argument("file", metavar="FILE", help="a run, a census, a folder of runs or of machines")
    parser.add_argument("-o", "--output", metavar="DIR", help="folder for the figures; FILE's by default")
    parser.add_argument("--format", action="append", choices=FORMATS, help="may be repeated; svg and png")
    parser.add_argument(
        "--margin", default="1%", help="smallest overhead that matters: 0.05ns, 1%% (default)"
    )
    parser.add_argument("--narrow", action="store_true", help="also NAME-narrow, for small screens")
    parser.add_argument("--force", action="store_true", help="overwrite figures")
    return parser


def _draw_all(args: argparse.Namespace) -> int:
    from plots.drawing import SHAPES, drawings

    if args.output == STANDARD:
        raise UsageError("-o is a folder for several figures, so it cannot be standard output")
    source, *data = _read(args)
    folder = Path(args.output) if args.output else _beside(Path(args.file))
    formats = args.format or ["svg", "png"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot write {folder}: {error.strerror}") from None
    endings = [f"{shape}.{kind}" for shape in SHAPES[: 1 + args.narrow] for kind in formats]
    _check_targets(folder, source, endings, replace=args.force)
    status, written = 0, []
    for drawing in drawings(source, endings, *data):
        if drawing.fault is not None:
            note(f"cannot draw {drawing.name}: {drawing.fault}; please report this line")
            status = BAD_INPUT
        elif not drawing.images:
            note(f"no {drawing.name}: the data is not in {args.file}; measure with {drawing.needs}")
        for ending, image in drawing.images.items():
            path = folder / f"{drawing.name}{ending}"
            write_new(path, image, replace=args.force)
            written.append(f"{printable(str(path))}\n")
    say("".join(written))
    return status


def _check_targets(folder: Path, source: Any, endings: Sequence[str], *, replace: bool) -> None:
    """Refuse before drawing a target that could not be written."""
    from plots.drawing import figures

    for name in figures(source):
        for ending in endings:
            check_target(folder / f"{name}{ending}", replace=replace)


def _beside(path: Path) -> Path:
    return path if _has_history(path) else path.parent


def _has_history(path: Path) -> bool:
    """Whether this is a folder of runs, not that of one interrupted run."""
    from results.reading.load import is_partial

    return path.is_dir() and not is_partial(path)


def _read(args: argparse.Namespace) -> tuple[Any, ...]:
    """The kind of the file, and the arguments of its figures."""
    if any(Path(args.file).glob("*/machine.json")):
        from results.analysis.machines import entries

        return "machines", entries(Path(args.file))
    if _has_history(Path(args.file)):
        from results.analysis.history import history

        return "history", history(Path(args.file))
    from model.vocabulary.margin import Margin
    from results.analysis.groups import analyse
    from results.reading.census import run_or_census
    from results.reading.load import Run

    read = run_or_census(args.file)
    if not isinstance(read, Run):
        from results.analysis.fidelity import of_several

        return "fidelity" if of_several(read) else "census", read
    try:
        margin = Margin.parse(args.margin)
    except ValueError as error:
        raise UsageError(f"--margin: {error}") from None
    return "run", read, analyse(read, margin)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
