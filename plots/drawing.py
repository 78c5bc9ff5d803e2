"""Figures: found by themselves, drawn in every shape and format, one failure at a time.

A figure is a file beside this one with

`READS`   what it is drawn from: "run", "census", "history", "machines" or "pair"
`ALT`     what it shows, in words
`NEEDS`   the command that measures what it shows
`draw`    of a run `draw(run, groups)`, of a census `draw(document)`, of a history `draw(history)`, of
          machines `draw(entries)`, of a pair of runs `draw(old, new, changes, run)`; None where there is
          nothing to show
"""

import io
import logging
import os
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import chdir
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Final, Literal

from model.common.limits import usable_cpus
from model.common.signals import ignore_signals

Source = Literal["run", "census", "history", "machines", "pair"]
SHAPES: Final = ("", "-narrow")
FIRST: Final = (
    "headline",
    "today",
    "ladder",
    "kernels",
    "memory",
    "share",
    "builds",
    "distribution",
    "noise",
    "census",
)
"""The order of a report; whatever else there is comes behind them, by name."""
DPI: Final = {"svg": 100, "pdf": 150, "png": 150}
"""In an SVG only dots and hatches are pixels, and a page is made of SVGs."""
MOST_WORKERS: Final = 4
DATES: Final = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": None}
"""Without a date the same run gives the same bytes."""


@dataclass(frozen=True)
class Drawing:
    """One figure of one file.

    Attributes
    ----------
    images
        By the end of the file name, `-narrow.svg`; empty where there is no data, or drawing failed.
    fault
        What went wrong, in one line.
    """

    name: str
    alt: str
    needs: str
    images: dict[str, bytes] = field(default_factory=dict)
    fault: str | None = None


@cache
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


def figures(source: Source) -> dict[str, Any]:
    """The files that draw from such a source, by name."""
    import_matplotlib()
    import plots

    names = [file.name for file in iter_modules(plots.__path__) if file.name != "__main__"]
    names.sort(key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    modules = {name: import_module(f"plots.{name}") for name in names}
    return {name: module for name, module in modules.items() if getattr(module, "READS", None) == source}


def drawings(source: Source, endings: Sequence[str], *data: Any) -> Iterator[Drawing]:
    """Every figure that is drawn from such a file, with data or without; drawing begins at once.

    Parameters
    ----------
    endings
        Shape and format of each image: `.svg`, `-narrow.png`.
    data
        What `draw` takes.
    """
    jobs = [(name, module, endings, data) for name, module in figures(source).items()]
    workers = min(usable_cpus(), MOST_WORKERS, len(jobs))
    if workers < 2:
        return (_drawing(*job) for job in jobs)
    # Forked: the data is there already, and what comes back is bytes. A signal is the parent's to meet.
    _jobs[:] = jobs
    pool = ProcessPoolExecutor(workers, get_context("fork"), initializer=ignore_signals)
    return _collected(pool, [pool.submit(_drawn, number) for number in range(len(jobs))])


def _collected(pool: ProcessPoolExecutor, drawn: "list[Future[Drawing]]") -> Iterator[Drawing]:
    with pool:
        yield from (each.result() for each in drawn)


_jobs: list[Any] = []
"""What forked processes draw."""


def _drawn(number: int) -> Drawing:
    return _drawing(*_jobs[number])


def _drawing(name: str, module: Any, endings: Sequence[str], data: Sequence[Any]) -> Drawing:
    try:
        images = dict(_images(partial(module.draw, *data), endings))
    except Exception as error:  # one figure is not worth the others
        return Drawing(name, module.ALT, module.NEEDS, fault=_said(error))
    return Drawing(name, module.ALT, module.NEEDS, images)


def _images(draw: Callable[[], Any], endings: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """The figure in every shape and format; nothing where there is no data."""
    from plots.style import narrow

    for shape in SHAPES:
        kinds = [ending.removeprefix(f"{shape}.") for ending in endings if ending.startswith(f"{shape}.")]
        with narrow(shape != ""):
            figure = draw() if kinds else None
        if figure is not None:
            yield from ((f"{shape}.{kind}", _image(figure, kind)) for kind in kinds)


def _image(figure: Any, kind: str) -> bytes:
    image = io.BytesIO()
    figure.savefig(image, format=kind, metadata=DATES[kind], dpi=DPI[kind])
    return image.getvalue()


def _said(error: Exception) -> str:
    """What went wrong, and where, in one line."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(place.filename).name} line {place.lineno}: {error}"
