"""`python -m plots.figures`: draw the figures of README and docs again, from what is published and kept.

For example:
  python -m plots.figures                    into docs/figures
  python -m plots.figures sweep-between today -o elsewhere
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model.common.command import leave, run
from model.common.errors import FileError, UsageError
from model.common.files import write_new
from model.common.parser import Parser
from model.common.streams import note, printable, say
from model.vocabulary.formats import INSTRUMENT
from results.analysis import machines
from results.analysis.fidelity import KEPT_CENSUS
from results.analysis.machines import MARGIN, Entry
from results.kept.runs import instrument_of, kept, published_of, slug
from results.reading.load import Run, load, read_json

NAME: Final = "python -m plots.figures"
FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "figures"
ENDING: Final = ".svg"
NEWEST: Final = ""
"""Of the machine that the newest instrument measured last."""


@dataclass(frozen=True)
class Of:
    """What a figure is drawn from.

    Attributes
    ----------
    draw
        As `plots.drawing.figures` names it.
    source
        `headline`: the published run of a core; `machines`: of all; `census`; else the name of a kept run.
    core
        As file names have it; the newest where empty.
    """

    draw: str
    source: str
    core: str = NEWEST


FIGURES: Final[Mapping[str, Of]] = {
    "headline": Of("headline", "headline", "zen3"),
    "builds": Of("builds", "headline", "zen3"),
    "ladder": Of("ladder", "headline"),
    "today": Of("today", "headline"),
    "machines": Of("machines", "machines"),
    "fidelity": Of("fidelity", "census"),
    "calibration": Of("calibration", "calibration"),
    "kernels": Of("kernels", "sweep-kernel"),
    "newer": Of("newer", "v7-1-quick"),
    "sweep-between": Of("sweep", "sweep-between"),
    "sweep-memory": Of("memory", "sweep-memory"),
    "sweep-share": Of("share", "sweep-share"),
    "sweep-block": Of("sweep", "sweep-block"),
    "sweep-threads": Of("sweep", "sweep-threads"),
    "sweep-v6-18-entry": Of("sweep", "sweep-v6-18-entry"),
}
"""Every figure of docs/figures but `terminal`, which `make picture` draws. README shows the CPU on which the
test of 2015 costs most."""


def drawn(names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Name and SVG of each figure whose data is there; the others are named on standard error.

    Raises
    ------
    FileError
        When one cannot be drawn.
    """
    from plots import drawing

    known = {**drawing.figures("run"), **drawing.figures("machines"), **drawing.figures("fidelity")}
    for name in names:
        of = FIGURES[name]
        data = _data(of)
        if data is None:
            note(f"left as it is: {name}{ENDING}, since no run called {of.source} is kept")
            continue
        made = drawing.draw(of.draw, known[of.draw], [ENDING], data)
        if made.fault or not made.images:
            raise FileError(f"cannot draw {name}: {made.fault or 'the data is not in its run'}")
        yield name, made.images[ENDING]


def _data(of: Of) -> tuple[Any, ...] | None:
    """What its module draws from; None where it is not there."""
    if of.source == "machines":
        return (machines.entries(),)
    if of.source == "census":
        return (read_json(KEPT_CENSUS),)
    found = _headline(of.core) if of.source == "headline" else _newest(of.source)
    if found is None:
        return None
    from results.analysis.groups import analyse

    return found, analyse(found, MARGIN)


def _headline(core: str) -> Run | None:
    """The published run of a core, or the newest."""
    found = [(entry, load(published_of(entry))) for entry in machines.entries()]
    chosen = [pair for pair in found if core in (NEWEST, slug(pair[1]))]
    return max(chosen, key=_age, default=(None, None))[1]


def _age(pair: tuple[Entry, Run]) -> tuple[bool, str]:
    """Sorts the newest last, those of older instruments first."""
    entry, measured = pair
    return instrument_of(measured) == INSTRUMENT, entry.date


def _newest(name: str) -> Run | None:
    found = kept(name=name)
    return load(found[0].path) if found else None


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    return run(NAME, lambda: _command(argv))


def _command(argv: Sequence[str]) -> int:
    parser = Parser(prog=NAME, description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help="figures; all by default")
    parser.add_argument("-o", "--output", metavar="DIR", default=str(FOLDER), help="docs/figures by default")
    args = parser.parse_args(argv)
    unknown = [name for name in args.names if name not in FIGURES]
    if unknown:
        raise UsageError(f"no figure is called {unknown[0]}; there are {', '.join(FIGURES)}")
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in drawn(args.names or list(FIGURES)):
        path = folder / f"{name}{ENDING}"
        if not path.exists() or path.read_bytes() != image:
            write_new(path, image, replace=True)
            say(f"{printable(str(path))}\n")
    return 0


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
