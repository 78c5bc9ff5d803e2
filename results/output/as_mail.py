"""`python -m results answer FILE --format mail`: the answer as plain text for a mailing list.

72 columns, no markup. It states what a reader needs to check or repeat it: processor, modelled kernel,
command, commit, interval, noise floor, limits.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from textwrap import wrap
from typing import Any, Final

from results.analysis import answer, kernel_files
from results.analysis.groups import Analysis
from results.claims.claim import Answer
from results.output import as_answer, as_price_list
from results.output.words import margin_text, run_facts
from results.reading.cpus import processor_line
from results.reading.dates import days_of
from results.reading.places import command_without_places

WIDTH: Final = 72
LIMITS: Final = (
    "This is a model of the kernel's free path in user space: no kernel was run, there is no cli, and "
    "LLVM compiled it, not gcc. It makes the kernel's accesses in the kernel's order. A real free is longer, "
    "so a percentage of the modelled path is more than one of a real free."
)


def lines(analysis: Analysis, claims: Sequence[Answer]) -> Iterator[str]:
    """The mail's text, a line at a time; none is longer than `WIDTH` but a command."""
    run, groups = analysis.run, analysis.groups
    rows, later = answer.of_2015(groups), answer.of_later(groups)
    files = list(as_price_list.lines(groups))
    yield from (line[:WIDTH] for line in files)
    if rows:
        yield from wrap(f"{as_answer.QUESTION} {as_answer.sentence(run, rows[0])}", WIDTH)
        yield ""
        yield "v4.3, ns per freed page over the path without the test:"
        yield from chain.from_iterable(map(as_answer.row, rows))
        yield ""
    for kernel, steps in later.items():
        level = steps[0].cell.overhead.bare_ns
        yield f"{kernel}, memcg key on, {level:.1f} ns per freed page; the difference"
        yield from chain.from_iterable(map(as_answer.row, steps))
        yield ""
    if not rows and not later and not files:
        yield f"This run has no v1 for a plain page and nothing of {' or '.join(answer.LATER_KERNELS)}."
        yield ""
    yield from wrap(as_answer.doubt(run, [*rows, *chain.from_iterable(later.values())]), WIDTH)
    for about, asked in as_answer.asked(claims).items():
        if verdicts := as_answer.verdicts_text(asked):
            yield from wrap(f"{about}: {verdicts}.", WIDTH)
    yield ""
    yield from _conditions(analysis)
    yield ""
    yield from wrap(as_price_list.LIMITS if kernel_files.only_files(run) else LIMITS, WIDTH)


def _conditions(analysis: Analysis) -> Iterator[str]:
    """Processor, commit, command, floor, margin: the conditions of the figures."""
    run, groups = analysis.run, analysis.groups
    facts = run_facts(run)
    conditions = run.scenarios[0].processes[0].facts
    floors = [group.floor_ns for group in groups if group.floor_ns is not None]
    kernels = dict.fromkeys(group.scenario.axes["kernel"] for group in groups)
    cells = [cell for group in groups for cell in group.cells]
    processes = {cell.overhead.processes for cell in cells}
    builds = max((len(cell.overhead.spread.differences) for cell in cells), default=0)
    yield from wrap(f"CPU: {processor_line(run.facts)}", WIDTH)
    yield f"Modelled kernels: {', '.join(kernels)}"
    yield f"Measured: {days_of(run)}, freepath commit {_text(facts, 'commit')}"
    yield f"  {command_without_places(_text(facts, 'freepath_command'))}"
    yield f"  {_text(facts, 'platform')}, virtual machine: {conditions.get('virtual', 'unknown')}"
    if floors:
        yield f"Noise floor (A/A control): at most {max(floors):.3f} ns"
    if processes:
        between = "-".join(map(str, sorted({min(processes), max(processes)})))
        yield f"95 % intervals over {between} worker processes, up to {builds} builds"
    yield f"negligible: 90 % interval within {margin_text(analysis.margin)}"


def _text(facts: dict[str, Any], name: str) -> str:
    """A fact as text; all its values where the run mixes several."""
    value = facts.get(name, "unknown")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
