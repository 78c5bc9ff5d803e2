"""python -m plots: draw every figure that a run has the data for.

For example:
  python -m plots run.json                      SVG and PNG beside the run
  python -m plots run.json -o figures --format pdf
  python -m plots results/reference/census-x86-64-v3.json -o figures
  python -m plots results/runs -o figures        the history of a folder of runs
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Final

FORMATS: Final = ("svg", "png", "pdf")
HELPERS: Final = frozenset({"__main__", "style"})


class UsageError(Exception):
    """Bad input; the message says what to do."""


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    args = _parser().parse_args(argv)
    from results.load import BadRunError

    try:
        return _draw_all(args)
    except (BadRunError, UsageError) as error:
        print(f"python -m plots: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m plots", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", metavar="FILE", help="a run, a census, or a folder of runs")
    parser.add_argument("-o", "--output", metavar="DIR", help="folder for the figures; FILE's by default")
    parser.add_argument("--format", action="append", choices=FORMATS, help="may be repeated; svg and png")
    parser.add_argument(
        "--margin", default="1%", help="smallest overhead that matters: 0.05ns, 1%% (default)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite figures")
    return parser


def figures() -> Iterator[tuple[str, ModuleType]]:
    """Every neighbour that has `draw`, by name."""
    import plots

    for found in iter_modules(plots.__path__):
        if found.name not in HELPERS:
            module = import_module(f"plots.{found.name}")
            if hasattr(module, "draw"):
                yield found.name, module


def _draw_all(args: argparse.Namespace) -> int:
    drawn = dict(_figures_of(args))
    folder = Path(args.output) if args.output else _beside(Path(args.file))
    formats = args.format or ["svg", "png"]
    targets = [folder / f"{name}.{kind}" for name in drawn for kind in formats]
    if not args.force and (existing := [str(path) for path in targets if path.exists()]):
        raise UsageError(f"{existing[0]} exists: choose another -o, or --force")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}") from None
    for name, (draw, needs) in drawn.items():
        figure = draw()
        if figure is None:
            print(f"no {name}: the data is not in {args.file}; measure with {needs}", file=sys.stderr)
            continue
        for kind in formats:
            _save(figure, folder / f"{name}.{kind}")
    return 0


def _beside(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _figures_of(args: argparse.Namespace) -> Iterator[tuple[str, tuple[Callable[[], object], str]]]:
    """Name, how to draw it, and the command that measures it, of every figure for this kind of file."""
    path = Path(args.file)
    if path.is_dir():
        from plots.history import draw_history
        from results.history import history

        found = history(path)
        yield (
            "history",
            (lambda: draw_history(found), "python -m benchmarks --quick -o DIR/run.json, more than once"),
        )
        return
    from results.compare import compare_census, is_census
    from results.load import load, read_json

    document = read_json(path)
    if is_census(document):
        from plots.census import draw_census

        compare_census(document, document)  # refuses what is not well formed
        yield "census", (lambda: draw_census(document), "python -m benchmarks.census --json -o FILE")
        return
    from results.analysis import analyse
    from results.verdict import Margin

    try:
        margin = Margin.parse(args.margin)
    except ValueError as error:
        raise UsageError(f"--margin: {error}") from None
    run = load(path)
    groups = analyse(run, margin)
    for name, module in figures():
        yield name, (partial(module.draw, run, groups), module.NEEDS)


def _save(figure: object, path: Path) -> None:
    from matplotlib.figure import Figure

    assert isinstance(figure, Figure)
    # Without a date the same run gives the same bytes.
    metadata = (
        {"Date": None} if path.suffix == ".svg" else {"CreationDate": None} if path.suffix == ".pdf" else None
    )
    try:
        figure.savefig(path, metadata=metadata)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    print(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
