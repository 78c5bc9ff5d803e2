"""A claim and its verdict, and what claims are judged from: a run, by scenario, and a census."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from model.vocabulary.scenario import MemcgState, PageKind, usual_of
from results.analysis.conditions import Levels
from results.analysis.estimate import overhead
from results.analysis.groups import Analysis, Cell, Group, Judged, looks_of
from results.analysis.verdict import CONFIDENCE, alpha_divisor, judge
from results.reading.load import Arm

Verdict = Literal["holds", "fails", "undecided"]


@dataclass(frozen=True)
class Answer:
    """One claim, judged."""

    id: str
    claim: str
    verdict: Verdict
    because: str
    evidence: list[str] = field(default_factory=list)


class Data:
    """A run with its groups by scenario, and a census."""

    def __init__(self, analysis: Analysis, census: dict[str, Any]) -> None:
        self.margin, self.groups, self.census = analysis.margin, analysis.groups, census

    def group(
        self, memcg: MemcgState, kind: PageKind = "plain", *, kernel: str = "v4.3", **axes: str
    ) -> Group | None:
        """A scenario's group, or None when it was not measured: with usual values of all other axes."""
        wanted = {**usual_of(kernel), "memcg": memcg, "page_kind": kind, **axes}
        return next((group for group in self.groups if group.scenario.axes == wanted), None)

    def knows(self, kernel: str) -> bool:
        """Whether the run measured that version."""
        return any(group.scenario.axes["kernel"] == kernel for group in self.groups)

    def cell(self, group: Group | None, variant: str) -> Cell | None:
        """A variant's cell, with the jump label where it has several gates."""
        cells = [c for c in group.cells if c.overhead.arm.variant == variant] if group else []
        return min(cells, key=lambda cell: cell.overhead.arm.gate != "jump-label", default=None)

    def between(self, group: Group | None, arm: Arm, reference: Arm) -> Cell | None:
        """One arm over another of the same scenario, paired, in each condition that the scenario has."""
        if group is None or not {arm, reference} <= set(group.scenario.arms):
            return None
        looks = looks_of(group.scenario)
        error = (1 - CONFIDENCE) / alpha_divisor(looks)

        def judged(levels: Levels, floor: float | None) -> Judged | None:
            between = overhead(group.scenario, arm, levels, base=reference)
            if between is None:
                return None
            return Judged(between, judge(between, self.margin, floor, error, looks))

        headline = judged(Levels(group.scenario), group.floor_ns)
        if headline is None:
            return None
        conditions = {c: judged(Levels(group.scenario, c), floor) for c, floor in group.floors.items()}
        verdict = "undecided" if group.busy else headline.judgement.verdict
        return Cell(
            group.scenario,
            headline.overhead,
            replace(headline.judgement, verdict=verdict),
            None,
            None,
            group.condition,
            {c: row for c, row in conditions.items() if row is not None},
        )

    def rows(self, **wanted: str) -> list[dict[str, Any]]:
        """Arms of v4.3 in the census with these values."""
        return [
            arm
            for arm in self.census["arms"]
            if "kernel" not in arm and all(arm[name] == value for name, value in wanted.items())
        ]


def missing(number: str, claim: str, what: str, command: str) -> Answer:
    """No data: undecided, and the command that supplies it."""
    return Answer(number, claim, "undecided", f"the run has no {what}; measure with {command}")
