"""Progress of long work: a bar with time left on a terminal, elsewhere one line per quarter."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from model.common.streams import note

Update = Callable[[int, int, str], None]


@contextmanager
def progress(what: str) -> Iterator[Update]:
    """Show it on stderr for as long as this lasts; call the update with done, total and a name."""
    if not sys.stderr.isatty():
        shown: set[int] = set()

        def line(done: int, total: int, name: str) -> None:
            quarter = 4 * done // total
            if quarter and quarter not in shown:
                shown.add(quarter)
                note(f"{what}: {done} of {total}")

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[name]}"), console=Console(stderr=True)) as shown_bar:
        task = shown_bar.add_task(what, total=None, name="")
        yield lambda done, total, name: shown_bar.update(task, completed=done, total=total, name=name)
