"""Runs of kernel files: the price list of a kernel's own free path, in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from model.vocabulary.scenario import DEFAULTS
from results.analysis.conditions import apart
from results.analysis.file_pairs import beside
from results.analysis.groups import Group
from results.analysis.kernel_files import groups_of
from results.analysis.texts import other_text

LIMITS: Final = (
    "This is a kernel file's own compiled code, never booted: its functions were moved into builds and run "
    "in user space, on data of our own making, as one CPU with interrupts on. What was assumed of its boot "
    "is in the run."
)


def lines(groups: Sequence[Group]) -> Iterator[str]:
    """The price list of each file and scenario; nothing where the run has none."""
    for group in groups_of(groups):
        what = f"{_what(group.scenario.axes)}{apart(group.condition)}"
        yield f"Kernel file {group.scenario.axes['kernel']}, {what}: {_level(group)}"
        for cell in group.cells:
            overhead, judged = cell.overhead, cell.judgement
            interval = "" if judged.ci95 is None else f"[{judged.ci95[0]:+z.3f}, {judged.ci95[1]:+z.3f}]"
            yield f"  {overhead.arm.variant:29} {overhead.ns:+z.3f} {interval:18} {judged.verdict}"
            if cell.other:
                yield f"    {other_text(cell)}"
        yield from (f"  {line}" for line in beside(group))


def _what(axes: Mapping[str, str]) -> str:
    """`__free_pages, warm`, with block, kind of page and order of access where they are unusual."""
    block = [axes["block"]] if axes["block"] != DEFAULTS["block"] else []
    kind = [f"{axes['page_kind']}, stock {axes['stock']}"] if axes["page_kind"] == "charged" else []
    cold = f"{axes['memory']} {axes['order']}" if axes["memory"] != "warm" else "warm"
    return ", ".join([axes["entry"], *block, *kind, cold])


def _level(group: Group) -> str:
    what = "page" if group.scenario.axes["block"] == DEFAULTS["block"] else "block"
    return f"{group.cells[0].overhead.bare_ns:.1f} ns per freed {what}" if group.cells else "no arm"
