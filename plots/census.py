"""The census as bars: instructions that each arm executes per freed page more or less than base."""

from typing import Any, Final

from matplotlib.figure import Figure

from plots.style import foot, legend, new_figure

READS: Final = "census"
ALT: Final = "Instructions per freed page of every arm, by memcg state, and what each adds to base."
NEEDS: Final = "python -m benchmarks.census --json -o FILE"
STATES: Final = ("off", "on-idle", "on-active")
PARTS: Final = {
    "loads": ("#0072B2", "//"),
    "stores": ("#E69F00", ".."),
    "branches": ("#009E73", "xx"),
    "other": ("#DDDDDD", ""),
}
ROW: Final = 0.26


def draw(document: dict[str, Any]) -> Figure | None:
    """Plain pages to the per-CPU list, a panel per memcg state; None when the census has none of them."""
    panels = {state: _arms(document, state) for state in STATES}
    panels = {state: arms for state, arms in panels.items() if arms}
    if not panels:
        return None
    height = 1.6 + ROW * max(map(len, panels.values()))
    figure, axes = new_figure(1, len(panels), height)
    for panel, (state, arms) in zip(axes[0], panels.items(), strict=True):
        for row, arm in enumerate(arms):
            _bar(panel, row, arm)
        names = [f"{arm['variant']}/{arm['gate']} ({arm['instructions']:g})" for arm in arms]
        panel.set_yticks(range(len(arms)), names, fontsize=7)
        panel.invert_yaxis()
        panel.axvline(0, color="black", linewidth=0.8)
        panel.set_title(f"memcg {state}")
        panel.set_xlabel("instructions more than base")
        panel.margins(x=0.14)
    handles, labels = axes[0][0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    legend(figure, list(unique.values()), list(unique))
    text = (
        "Exact counts, plain page, order 0, without a drain: instructions more or less than base; "
        "in brackets all instructions of the arm. "
        f"Compiled for {document['cpu']} by Numba {document['numba']}; python -m benchmarks.census."
    )
    foot(figure, text)
    return figure


def _arms(document: dict[str, Any], state: str) -> list[dict[str, Any]]:
    wanted = {"memcg": state, "page_kind": "plain", "depth": "pcp", "checks": "on", "free": "plain"}
    of_it = [arm for arm in document["arms"] if "kernel" not in arm]
    return [arm for arm in of_it if all(arm[name] == value for name, value in wanted.items())]


def _bar(panel: Any, row: int, arm: dict[str, Any]) -> None:
    """Additions right of zero, savings left of it; a store may be part of another instruction."""
    over = arm["over_base"]
    parts = {name: over[name] for name in ("loads", "stores", "branches")}
    parts["other"] = over["instructions"] - sum(parts.values())
    ends = {1: 0.0, -1: 0.0}
    for name, (colour, hatch) in PARTS.items():
        side = 1 if parts[name] >= 0 else -1
        look = {"color": colour, "hatch": hatch, "edgecolor": "black", "linewidth": 0.4, "label": name}
        # A browser prints a hatch as a megabyte, so bars are pixels.
        panel.barh(row, parts[name], left=ends[side], rasterized=True, **look)
        ends[side] += parts[name]
    near = {"textcoords": "offset points", "va": "center", "fontsize": 7}
    panel.annotate(f"{over['instructions']:+g}", (ends[1], row), (3, 0), **near)
