"""Runs of kernel files: the price list of a kernel's own free path, in words.

A kernel file's name is a release, `6.12.117+deb12-cloud-amd64`; a model's is a version, `v6.18`.
"""

from collections.abc import Iterator
from typing import Final

from model.vocabulary.margin import Margin
from model.vocabulary.scenario import RELEASE
from results.analysis.file_pairs import beside
from results.analysis.groups import Group, analyse
from results.reading.load import Run

LIMITS: Final = (
    "This is a kernel file's own compiled code, never booted: its functions were moved into builds and run "
    "in user space, on data of our own making, as one CPU with interrupts on. What was assumed of its boot "
    "is in the run."
)


def groups_of(run: Run, margin: Margin) -> list[Group]:
    """The scenarios of kernel files."""
    return [group for group in analyse(run, margin) if RELEASE.fullmatch(group.scenario.axes["kernel"])]


def only_files(run: Run) -> bool:
    """Whether nothing of a model was measured."""
    kernels = {scenario.axes["kernel"] for scenario in run.scenarios}
    return bool(kernels) and all(RELEASE.fullmatch(kernel) for kernel in kernels)


def lines(run: Run, margin: Margin) -> Iterator[str]:
    """The price list of each file and scenario; nothing where the run has none."""
    for group in groups_of(run, margin):
        axes = group.scenario.axes
        yield f"Kernel file {axes['kernel']}, {axes['entry']}, {axes['memory']}: {_level(group)}"
        for cell in group.cells:
            overhead, judged = cell.overhead, cell.judgement
            interval = "" if judged.ci95 is None else f"[{judged.ci95[0]:+z.3f}, {judged.ci95[1]:+z.3f}]"
            yield f"  {overhead.arm.variant:29} {overhead.ns:+z.3f} {interval:18} {judged.verdict}"
        yield from (f"  {line}" for line in beside(group))


def _level(group: Group) -> str:
    return f"{group.cells[0].overhead.bare_ns:.1f} ns per freed page" if group.cells else "no arm"
