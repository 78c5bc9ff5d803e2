"""python -m plots: draw every figure that a run has the data for.

For example:
  python -m plots run.json                      SVG and PNG beside the run
  python -m plots run.json -o figures --format pdf
  python -m plots results/reference/census-x86-64-v3.json -o figures
  python -m plots results/runs -o figures        the history of a folder of runs
"""

import argparse
import io
import logging
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING, Final

from model.common.command import BAD_INPUT, Parser, leave, note, printable, run, say
from model.common.errors import FileError, UsageError
from model.common.files import STANDARD, check_target, write_new

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS: Final = ("svg", "png", "pdf")
SHAPES: Final = ("", "-narrow")
HELPERS: Final = frozenset({"__main__", "style"})
DATES: Final = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": None}
"""Without a date the same run gives the same bytes."""

Draw = Callable[[], "Figure | None"]


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    return run("python -m plots", lambda: _draw_all(_parser().parse_args(argv)))


def _parser() -> Parser:
    parser = Parser(prog="python -m plots", description=__doc__)
    parser.add_argument("file", metavar="FILE", help="a run, a census, or a folder of runs")
    parser.add_argument("-o", "--output", metavar="DIR", help="folder for the figures; FILE's by default")
    parser.add_argument("--format", action="append", choices=FORMATS, help="may be repeated; svg and png")
    parser.add_argument(
        "--margin", default="1%", help="smallest overhead that matters: 0.05ns, 1%% (default)"
    )
    parser.add_argument("--narrow", action="store_true", help="also NAME-narrow, for small screens")
    parser.add_argument("--force", action="store_true", help="overwrite figures")
    return parser


def import_matplotlib() -> None:
    """Import it as it comes: its settings, backend and caches are not this user's, nor this folder's.

    A figure is the same everywhere, and is drawn where there is no home and no screen.
    """
    # What it cannot do here is met when a figure is drawn, or does not matter.
    logging.getLogger("matplotlib").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore", UserWarning)
    os.environ.pop("MATPLOTLIBRC", None)
    os.environ["MPLBACKEND"] = "agg"
    with tempfile.TemporaryDirectory(prefix="freepath-") as folder, chdir(folder):
        os.environ["MPLCONFIGDIR"] = folder
        import_module("matplotlib.font_manager")


def figures() -> Iterator[tuple[str, ModuleType]]:
    """Every neighbour that has `draw`, by name."""
    import plots

    for found in iter_modules(plots.__path__):
        if found.name not in HELPERS:
            module = import_module(f"plots.{found.name}")
            if hasattr(module, "draw"):
                yield found.name, module


def _draw_all(args: argparse.Namespace) -> int:
    if args.output == STANDARD:
        raise UsageError("-o is a folder for several figures, so it cannot be standard output")
    import_matplotlib()
    drawn = dict(_figures_of(args))
    folder = Path(args.output) if args.output else _beside(Path(args.file))
    formats = args.format or ["svg", "png"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot write {folder}: {error.strerror}") from None
    endings = [f"{shape}.{kind}" for shape in SHAPES[: 1 + args.narrow] for kind in formats]
    for name in drawn:
        for ending in endings:
            check_target(folder / f"{name}{ending}", replace=args.force)
    status, written = 0, []
    for name, (draw, needs) in drawn.items():
        try:
            images = dict(_images(draw, endings))
        except Exception as error:
            # One figure is not worth the others; results/report.py knows this line by its beginning.
            note(f"cannot draw {name}: {_said(error)}; please report this line")
            status = BAD_INPUT
            continue
        if not images:
            note(f"no {name}: the data is not in {args.file}; measure with {needs}")
        for ending, image in images.items():
            path = folder / f"{name}{ending}"
            write_new(path, image, replace=args.force)
            written.append(f"{printable(str(path))}\n")
    say("".join(written))
    return status


def _images(draw: Draw, endings: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """The figure in every shape and format, by the end of its file name; nothing where there is no data."""
    from plots.style import narrow

    for shape in SHAPES:
        kinds = [ending.removeprefix(f"{shape}.") for ending in endings if ending.startswith(f"{shape}.")]
        with narrow(shape != ""):
            figure = draw() if kinds else None
        if figure is not None:
            yield from ((f"{shape}.{kind}", _image(figure, kind)) for kind in kinds)


def _said(error: Exception) -> str:
    """What went wrong, and where, in one line."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(place.filename).name} line {place.lineno}: {error}"


def _beside(path: Path) -> Path:
    return path if _has_history(path) else path.parent


def _has_history(path: Path) -> bool:
    """Whether this is a folder of runs, and not that of one run that was interrupted."""
    from results.load import is_partial

    return path.is_dir() and not is_partial(path)


def _figures_of(args: argparse.Namespace) -> Iterator[tuple[str, tuple[Draw, str]]]:
    """Name, how to draw it, and the command that measures it, of every figure for this kind of file."""
    path = Path(args.file)
    if _has_history(path):
        from plots.history import draw_history
        from results.history import history

        found = history(path)
        yield (
            "history",
            (lambda: draw_history(found), "python -m benchmarks --quick -o DIR/run.json, more than once"),
        )
        return
    from results.compare import compare_census, run_or_census
    from results.load import Run

    read = run_or_census(args.file)
    if not isinstance(read, Run):
        from plots.census import draw_census

        compare_census(read, read)  # refuses what is not well formed
        yield "census", (lambda: draw_census(read), "python -m benchmarks.census --json -o FILE")
        return
    from results.analysis import analyse
    from results.verdict import Margin

    try:
        margin = Margin.parse(args.margin)
    except ValueError as error:
        raise UsageError(f"--margin: {error}") from None
    groups = analyse(read, margin)
    for name, module in figures():
        yield name, (partial(module.draw, read, groups), module.NEEDS)


def _image(figure: "Figure", kind: str) -> bytes:
    image = io.BytesIO()
    figure.savefig(image, format=kind, metadata=DATES[kind])
    return image.getvalue()


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
