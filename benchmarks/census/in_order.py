"""What one free accesses, in order, with the instructions between: `--in-order` of the census."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from benchmarks.emulator import Access, Trace
from model.kernels.instructions import BRANCHES, name_of, registers

IDLE: Final = frozenset({"nop", "endbr64"})
"""Sites of static keys that are off, of ftrace, and padding."""
FRAME: Final = frozenset({"push", "pop", "call", "ret", "leave"})
"""Beside what adjusts the stack pointer, or stores to the stack and loads from it."""
ADJUSTS: Final = frozenset({"add", "sub"})
"""What adjusts the stack pointer, where that is the register."""


def in_order(trace: Trace) -> list[dict[str, Any]]:
    """Each instruction that accesses memory other than the stack, in program order; the return comes last.

    Returns
    -------
    Rows with `op` (load, store, or update: both), `object` and `field`; and counts of the instructions since
    the row before, its own among them, and a conditional jump right behind it: `instructions`, of which
    `idle` do nothing and `frame` call, return or use the stack.
    """
    kinds, accesses = dict(_kinds(trace)), _by_place(trace)
    rows: list[dict[str, Any]] = []
    since = Counter[str]()
    before = False
    for place, at in enumerate(trace.path):
        kind, here = kinds[at], accesses.get(place, [])
        stack = any(access.object == "stack" for access in here)
        here = [access for access in here if access.object != "stack"]
        counts = Counter(
            {"instructions": 1, "idle": kind == "idle", "frame": not here and (stack or kind == "frame")}
        )
        if before and kind == "branch":
            rows[-1]["instructions"] += 1
        else:
            since += counts
        if here:
            op = here[0].op if len(here) == 1 else "update"
            rows.append({"op": op, "object": here[0].object, "field": here[0].field, **_counted(since)})
            since.clear()
        before = bool(here)
    return [*rows, {"op": "return", "object": "return", "field": "", **_counted(since)}]


def _counted(since: Mapping[str, int]) -> dict[str, int]:
    return {name: since.get(name, 0) for name in ("instructions", "idle", "frame")}


def _kinds(trace: Trace) -> Iterator[tuple[int, str]]:
    """Of each instruction that ran: `idle`, `frame`, `branch` for a conditional jump, or nothing."""
    for at, instruction in trace.decoded.items():
        name = name_of(instruction)
        adjusts = name in ADJUSTS and next(registers(instruction), "") == "rsp"
        if name in IDLE:
            yield at, "idle"
        elif name in FRAME or adjusts:
            yield at, "frame"
        else:
            yield at, "branch" if name in BRANCHES else ""


def _by_place(trace: Trace) -> dict[int, list[Access]]:
    """Place in the path -> what that instruction accessed: what it loads, and what it then stores."""
    found: dict[int, list[Access]] = {}
    waiting = iter(trace.sequence)
    following = next(waiting, None)
    for place, at in enumerate(trace.path):
        while following is not None and following[0] == at:
            here = found.setdefault(place, [])
            if here and (here[-1].op, following[1].op) != ("load", "store"):
                break
            here.append(following[1])
            following = next(waiting, None)
    return found
