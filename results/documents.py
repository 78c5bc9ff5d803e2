"""`python -m results documents`: regenerates the tables in README and docs from the published runs.

A table stands between two comments, `<!-- NAME -->` and `<!-- /NAME -->`. It is not edited by hand; a test
compares it with the output of this module.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import wrap
from typing import Final

from model.common.errors import FileError
from model.common.files import write_new
from results import claims, fidelity, kernel_table, machines, overview
from results.claim import Answer
from results.kept import published_of, second_seed
from results.machines import MARK, Entry
from results.output.words import escape
from results.reading.load import load

ROOT: Final = Path(__file__).resolve().parent.parent
WIDTH: Final = 100
"""Columns of a page's prose."""


def first_screen(found: Sequence[Entry]) -> Iterator[str]:
    """README's table, in plain text."""
    yield "```"
    yield from overview.table(overview.first(found))
    yield from kernel_table.table(kernel_table.runs(), kernel_table.runs(pattern=kernel_table.SECOND))
    yield "```"


def conditions(found: Sequence[Entry]) -> Iterator[str]:
    """The test of 2015 under other conditions."""
    yield from (f"- {line}" for line in overview.elsewhere())


def answer(found: Sequence[Entry]) -> Iterator[str]:
    """README's answer in sentences."""
    yield from wrap(f"**Answer**: {'. '.join(overview.answer(found))}.", WIDTH)


def every_claim(found: Sequence[Entry]) -> Iterator[str]:
    """C1 to C6 and T1 to T6: a row each, a column per machine."""
    by_machine = [_judged(entry) for entry in found]
    yield f"| claim | {' | '.join(escape(f'{entry.short}{MARK * entry.older}') for entry in found)} |"
    yield f"|---|{'---|' * len(found)}"
    for number in dict.fromkeys(number for answers in by_machine for number in answers):
        row = [answers.get(number) for answers in by_machine]
        text = next(answer.claim for answer in row if answer)
        yield f"| {number} {escape(text)} | {' | '.join(_words(answer) for answer in row)} |"


def _judged(entry: Entry) -> dict[str, Answer]:
    """Answers by number, of both seeds where a second one is kept."""
    runs = [load(published_of(entry)), second_seed(entry)]
    every = [claims.answers(run, None, machines.MARGIN) for run in runs if run]
    return {answers[0].id: settled(answers) for answers in zip(*every, strict=True)}


def settled(answers: Sequence[Answer]) -> Answer:
    """One claim's answer to several seeds: undecided where they do not agree."""
    verdicts = [answer.verdict for answer in answers]
    if len({*verdicts}) == 1:
        return answers[0]
    return replace(answers[0], verdict="undecided", because=f"two seeds say {' and '.join(verdicts)}")


def _words(answer: Answer | None) -> str:
    return f"{answer.verdict}: {escape(answer.because)}" if answer else "not measured"


def every_arm(found: Sequence[Entry]) -> Iterator[str]:
    """What `results machines --format markdown` prints."""
    return machines.markdown(found, machines.scenarios_of(found))


def kernels(found: Sequence[Entry]) -> Iterator[str]:
    """Every arm of the kept runs of kernel files."""
    if kept := kernel_table.runs():
        yield from kernel_table.markdown(kept, kernel_table.runs(pattern=kernel_table.SECOND))


Made = Callable[[Sequence[Entry]], Iterable[str]]
PARTS: Final[Mapping[str, Mapping[str, Made]]] = {
    "README.md": {"answer": answer, "overview": first_screen},
    "docs/results.md": {
        "overview": overview.markdown,
        "conditions": conditions,
        "claims": every_claim,
        "machines": every_arm,
    },
    "docs/findings-kernels.md": {"kernels": kernels},
    "docs/fidelity-files.md": {"fidelity": lambda _: fidelity.kept()},
}
"""Page -> name of each part -> function that returns its lines."""


def rewritten(page: str, text: str, found: Sequence[Entry]) -> str:
    """A page's text with its parts regenerated.

    Raises
    ------
    FileError
        When a part's comments are missing.
    """
    for name, make in PARTS[page].items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, _, rest = text.partition(begin)
        _, there, after = rest.partition(end)
        if not there:
            raise FileError(f"{page} lacks the comments {begin.strip()} and {end} around a part")
        text = before + begin + "".join(f"{line}\n" for line in make(found)) + end + after
    return text


def rewrite() -> list[str]:
    """Regenerate the parts; returns the pages that changed."""
    found = machines.entries()
    changed = []
    for page in PARTS:
        path = ROOT / page
        text = path.read_text()
        made = rewritten(page, text, found)
        if made != text:
            write_new(path, made, replace=True)
            changed.append(page)
    return changed
