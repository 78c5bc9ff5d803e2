"""The census as stacked bars: what each arm executes per freed page, and what it adds to base."""

from typing import Any, Final

from matplotlib.figure import Figure

from plots.style import new_figure

STATES: Final = ("off", "on-idle", "on-active")
PARTS: Final = {
    "loads": ("#0072B2", "////"),
    "stores": ("#E69F00", "...."),
    "branches": ("#009E73", "xxxx"),
    "other": ("#DDDDDD", ""),
}
ROW: Final = 0.26


def draw_census(document: dict[str, Any]) -> Figure | None:
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
        panel.set_yticks(range(len(arms)), [f"{arm['variant']}/{arm['gate']}" for arm in arms], fontsize=7)
        panel.invert_yaxis()
        panel.set_title(f"memcg {state}")
        panel.set_xlabel("instructions per freed page")
        panel.margins(x=0.14)
    handles, labels = axes[0][0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside upper right", ncols=len(unique), frameon=False)
    text = (
        "Exact counts, plain page, order 0, without a drain; at the bar's end what the arm adds to base. "
        f"Compiled for {document['cpu']} by Numba {document['numba']}; python -m benchmarks.census."
    )
    figure.supxlabel(text.replace("$", r"\$"), x=0.01, ha="left", fontsize=7.5, color="#333333")
    return figure


def _arms(document: dict[str, Any], state: str) -> list[dict[str, Any]]:
    wanted = {"memcg": state, "page_kind": "plain", "depth": "pcp", "checks": "on", "free": "plain"}
    return [arm for arm in document["arms"] if all(arm[name] == value for name, value in wanted.items())]


def _bar(panel: Any, row: int, arm: dict[str, Any]) -> None:
    """Memory accesses and branches are instructions of their own or parts of one; the rest is "other"."""
    known = {name: arm[name] for name in ("loads", "stores", "branches")}
    known["other"] = max(arm["instructions"] - sum(known.values()), 0)
    left = 0.0
    for name, (colour, hatch) in PARTS.items():
        panel.barh(
            row,
            known[name],
            left=left,
            color=colour,
            hatch=hatch,
            edgecolor="black",
            linewidth=0.4,
            label=name,
        )
        left += known[name]
    panel.text(left + 1, row, f"{arm['over_base']['instructions']:+g}", va="center", fontsize=7)
