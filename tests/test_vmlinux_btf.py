"""Layouts out of BTF, against layouts that were computed here."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.common.errors import KernelFileError
from model.vmlinux.btf import Btf
from tests.small_btf import BtfWriter


@dataclass(frozen=True)
class Shape:
    """A type as a test draws it: an integer, an array, or a structure or union of named and unnamed ones."""

    kind: str
    count: int = 0
    members: tuple[tuple[str, "Shape"], ...] = ()


INTEGERS = st.sampled_from([1, 2, 4, 8]).map(lambda size: Shape("int", size))


def _records(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    members = st.lists(st.tuples(st.booleans(), inner), min_size=1, max_size=4)
    records = st.tuples(st.sampled_from(["struct", "union"]), members).map(_named)
    arrays = st.tuples(inner, st.integers(1, 5)).map(lambda two: Shape("array", two[1], (("", two[0]),)))
    return records | arrays


def _named(drawn: tuple[str, list[tuple[bool, Shape]]]) -> Shape:
    kind, members = drawn
    return Shape(
        kind,
        0,
        tuple(
            ("" if unnamed and shape.kind in ("struct", "union") else f"m{number}", shape)
            for number, (unnamed, shape) in enumerate(members)
        ),
    )


SHAPES = st.recursive(INTEGERS, _records, max_leaves=12)


def size_of(shape: Shape) -> int:
    """Bytes, without any alignment: BTF says the offsets, whatever they are."""
    if shape.kind == "int":
        return shape.count
    sizes = [size_of(each) for _, each in shape.members]
    if shape.kind == "array":
        return shape.count * sizes[0]
    return max(sizes) if shape.kind == "union" else sum(sizes)


def places(shape: Shape, prefix: str = "", at: int = 0) -> Iterator[tuple[str, int, int]]:
    """Path, offset and size of every leaf; unnamed members leave no trace in the path."""
    if shape.kind == "int":
        yield prefix, at, shape.count
    elif shape.kind == "array":
        element = shape.members[0][1]
        for number in (0, shape.count - 1):
            yield from places(element, f"{prefix}[{number}]", at + number * size_of(element))
    else:
        for name, each in shape.members:
            yield from places(each, f"{prefix}.{name}" if name else prefix, at)
            at += size_of(each) if shape.kind == "struct" else 0


def write(writer: BtfWriter, shape: Shape, name: str = "") -> int:
    """Number of the type."""
    if shape.kind == "int":
        return writer.integer(f"u{8 * shape.count}", shape.count)
    inner = [(text, write(writer, each), size_of(each)) for text, each in shape.members]
    if shape.kind == "array":
        return writer.array(inner[0][1], shape.count)
    members, at = [], 0
    for text, number, size in inner:
        members.append((text, number, at))
        at += size if shape.kind == "struct" else 0
    return writer.record(shape.kind, name, size_of(shape), members)


def renamed(shape: Shape, numbers: Iterator[int]) -> Shape:
    """The same with a name of its own for every named member, as in C."""
    members = tuple((name and f"m{next(numbers)}", renamed(each, numbers)) for name, each in shape.members)
    return Shape(shape.kind, shape.count, members)


@settings(max_examples=60)
@given(_records(SHAPES).filter(lambda shape: shape.kind == "struct"))
def test_every_field_lies_where_it_was_put(drawn: Shape) -> None:
    """Sizes, offsets by path, and names by offset."""
    shape, writer = renamed(drawn, count()), BtfWriter()
    write(writer, shape, "drawn")
    btf = Btf(writer.section())
    assert btf.size("struct drawn") == size_of(shape)
    for path, offset, size in places(shape):
        name = path.removeprefix(".")
        assert btf.offset("struct drawn", name) == offset
        assert btf.field_size("struct drawn", name) == size
        found, _, rest = btf.name_at("struct drawn", offset, size).partition("+")
        # In a union it may be another member, and inside of that.
        assert btf.offset("struct drawn", found) + int(rest or 0) == offset


def test_a_member_of_a_union_by_its_size() -> None:
    """Of an access's size the one that has it; of any other size the first, as the source has them."""
    writer = BtfWriter()
    integer, long = writer.integer("int", 4), writer.integer("long", 8)
    pair = writer.array(integer, 2)
    writer.record("union", "either", 8, [("pair", pair, 0), ("count", integer, 0), ("whole", long, 0)])
    btf = Btf(writer.section())
    names = {size: btf.name_at("union either", 0, size) for size in (2, 4, 8)}
    assert names == {2: "pair[0]", 4: "count", 8: "pair[0]"}


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_section_is_read_or_refused(data: st.DataObject) -> None:
    """Whatever is changed in it, and whatever is asked of it then."""
    writer = BtfWriter()
    integer = writer.integer("int", 4)
    inner = writer.record("union", "", 8, [("a", integer, 0), ("b", writer.array(integer, 2), 0)])
    writer.record("struct", "outer", 16, [("first", integer, 0), ("", inner, 8)])
    writer.enumeration("colours", {"RED": 1, "NONE": -1})
    section = bytearray(writer.section())
    for _ in range(data.draw(st.integers(1, 4))):
        section[data.draw(st.integers(0, len(section) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(section)))
    try:
        btf = Btf(bytes(section[: cut if data.draw(st.booleans()) else None]))
        btf.offset("struct outer", "b[1]")
        btf.name_at("struct outer", 12, 4)
        btf.enumerator("RED")
    except KernelFileError as error:
        assert "\n" not in str(error)


def kernel_like() -> Btf:
    """Types of every kind that a kernel's BTF has."""
    writer = BtfWriter()
    integer = writer.integer("int", 4)
    constant = writer.add("", 10, integer)
    alias = writer.add("atomic_t", 8, constant)
    bits = writer.add(
        "flags", 4, 4, _member(writer, "low", integer, 0, 3) + _member(writer, "high", integer, 3, 5), 2, True
    )
    pointer = writer.pointer(bits)
    writer.record("struct", "page", 24, [("flags", bits, 0), ("_refcount", alias, 4), ("next", pointer, 8)])
    writer.enumeration("zone_stat_item", {"NR_FREE_PAGES": 0, "NR_LAST": -2})
    large = writer.name("HUGE").to_bytes(4, "little") + (7 << 32 | 5).to_bytes(8, "little")
    writer.add("wide", 19, 8, large, 1)
    variable = writer.add("__preempt_count", 14, integer, (1).to_bytes(4, "little"))
    words = [variable.to_bytes(4, "little"), (64).to_bytes(4, "little"), (4).to_bytes(4, "little")]
    writer.add(".data..percpu", 15, 68, b"".join(words), 1)
    arguments = [writer.name("page").to_bytes(4, "little") + pointer.to_bytes(4, "little")]
    prototype = writer.add("", 13, 0, b"".join(arguments), 1)
    writer.add("__free_pages", 12, prototype)
    writer.add("superpage", 7, 0)
    return Btf(writer.section())


def _member(writer: BtfWriter, name: str, number: int, at: int, bits: int) -> bytes:
    words = (writer.name(name), number, bits << 24 | at)
    return b"".join(word.to_bytes(4, "little") for word in words)


def test_what_a_kernel_has() -> None:
    """Typedefs, bit fields, pointers, enumerators of both sizes, per-CPU variables, arguments."""
    btf = kernel_like()
    assert btf.offset("struct page", "_refcount") == 4 and btf.field_size("struct page", "_refcount") == 4
    high = btf.field("struct page", "flags.high")
    assert (high.offset, high.bits, high.shift) == (0, 5, 3)
    assert btf.field_size("struct page", "next") == 8
    assert btf.enumerator("NR_OTHER", "NR_LAST") == -2
    assert btf.enumerators("enum wide") == {"HUGE": 7 << 32 | 5}
    variable = btf.variable("__preempt_count")
    assert (variable.size, variable.offset) == (4, 64) and not btf.has_variable("pcpu_hot")
    assert btf.arguments("__free_pages") == ("page",) and btf.arguments("other") is None
    assert btf.name_at("struct page", 20) == "(padding 20)"
    assert btf.has("typedef atomic_t") and not btf.has("struct super")


def test_everything_that_is_missing_is_named_at_once() -> None:
    """Alternatives count as one."""
    btf = kernel_like()
    btf.require("struct page.flags", "struct page.lru|struct page.next")
    with pytest.raises(KernelFileError, match=r"lacks in its BTF struct page\.lru, struct zone\.flags"):
        btf.require("struct page.flags", "struct page.lru", "struct zone.flags")
    with pytest.raises(KernelFileError, match="no enumerator NR_OTHER"):
        btf.enumerator("NR_OTHER")
    with pytest.raises(KernelFileError, match="no per-CPU variable pcpu_hot"):
        btf.variable("pcpu_hot")
    with pytest.raises(KernelFileError, match="no struct zone"):
        btf.size("struct zone")
    with pytest.raises(ValueError, match="say what it is"):
        btf.size("page")
