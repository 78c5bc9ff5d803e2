"""What is measured of a kernel file: its own path, and that path with one thing changed.

`base` is the path as booted; every other arm changes bytes of it: a static key the other way round, a call or
a store left out, a test put in where the memcg key is tested.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

from model.common.errors import KernelFileError, UsageError
from model.kernels.kernel_file.cutting import Change, Function
from model.kernels.kernel_file.places import inserted, place_at, place_called
from model.kernels.kernel_file.sanitizer import ubsan_checks
from model.kernels.kernel_file.survey import Survey, calls_of, flags_dead
from model.kernels.variants import Variant
from model.machine_code.x86 import NOP5
from model.vmlinux.boot import KEYS
from model.vmlinux.loading import JumpLabel, LoadedKernel

NOPS: Final = (b"", b"\x90", b"\x66\x90", b"\x0f\x1f\x00", b"\x0f\x1f\x40\x00", NOP5)
LONG_NOPS: Final = (
    b"\x66\x0f\x1f\x44\x00\x00",
    b"\x0f\x1f\x80\x00\x00\x00\x00",
    b"\x0f\x1f\x84\x00\x00\x00\x00\x00",
)
"""One instruction of each length, as the kernel fills (arch/x86/include/asm/nops.h, v6.12)."""
LIST_CHECKS: Final = tuple(
    f"__list_{what}_valid{report}" for what in ("add", "del_entry") for report in ("", "_or_report")
)
"""What CONFIG_DEBUG_LIST calls for what is put on a list or taken off; up to v6.5 by the shorter names."""
RETURN_TRUE: Final = b"\xb8\x01\x00\x00\x00"
"""mov $1, %eax: as many bytes as the call has."""
PAGE_KMEM: Final = -512
"""PAGE_KMEM_MAPCOUNT_VALUE of the patch of September 2015."""
NUMBERS: Final = {
    name: number
    for number, name in enumerate(
        [
            "rax",
            "rcx",
            "rdx",
            "rbx",
            "rsp",
            "rbp",
            "rsi",
            "rdi",
            "r8",
            "r9",
            "r10",
            "r11",
            "r12",
            "r13",
            "r14",
            "r15",
        ]
    )
}
KEPT: Final = (
    "rbx",
    "rbp",
    "r12",
    "r13",
    "r14",
    "r15",
    "rdi",
    "rsi",
    "rdx",
    "rcx",
    "rax",
    "r8",
    "r9",
    "r10",
    "r11",
)
"""Registers in which a page is looked for: first those that a call keeps."""


@dataclass(frozen=True)
class Insert:
    """An operation that the user puts in.

    Attributes
    ----------
    name, text
        As `--insert NAME=ASM` gives them.
    at
        Name of a place; empty: where the memcg key is tested.
    """

    name: str
    text: str
    at: str = ""


@dataclass(frozen=True)
class FileArm:
    """One arm.

    Attributes
    ----------
    name
        As users type it.
    summary
        One line that says what differs from the kernel as booted.
    change
        Which bytes.
    slots
        Dispatch slots of what is put in, where it is an exact operation.
    """

    name: str
    summary: str
    change: Change = field(default_factory=Change)
    slots: int | None = None

    @property
    def variant(self) -> Variant:
        """As tables and metadata describe a variant."""
        module: Any = SimpleNamespace(SUMMARY=self.summary, __doc__=self.summary, SLOTS=self.slots)
        return Variant(self.name, module)


def arms_of(
    loaded: LoadedKernel,
    survey: Survey,
    functions: Sequence[Function],
    inserts: Sequence[Insert] = (),
    *,
    usual: bool = True,
) -> dict[str, FileArm]:
    """Every arm that this kernel has on this path, by name, in the order of tables.

    Parameters
    ----------
    inserts
        Operations of the user.
    usual
        Whether this is the usual path: on another one, an operation is left out whose place it does not pass.

    Raises
    ------
    UsageError
        When one can be put in nowhere, or an arm is called like it.
    """
    arms = [
        FileArm("base", "the kernel as booted"),
        FileArm("base-twin", "the same again: A/A control"),
        *_keys(loaded, functions),
        *_list_check(loaded, functions),
        *_ubsan(loaded, survey, functions),
        *_private(survey, functions),
        *_tests(loaded, survey, functions),
        *_insertions(loaded, survey, functions, inserts, usual=usual),
    ]
    names = [arm.name for arm in arms]
    for insert in inserts:
        if names.count(insert.name) > 1:
            raise UsageError(f"--insert {insert.name}: there is an arm of that name: choose another")
    return {arm.name: arm for arm in arms}


def _labels(loaded: LoadedKernel, functions: Sequence[Function]) -> dict[int, list[JumpLabel]]:
    """Jump labels in the functions, by key."""
    by_key: dict[int, list[JumpLabel]] = {}
    for function in functions:
        last = function.instructions[-1]
        for label in loaded.labels_in(function.start, last.address + len(last.code)):
            by_key.setdefault(label.key, []).append(label)
    return by_key


def flipped(labels: Sequence[JumpLabel], *, on: bool) -> Change:
    """Every site of a key as it is while the key is on or off."""
    jumping = [label for label in labels if on != label.branch]
    still = [label for label in labels if on == label.branch]
    return Change(
        instead={label.code: NOPS[label.size] for label in still},
        jumps={label.code: label.target for label in jumping},
    )


def _keys(loaded: LoadedKernel, functions: Sequence[Function]) -> Iterator[FileArm]:
    """One arm for each known key that the path tests: the other way round than booted."""
    labels = _labels(loaded, functions)
    for short, names in KEYS.items():
        for name in names:
            key = loaded.symbol(name) if loaded.has(name) else 0
            if key not in labels or short == "deferred_pages":
                continue
            on = loaded.key_is_on(key)
            state = "off" if on else "on"
            about = f"static key {name} {state}; booted it is {'on' if on else 'off'}"
            yield FileArm(f"{short.replace('_', '-')}-{state}", about, flipped(labels[key], on=not on))
            break


def _list_check(loaded: LoadedKernel, functions: Sequence[Function]) -> Iterator[FileArm]:
    targets = [loaded.symbol(name) for name in LIST_CHECKS if loaded.has(name)]
    if calls := calls_of(functions, targets):
        about = "without the list check of CONFIG_DEBUG_LIST: its call returns true"
        yield FileArm("no-list-check", about, Change(instead=dict.fromkeys(calls, RETURN_TRUE)))


def _ubsan(loaded: LoadedKernel, survey: Survey, functions: Sequence[Function]) -> Iterator[FileArm]:
    checks = list(ubsan_checks(loaded, survey, functions))
    if checks:
        about = f"without the {len(checks)} checks of CONFIG_UBSAN that run, NOPs of their size instead"
        instead = {each.address: nop(len(each.code)) for check in checks for each in check}
        yield FileArm("no-ubsan", about, Change(instead=instead))


def _private(survey: Survey, functions: Sequence[Function]) -> Iterator[FileArm]:
    sizes = {each.address: len(each.code) for function in functions for each in function.instructions}
    stores = {at: sizes[at] for at in survey.stores.get("private", ()) if at in sizes}
    if stores:
        about = "without the store of page->private, a NOP of its size instead"
        yield FileArm("no-private", about, Change(instead={at: nop(size) for at, size in stores.items()}))


def _tests(loaded: LoadedKernel, survey: Survey, functions: Sequence[Function]) -> Iterator[FileArm]:
    """Exact operations where the memcg key is tested, as the patch of 2015 stood there."""
    place = place_of_memcg(loaded, survey, functions)
    if place is None:
        return
    register = survey.registers[place]
    offset = loaded.kernel.btf.offset("struct page", "_mapcount")
    test = [compare(register, offset, PAGE_KMEM), b"\x74\xfe"]
    about = f"test of 2015 put in before the memcg key: page in {register}, never equal"
    yield FileArm("v1", about, Change(before={place: test}), slots=1)
    yield FileArm("nop", "exact: a 5-byte NOP there", Change(before={place: [NOP5]}), slots=1)


def _insertions(
    loaded: LoadedKernel,
    survey: Survey,
    functions: Sequence[Function],
    inserts: Sequence[Insert],
    *,
    usual: bool,
) -> Iterator[FileArm]:
    for insert in inserts:
        try:
            yield _inserted(loaded, survey, functions, insert)
        except UsageError:
            if usual:
                raise


def _inserted(loaded: LoadedKernel, survey: Survey, functions: Sequence[Function], insert: Insert) -> FileArm:
    """An operation of the user's, at the place that was asked for or where the memcg key is tested."""
    if insert.at:
        place = place_called(loaded, survey, insert.at)
    else:
        usual = place_of_memcg(loaded, survey, functions)
        found = place_at(loaded, survey, usual) if usual else None
        if found is None:
            raise UsageError(
                f"--insert {insert.name}: nothing can be put in where the memcg key is tested: choose a "
                "place with --at; --list names them"
            )
        place = found
    code = inserted(insert.text, f"--insert {insert.name}", place)
    about = f"{insert.text}, put in at {place.name}: page in {place.page}, {place.free} free"
    return FileArm(insert.name, about, Change(before={place.address: [code]}))


def place_of_memcg(loaded: LoadedKernel, survey: Survey, functions: Sequence[Function]) -> int | None:
    """Address of the memcg key's site that ran, if a test can be put in before it."""
    ran = set(survey.executed)
    for name in KEYS["memcg"]:
        key = loaded.symbol(name) if loaded.has(name) else 0
        for label in _labels(loaded, functions).get(key, ()):
            if label.code in ran and label.code in survey.registers and flags_dead(loaded, label.code):
                return label.code
    return None


def nop(size: int) -> bytes:
    """One NOP of so many bytes; of more than eight, several.

    Raises
    ------
    KernelFileError
        For none.
    """
    if size < 1:
        raise KernelFileError("has an instruction of no bytes")
    if size > len(NOPS) + 2:
        return nop(8) + nop(size - 8)
    return (*NOPS, *LONG_NOPS)[size]


def compare(register: str, offset: int, value: int) -> bytes:
    """`cmp dword ptr [register + offset], value`, as gcc compares a field of a page with a constant."""
    number = NUMBERS[register]
    prefix = b"\x41" if number >= 8 else b""
    modrm = bytes([0x40 | 7 << 3 | number & 7]) + (b"\x24" if number & 7 == 4 else b"")
    return prefix + b"\x81" + modrm + struct.pack("<bI", offset, value & 0xFFFFFFFF)


def described(arms: Mapping[str, FileArm]) -> dict[str, Variant]:
    """The arms as variants."""
    return {name: arm.variant for name, arm in arms.items()}
