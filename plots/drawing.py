"""Finds the figures and draws them in every shape and format; a failure of one stops no other.

A figure is a module beside this one with

`READS`   its source: "run", "census", "fidelity" (a census of several kernels), "history", "machines", "pair"
`ALT`     its description in a sentence
`NEEDS`   the command that measures its data
`draw`    of a run `draw(run, groups)`, of a census `draw(document)`, of a history `draw(history)`, of
          machines `draw(entries)`, of a pair of runs `draw(old, new, changes, run)`; None without data

One that draws several has instead `IMAGES`, the name of each -> an object with these attributes.
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

Source = Literal["run", "census", "fidelity", "history", "machines", "pair"]
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
"""Order of the figures in a report; the others follow by name."""
DPI: Final = {"svg": 100, "pdf": 150, "png": 150}
"""Dots per inch by format; in an SVG only dots and hatches are pixels, so 100 is enough."""
MOST_WORKERS: Final = 4
DATES: Final = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": None}
"""Metadata by format that omit the date, so that the same run gives the same bytes."""


@dataclass(frozen=True)
class Drawing:
    """One figure of one file.

    Attributes
    ----------
    images
        By the end of the file name, `-narrow.svg`; empty where there is no data, or drawing failed.
    fault
        The error in one line.
    """

    name: str
    alt: str
    needs: str
    images: dict[str, bytes] = field(default_factory=dict)
    fault: str | None = None


@cache
def import_matplotlib() -> None:
    """Import it with its defaults, not with settings, backend and caches of the user or the folder.

    So a figure is the same everywhere, and can be drawn without a home folder or a screen.
    """
    # A warning about caches or fonts does not matter; a failure shows when a figure is drawn.
    logging.getLogger("matplotlib").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore", UserWarning)
    os.environ.pop("MATPLOTLIBRC", None)
    os.environ["MPLBACKEND"] = "agg"
    with tempfile.TemporaryDirectory(prefix="freepath-") as folder, chdir(folder):
        os.environ["MPLCONFIGDIR"] = folder
        import_module("matplotlib.font_manager")


def figures(source: Source) -> dict[str, Any]:
    """What draws from such a source, by the name of its images: a file, or each of its `IMAGES`."""
    import_matplotlib()
    import plots

    files = [file.name for file in iter_modules(plots.__path__) if file.name != "__main__"]
    found: dict[str, Any] = {}
    for file in files:
        module = import_module(f"plots.{file}")
        found |= getattr(module, "IMAGES", {file: module})
    names = sorted(found, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    return {name: found[name] for name in names if getattr(found[name], "READS", None) == source}


def drawings(source: Source, endings: Sequence[str], *data: Any) -> Iterator[Drawing]:
    """Every figure of such a source, also one without data; drawing begins at once.

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
        return (draw(*job) for job in jobs)
    # Forked: workers share the data and return bytes. The parent alone handles signals.
    _jobs[:] = jobs
    pool = ProcessPoolExecutor(workers, get_context("fork"), initializer=ignore_signals)
    return _collected(pool, [pool.submit(_drawn, number) for number in range(len(jobs))])


def _collected(pool: ProcessPoolExecutor, drawn: "list[Future[Drawing]]") -> Iterator[Drawing]:
    with pool:
        yield from (each.result() for each in drawn)


_jobs: list[Any] = []
"""Arguments of `draw` for forked workers."""


def _drawn(number: int) -> Drawing:
    return draw(*_jobs[number])


def draw(name: str, module: Any, endings: Sequence[str], data: Sequence[Any]) -> Drawing:
    """One figure, by its module, here and now."""
    try:
        images = dict(_images(partial(module.draw, *data), endings))
    except Exception as error:  # the other figures are still drawn
        return Drawing(name, module.ALT, module.NEEDS, fault=_said(error))
    return Drawing(name, module.ALT, module.NEEDS, images)


def _images(draw: Callable[[], Any], endings: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """The figure in every shape and format; none without data."""
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
    """The error and its place in one line."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(place.filename).name} line {place.lineno}: {error}"
