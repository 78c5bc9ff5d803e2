"""`python -m results documents`: regenerates the tables in README and docs from the published runs.

A table stands between two comments, `<!-- NAME -->` and `<!-- /NAME -->`. It is not edited by hand; a test
compares it with the output of this module.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from textwrap import wrap
from typing import Final

from model.common.errors import FileError
from model.common.files import write_new
from results.analysis import machines
from results.analysis.machines import MARK, Entry
from results.claims import judging
from results.claims.claim import Answer
from results.kept import agreement
from results.kept.analysed import analysed
from results.kept.runs import FIGURES, kept, published_of, second_seed
from results.output import as_machines
from results.output.words import escape
from results.pages import axis_tables, fidelity, kernel_table, overview
from results.reading.folder import REFERENCE
from results.reading.load import read_json
from results.reading.machine import key_of, machine_of

ROOT: Final = Path(__file__).resolve().parents[2]
WIDTH: Final = 100
"""Columns of a page's prose."""
CLAIMS: Final = (
    ("On v4.3", "the-mails-of-2015-on-v43", {f"C{number}" for number in range(1, 7)}),
    ("On v6.18", "questions-of-v618", {f"T{number}" for number in range(1, 7)}),
    ("On v7.1", "questions-of-v71", {f"T{number}" for number in range(7, 13)}),
)
"""Title of each table, the rules' heading in docs/claims.md, the claims in it."""
ANSWERING: Final = ("v7-1-quick", "v7-1-drains", "v7-1-blocks", "sweep-v7-1-stock")
"""Kept runs that answer claims beside the headline."""


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
    """C1 to C6, T1 to T6, T7 to T12: a table for each kernel, a row each, a column per machine."""
    by_machine = [_judged(entry) for entry in found]
    numbers = list(dict.fromkeys(number for answers in by_machine for number in answers))
    for title, rule, of_kernel in CLAIMS:
        rows = [number for number in numbers if number in of_kernel]
        there = [at for at, answers in enumerate(by_machine) if any(number in answers for number in rows)]
        if not rows:
            continue
        yield from ("", f"{title} ([rules](claims.md#{rule})):", "")
        yield f"| claim | {' | '.join(_headed(found[at]) for at in there)} |"
        yield f"|---|{'---|' * len(there)}"
        for number in rows:
            row = [by_machine[at].get(number) for at in there]
            text = next(answer.claim for answer in row if answer)
            yield f"| {number} {escape(text)} | {' | '.join(_words(answer) for answer in row)} |"
    if any(entry.older for entry in found):
        yield from ("", *as_machines.marked(found))


def _headed(entry: Entry) -> str:
    """A machine, with a link to its run: the evidence is in `python -m results claims RUN`."""
    run = f"../results/machines/{entry.key}/{machines.RUN}"
    return f"[{escape(entry.short)}]({run})" + f"\\{MARK}" * entry.older


def _judged(entry: Entry) -> dict[str, Answer]:
    """Answers by number, of both seeds where a second one is kept."""
    by_seed = [_of_seed(entry, seed) for seed in (1, 2)]
    return {
        number: settled([answer, *([again[number]] if number in again else [])])
        for again in by_seed[1:]
        for number, answer in by_seed[0].items()
    }


def _of_seed(entry: Entry, seed: int) -> dict[str, Answer]:
    """Answers of one seed, of the headline or of the kept run that has the most evidence."""
    headline = published_of(entry) if seed == 1 else second_seed(entry)
    others = [each.path for each in kept() if each.name in ANSWERING and each.seed == seed]
    # A machine's key may be of an older rule than its run's.
    found = [_answers_in(headline)[1]] if headline else []
    found += [answers for key, answers in map(_answers_in, others) if key == entry.key]
    known: dict[str, Answer] = {}
    for answers in found:
        for answer in answers:
            if answer.id not in known or len(answer.evidence) > len(known[answer.id].evidence):
                known[answer.id] = answer
    return known


@cache
def _answers_in(path: Path) -> tuple[str, Sequence[Answer]]:
    """A run's machine and answers: pages ask for them again, and so does each machine."""
    analysis = analysed(path)
    return key_of(machine_of(analysis.run)), judging.answers(analysis, None)


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
    return as_machines.markdown(found, machines.scenarios_of(found))


def kernels(found: Sequence[Entry]) -> Iterator[str]:
    """Every arm of the kept runs of kernel files."""
    if kept := kernel_table.runs():
        yield from kernel_table.markdown(kept, kernel_table.runs(pattern=kernel_table.SECOND))


def some(found: Sequence[Entry]) -> Iterator[str]:
    """The overview of the machines that README shows."""
    return overview.markdown(overview.first(found))


def price_list(found: Sequence[Entry]) -> Iterator[str]:
    """README's rows of kernel files."""
    yield "```"
    yield from kernel_table.table(kernel_table.runs(), kernel_table.runs(pattern=kernel_table.SECOND))
    yield "```"


def verdicts(found: Sequence[Entry]) -> Iterator[str]:
    """Every claim's verdict, without reasons."""
    shown = overview.first(found)
    by_machine = [_judged(entry) for entry in shown]
    yield f"| claim | {' | '.join(escape(f'{entry.short}{MARK * entry.older}') for entry in shown)} |"
    yield f"|---|{'---|' * len(shown)}"
    for number in dict.fromkeys(number for answers in by_machine for number in answers):
        row = [answers.get(number) for answers in by_machine]
        text = next(answer.claim for answer in row if answer)
        yield f"| {number} {escape(text)} | {' | '.join(a.verdict if a else '' for a in row)} |"


def seeds_agree(found: Sequence[Entry]) -> Iterator[str]:
    """How far the committed seeds agree, in a sentence."""
    *_, inside, unlike = agreement.lines(list(agreement.of_kept()))
    yield from wrap(f"{inside}; {unlike}.", WIDTH)


def calibrated(found: Sequence[Entry]) -> Iterator[str]:
    """The targets of the calibration that was kept last."""
    files = [read_json(path) for path in REFERENCE.glob(f"*{FIGURES}")]
    if not files:
        yield "No run is kept: `make figures` measures it."
        return
    last = max(files, key=lambda each: str(each["date"]))
    yield from wrap(f"{last['processor']}, {last['date']}, commit {last['commit']}:", WIDTH)
    yield from ("", "| figure | target | result | |", "|---|---|---|---|")
    for target in last["figures"]["targets"]:
        reached = "reached" if target["reached"] else "missed"
        yield f"| {' | '.join(escape(target[name]) for name in ('name', 'asked', 'got'))} | {reached} |"


def axis(name: str) -> Callable[[Sequence[Entry]], Iterable[str]]:
    """The tables of an axis."""
    return lambda _: axis_tables.table(name)


Made = Callable[[Sequence[Entry]], Iterable[str]]
PARTS: Final[Mapping[str, Mapping[str, Made]]] = {
    "README.md": {"answer": answer, "overview": first_screen},
    "docs/results.md": {
        "overview": overview.markdown,
        "conditions": conditions,
        "claims": every_claim,
        "machines": every_arm,
    },
    "docs/findings.md": {
        "axes": lambda _: axis_tables.largest(axis_tables.V4_3),
        "between": axis("sweep-between"),
    },
    "docs/findings-memory.md": {"memory": axis("sweep-memory"), "backing": axis("sweep-backing")},
    "docs/findings-mixes.md": {"share": axis("sweep-share"), "block": axis("sweep-block")},
    "docs/findings-other.md": {
        "threads": axis("sweep-threads"),
        "levels": axis("sweep-levels"),
        "checks": axis("sweep-checks"),
        "depth": axis("sweep-depth"),
        "entry": axis("sweep-entry"),
    },
    "docs/findings-v6.18.md": {
        "axes": lambda _: axis_tables.largest(axis_tables.V6_18),
        "loads": axis("today-refcount"),
        "between": axis("sweep-v6-18-between"),
    },
    "docs/findings-v6.18-paths.md": {
        "entry": axis("sweep-v6-18-entry"),
        "stock": axis("sweep-v6-18-stock"),
        "levels": axis("sweep-v6-18-levels"),
    },
    "docs/findings-v6.18-blocks.md": {"depth": axis("sweep-v6-18-depth"), "block": axis("sweep-v6-18-block")},
    "docs/findings-v7.1.md": {
        "axes": lambda _: axis_tables.largest(axis_tables.V7_1),
        "quick": axis("v7-1-quick"),
        "drains": axis("v7-1-drains"),
    },
    "docs/findings-v7.1-paths.md": {"blocks": axis("v7-1-blocks"), "stock": axis("sweep-v7-1-stock")},
    "docs/findings-kernels.md": {"kernels": kernels},
    "docs/calibration.md": {"calibration": calibrated},
    "docs/paper.md": {
        "overview": some,
        "kernels": price_list,
        "axes": lambda _: axis_tables.across(axis_tables.V4_3),
        "verdicts": verdicts,
        "agreement": seeds_agree,
    },
    "docs/fidelity-files.md": {"fidelity": lambda _: fidelity.tables_of_kept()},
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
