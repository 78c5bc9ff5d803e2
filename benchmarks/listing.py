"""--list: scenarios, arms, and what each stands for."""

import json
import sys
from collections.abc import Sequence

from benchmarks.cases import Case
from model.variants import VARIANTS


def show(cases: Sequence[Case], as_json: bool) -> int:
    """Print the cases; returns the exit status."""
    if as_json:
        print(json.dumps(_document(cases), indent=2))
        return 0
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    variants = Table("variant", "the patch point", title="variants", title_justify="left")
    for variant in VARIANTS.values():
        variants.add_row(variant.name, variant.summary)
    console.print(variants)
    table = Table(
        "scenario", "arms", title="scenarios: memcg/page kind/memory/order/depth", title_justify="left"
    )
    for case in cases:
        table.add_row(case.scenario.name, ", ".join(arm.name for arm in case.arms))
    console.print(table)
    return 0


def _document(cases: Sequence[Case]) -> dict[str, object]:
    return {
        "variants": [{"name": variant.name, "summary": variant.summary} for variant in VARIANTS.values()],
        "scenarios": [
            {**case.scenario.metadata(), "arms": [{"variant": a.variant, "gate": a.gate} for a in case.arms]}
            for case in cases
        ],
    }
