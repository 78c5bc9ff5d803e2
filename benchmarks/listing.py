"""--list: scenarios, arms, and what each stands for."""

import json
from collections.abc import Sequence
from typing import Final

from benchmarks import kernel_files
from benchmarks.cases import Case
from model.common.streams import say
from model.common.tables import console
from model.kernels import kernel_called
from model.kernels.variants import Variant

WIDE: Final = 160
"""Columns when the output is no terminal."""


def show(cases: Sequence[Case], as_json: bool) -> int:
    """Print the cases; returns the exit status."""
    if as_json:
        say(json.dumps(_document(cases), indent=2) + "\n")
        return 0
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    variants = Table("kernel", "variant", "what it is", title="variants", title_justify="left")
    for version, variant in _variants(cases):
        about = Group(Text(variant.summary), Text(variant.story_line, style="dim"))
        variants.add_row(version, variant.name, about, end_section=True)
    scenarios = Table(
        "scenario", "arms", title="scenarios: memcg/page kind/memory/order/depth", title_justify="left"
    )
    for case in cases:
        scenarios.add_row(case.scenario.name, ", ".join(arm.name for arm in case.arms))
    with console(WIDE) as page:
        page.print(variants)
        page.print(scenarios)
        by_kernel: dict[str, list[str]] = {}
        for kernel, place in kernel_files.places_of():
            by_kernel.setdefault(kernel, []).append(place)
        for kernel, names in by_kernel.items():
            page.print(f"places for --insert --at in {kernel}: {', '.join(names)}")
    return 0


def _variants(cases: Sequence[Case]) -> list[tuple[str, Variant]]:
    """Of every kernel that the cases are about."""
    versions = dict.fromkeys(case.scenario.kernel for case in cases)
    return [(version, known) for version in versions for known in kernel_called(version).variants.values()]


def _document(cases: Sequence[Case]) -> dict[str, object]:
    return {
        "variants": [
            {"kernel": version, "name": variant.name, "summary": variant.summary, "story": variant.story_line}
            for version, variant in _variants(cases)
        ],
        "scenarios": [
            {**case.scenario.metadata(), "arms": [{"variant": a.variant, "gate": a.gate} for a in case.arms]}
            for case in cases
        ],
    }
