"""`lay_out(record)`: write every build of a plan, as `model.machine_code.builds` describes them."""

from typing import Any, Final

from model.compiler.function import Entries, Linkage
from model.compiler.intrinsics import (
    I64_TYPE,
    as_long,
    load_64,
    load_u8,
    load_u64,
    record_at,
    store_64,
    store_once_u8,
    unsigned,
)
from model.compiler.namespace import Namespace
from model.machine_code.pieces import BRANCH, EDGE, LAYOUT_RECORD, LONGEST, MARK
from model.machine_code.x86 import JMP_REL8, JMP_REL32, TWO_BYTES

LINKAGE: Final = Linkage(Namespace("kernel"))
WORD: Final = 8
ALIGNED: Final = 15
NEAR, FAR = -128, 127
layout_at = record_at(LAYOUT_RECORD, "layout_at")
mark_at = record_at(MARK, "mark_at")
branch_at = record_at(BRANCH, "branch_at")
edge_at = record_at(EDGE, "edge_at")
MARK_BYTES, BRANCH_BYTES, EDGE_BYTES = MARK.itemsize, BRANCH.itemsize, EDGE.itemsize


@LINKAGE.static_inline
def word(at: int, number: int) -> int:
    """An element of an array of i8."""
    value: int = load_64(at + WORD * number)
    return value


@LINKAGE.static_inline
def mixed(value: Any) -> Any:
    """Spread bits as SplitMix64 does (Steele, Lea, Flood 2014): neighbouring seeds become unlike numbers."""
    value = (value ^ (value >> unsigned(30))) * unsigned(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> unsigned(27))) * unsigned(0x94D049BB133111EB)
    return value ^ (value >> unsigned(31))


@LINKAGE.static_inline
def place(layout: Any, at: int, phase: int) -> int:
    """Where a marked byte lies in the build."""
    mark = mark_at(at)
    moved = word(layout.nops_before, mark.points) + word(layout.growth_before, mark.branches)
    return mark.at + moved + word(layout.gaps, mark.function) + mark.padded * phase


@LINKAGE.static_inline
def draw(layout: Any, seed: Any) -> None:
    """The NOP in front of each point, and the sum of those before it."""
    spread, before, point = mixed(seed), 0, 0
    while point < layout.points:
        drawn = mixed(load_u64(layout.keys + WORD * point) ^ spread)
        length = 0
        if drawn >> unsigned(11) < layout.limit:
            length = 1 + as_long(drawn & unsigned(LONGEST - 1))
        store_64(layout.nops + WORD * point, length)
        before += length
        point += 1
        store_64(layout.nops_before + WORD * point, before)


@LINKAGE.static_inline
def settle(layout: Any, phase: int) -> None:
    """Sum up what long branches add before each, and align the functions."""
    branch, before = 0, 0
    while branch < layout.branches:
        if word(layout.long, branch) != 0:
            before += branch_at(layout.branch + BRANCH_BYTES * branch).opening
        branch += 1
        store_64(layout.growth_before + WORD * branch, before)
    function, gap = 1, 0
    store_64(layout.gaps, 0)
    while function < layout.functions:
        store_64(layout.gaps + WORD * function, 0)
        gap += -(place(layout, layout.function + MARK_BYTES * function, phase) + gap) & ALIGNED
        store_64(layout.gaps + WORD * function, gap)
        function += 1


@LINKAGE.static_inline
def measure(layout: Any, phase: int) -> int:
    """The distance of each branch; marks those that no longer reach as long, and returns how many."""
    branch, more = 0, 0
    while branch < layout.branches:
        at = layout.branch + BRANCH_BYTES * branch
        own = branch_at(at)
        is_long = word(layout.long, branch)
        end = place(layout, own.here, phase) + own.size + is_long * own.opening
        distance = place(layout, own.target, phase) - end
        store_64(layout.distances + WORD * branch, distance)
        if own.short != 0 and is_long == 0 and (distance < NEAR or distance > FAR):
            store_64(layout.long + WORD * branch, 1)
            more += 1
        branch += 1
    return more


@LINKAGE.static_inline
def copy(layout: Any, row: int, phase: int) -> None:
    """The image's own bytes, run by run; byte by byte, for runs are short."""
    number = 0
    while number < layout.edges:
        edge = edge_at(layout.edge + EDGE_BYTES * number)
        to = row + place(layout, edge.here, phase)
        source = layout.source + mark_at(edge.here).at
        end = source + edge.length
        while source < end:
            store_once_u8(to, load_u8(source))
            to += 1
            source += 1
        number += 1


@LINKAGE.static_inline
def pad(layout: Any, row: int, phase: int) -> None:
    """The NOPs, each just before its point."""
    point = 0
    while point < layout.points:
        length = word(layout.nops, point)
        to = row + place(layout, layout.point + MARK_BYTES * point, phase) - length
        byte = 0
        while byte < length:
            store_once_u8(to + byte, load_u8(layout.nop_bytes + LONGEST * length + byte))
            byte += 1
        point += 1


@LINKAGE.static_inline
def lead(layout: Any, row: int, phase: int) -> None:
    """The branches' distances, and the longer instructions where one is long."""
    branch = 0
    while branch < layout.branches:
        own = branch_at(layout.branch + BRANCH_BYTES * branch)
        at = row + place(layout, own.here, phase)
        distance = word(layout.distances, branch)
        field, size = at + own.size - 4, 4
        if own.short != 0 and word(layout.long, branch) == 0:
            field, size = at + 1, 1
        elif own.short != 0 and own.opcode == JMP_REL8:
            store_once_u8(at, JMP_REL32)
            field = at + 1
        elif own.short != 0:
            store_once_u8(at, TWO_BYTES)
            store_once_u8(at + 1, own.opcode + 0x10)
            field = at + 2
        byte = 0
        while byte < size:
            store_once_u8(field + byte, distance >> (8 * byte))
            byte += 1
        branch += 1


@LINKAGE.kernel_function
def lay_out(at: int) -> None:
    """Lay out every build of a plan.

    Parameters
    ----------
    at
        Address of a `LAYOUT_RECORD`; its rows are NOPs of one byte.
    """
    layout = layout_at(at)
    build = 0
    while build < layout.builds:
        phase, row = word(layout.phases, build), layout.rows + layout.row_bytes * build
        draw(layout, load_u64(layout.seeds + WORD * build))
        branch = 0
        while branch < layout.branches:
            store_64(layout.long + WORD * branch, 0)
            branch += 1
        more = 1
        while more > 0:
            settle(layout, phase)
            more = measure(layout, phase)
        copy(layout, row, phase)
        pad(layout, row, phase)
        lead(layout, row, phase)
        asked = 0
        while asked < layout.asked:
            found = place(layout, layout.ask + MARK_BYTES * asked, phase)
            store_64(layout.places + WORD * (build * layout.asked + asked), found)
            asked += 1
        build += 1


def link(spec: Any) -> Entries:
    """The entry of the one image that there is."""
    return {"lay_out": (I64_TYPE,)}
