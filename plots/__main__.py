"""python -m plots: draw every figure that a run has the data for.

For example:
  python -m plots run.json                      SVG and PNG beside the run
  python -m plots run.json -o figures --format pdf
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
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
    parser.add_argument("file", metavar="FILE", help="run of python -m benchmarks -o FILE")
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

    for module in iter_modules(plots.__path__):
        if module.name not in HELPERS:
            yield module.name, import_module(f"plots.{module.name}")


def _draw_all(args: argparse.Namespace) -> int:
    from results.load import load
    from results.show import analyse
    from results.verdict import Margin

    try:
        margin = Margin.parse(args.margin)
    except ValueError as error:
        raise UsageError(f"--margin: {error}") from None
    run = load(args.file)
    folder = Path(args.output) if args.output else Path(args.file).parent
    formats = args.format or ["svg", "png"]
    groups = analyse(run, margin)
    drawn = list(figures())
    targets = [folder / f"{name}.{kind}" for name, _ in drawn for kind in formats]
    if not args.force and (existing := [str(path) for path in targets if path.exists()]):
        raise UsageError(f"{existing[0]} exists: choose another -o, or --force")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}") from None
    for name, module in drawn:
        figure = module.draw(run, groups)
        if figure is None:
            print(f"no {name}: the run lacks its arms; measure with {module.NEEDS}", file=sys.stderr)
            continue
        for kind in formats:
            _save(figure, folder / f"{name}.{kind}")
    return 0


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
