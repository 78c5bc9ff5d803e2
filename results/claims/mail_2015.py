"""The six claims of the mails of 2015, on v4.3, each judged by a rule that is written down.

docs/claims.md has the rules in words. Timed claims read the run; claims about instructions read a census.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from model.vocabulary.scenario import MemcgState
from results.analysis.groups import usual
from results.analysis.texts import cell_text
from results.claims.claim import Answer, Data, missing
from results.reading.load import Arm

LOAD: Final = ("load", "page", "_mapcount", 4)
STORE: Final = ("store", "page", "_mapcount", 4)


def overhead_on_all_kernels(data: Data) -> Answer:
    """C1: v1 costs with memcg off, disabled and on-idle."""
    claim = "the test adds overhead to all kernels, even without memcg"
    states: tuple[MemcgState, ...] = ("off", "disabled", "on-idle")
    cells = {state: data.cell(data.group(state), "v1") for state in states}
    if not all(cells.values()):
        return missing("C1", claim, "v1 in every memcg state", "python -m benchmarks --quick -o FILE")
    verdicts = {state: cell.judgement.verdict for state, cell in cells.items() if cell}
    evidence = [cell_text(cell, f"{state} {cell.overhead.arm.name}") for state, cell in cells.items() if cell]
    without = [state for state, word in verdicts.items() if word in ("negligible", "saves")]
    if all(word == "costs" for word in verdicts.values()):
        return Answer("C1", claim, "holds", "v1 costs in each of the three states", evidence)
    if without:
        return Answer("C1", claim, "fails", f"negligible with memcg {', '.join(without)}", evidence)
    return Answer("C1", claim, "undecided", "the intervals do not settle every state", evidence)


def no_op_by_jump_label(data: Data) -> Answer:
    """C2: with the key off, the jump label saves the call, and costs no more than a flag in memory."""
    claim = "the uncharge is a no-op when kmemcg is unused, thanks to jump labels"
    group = data.group("on-idle", "flagged")
    label = Arm("v1", "jump-label")
    call = data.between(group, Arm("v1", "none"), label)
    flag = data.between(group, Arm("v1", "memory-flag"), label)
    if call is None or flag is None:
        return missing(
            "C2", claim, "flagged pages", "python -m benchmarks --only 'v1,page_kind=flagged' -o FILE"
        )
    evidence = [
        cell_text(call, "the call without a gate, over the jump label"),
        cell_text(flag, "a flag in memory, over the jump label"),
    ]
    if nop := data.cell(data.group("on-idle"), "nop"):
        evidence.append(cell_text(nop, "the label's NOP alone, over base, plain page"))
    if flag.judgement.verdict == "saves":
        return Answer("C2", claim, "fails", "a flag in memory costs less than the jump label", evidence)
    if call.judgement.verdict == "costs":
        return Answer(
            "C2", claim, "holds", "without the gate the call is paid; the jump label saves it", evidence
        )
    if call.judgement.verdict == "negligible":
        return Answer("C2", claim, "fails", "even the call that the gate saves is negligible", evidence)
    return Answer("C2", claim, "undecided", "the intervals do not settle it", evidence)


def _added(row: dict[str, Any]) -> dict[tuple[str, str, str, int], float]:
    """Accesses over base, without the stack and the load of the key."""
    skipped = ("stack", "cpu")
    accesses = [a for a in row["over_base"]["accesses"] if a["object"] not in skipped]
    return {(a["op"], a["object"], a["field"], a["size"]): a["count"] for a in accesses}


def _exactly(
    data: Data, number: str, claim: str, rows: list[dict[str, Any]], wanted: dict[Any, int]
) -> Answer:
    """Judge by census: every row adds exactly these accesses."""
    if not rows:
        return missing(number, claim, "census of v1", "python -m benchmarks.census --json -o CENSUS")
    others = [row for row in rows if _added(row) != wanted]
    said = " and ".join(
        f"{count} {op} of {size} bytes at {obj}.{name}" for (op, obj, name, size), count in wanted.items()
    )
    evidence = [f"census for {data.census['cpu']}, {len(rows)} arms: {said}"]
    if others:
        states = ", ".join(f"{row['memcg']} {row['gate']}" for row in others[:4])
        return Answer(number, claim, "fails", f"other accesses with {states}", evidence)
    more = sorted({row["over_base"]["instructions"] for row in rows})
    span = f"{more[0]:g}" if len(more) == 1 else f"{more[0]:g} to {more[-1]:g}"
    return Answer(number, claim, "holds", f"exactly that, in {span} instructions", evidence)


def at_worst_a_store(data: Data) -> Answer:
    """C3: a flagged page adds one load and one store; the ladder says what they cost."""
    claim = "at worst a load, a comparison and a store"
    rows = [
        row
        for row in data.rows(variant="v1", page_kind="flagged", depth="pcp", checks="on", free="plain")
        if (row["memcg"] in ("off", "disabled", "on-idle") and row["gate"] != "none") or row["memcg"] == "off"
    ]
    answer = _exactly(data, "C3", claim, rows, {LOAD: 1, STORE: 1})
    for name in ("load", "load-compare", "load-compare-store"):
        cell = data.cell(data.group("on-idle"), name)
        if cell:
            answer.evidence.append(cell_text(cell))
    return answer


def mostly_a_load(data: Data) -> Answer:
    """C4: a plain page adds one load, in every memcg state."""
    rows = data.rows(variant="v1", page_kind="plain", depth="pcp", checks="on", free="plain")
    return _exactly(data, "C4", "for most pages a load and a comparison", rows, {LOAD: 1})


VARIED: Final = ("memory", "order", "checks")
"""Axes over which C5 is judged."""


def read_anyway(data: Data) -> Answer:
    """C5: v1 with the check on is negligible in every scenario of the run."""
    claim = "_mapcount is read by free_pages_check anyway, so the overhead is negligible"
    loads = {
        group.scenario.name: cell
        for group in usual(data.groups, *VARIED, memcg="on-idle")
        if (cell := data.cell(group, "v1"))
    }
    beside = {name: cell for name, cell in loads.items() if cell.scenario.axes["checks"] == "on"}
    if not beside:
        return missing(
            "C5", claim, "v1 with memcg on-idle", "python -m benchmarks --memory all --only v1 -o FILE"
        )
    evidence = [cell_text(cell, name) for name, cell in loads.items()]
    words = {cell.judgement.verdict for cell in beside.values()}
    if words & {"costs"}:
        where = ", ".join(name for name, cell in beside.items() if cell.judgement.verdict == "costs")
        return Answer("C5", claim, "fails", f"with the check on it still costs: {where}", evidence)
    if "undecided" in words:
        return Answer("C5", claim, "undecided", "the intervals do not settle it", evidence)
    return Answer("C5", claim, "holds", "negligible in every measured scenario with the check on", evidence)


def vague_benefit(data: Data) -> Answer:
    """C6: v1 over v1-ifdef is negligible with memcg off; v1 over keyfirst is shown as evidence."""
    claim = "moving it under CONFIG_MEMCG_KMEM is a vague performance benefit"
    left_out = data.between(data.group("off"), Arm("v1", "none"), Arm("v1-ifdef", "none"))
    if left_out is None:
        return missing("C6", claim, "v1 and v1-ifdef with memcg off", "python -m benchmarks --quick -o FILE")
    evidence = [cell_text(left_out, "off: v1 over v1-ifdef")]
    key_first = data.between(data.group("on-idle"), Arm("v1", "jump-label"), Arm("keyfirst", "jump-label"))
    if key_first:
        evidence.append(cell_text(key_first, "on-idle: v1 over keyfirst"))
    word = left_out.judgement.verdict
    if word == "costs":
        return Answer(
            "C6", claim, "fails", "in a kernel without memcg leaving it out saves what v1 costs", evidence
        )
    if word == "undecided":
        return Answer("C6", claim, "undecided", "the intervals do not settle it", evidence)
    what = {"negligible": "is negligible", "saves": "costs"}[word]
    return Answer("C6", claim, "holds", f"in a kernel without memcg leaving it out {what}", evidence)


CLAIMS: Final[Sequence[Callable[[Data], Answer]]] = (
    overhead_on_all_kernels,
    no_op_by_jump_label,
    at_worst_a_store,
    mostly_a_load,
    read_anyway,
    vague_benefit,
)
