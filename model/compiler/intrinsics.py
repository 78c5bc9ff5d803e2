"""What the kernel writes in assembly or with volatile, as Numba intrinsics.

A volatile load may not be merged with another, dropped or moved across one: `atomic_read` and
READ_ONCE in the kernel, `read_once` here. A locked operation is one instruction with a lock prefix.
"""

from typing import Any, Final

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

# Numba's own annotation still shows the typing context as an argument of every intrinsic.
intrinsic: Any = extending.intrinsic

# Without it inline assembly aborts the process.
llvm.initialize_native_asmparser()

I64_TYPE: Final = types.int64
"""For the signatures of entries."""
unsigned: Final = types.uint64
"""In compiled code, the cast of a number to unsigned long."""
I1, I32, I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)
VOID: Final = ir.VoidType()
GS: Final = 256
"""LLVM's address space for memory relative to %gs."""


class _VolatileLoad(ir.instructions.LoadInstr):  # type: ignore[misc]
    def descr(self, buf: list[str]) -> None:
        text: list[str] = []
        super().descr(text)
        buf.append("".join(text).replace("load ", "load volatile ", 1))


class _VolatileStore(ir.instructions.StoreInstr):  # type: ignore[misc]
    def descr(self, buf: list[str]) -> None:
        text: list[str] = []
        super().descr(text)
        buf.append("".join(text).replace("store ", "store volatile ", 1))


def volatile_load(builder: Any, pointer: Any, bits: int) -> Any:
    """Emit a load that LLVM neither merges with another nor drops."""
    load = builder.load(pointer, align=bits // 8, typ=ir.IntType(bits))
    load.__class__ = _VolatileLoad
    return load


def volatile_store(builder: Any, value: Any, pointer: Any, bits: int) -> None:
    """Emit a store that LLVM neither merges with another nor drops."""
    store = builder.store(value, pointer, align=bits // 8)
    store.__class__ = _VolatileStore


def inline_asm(builder: Any, text: str, constraints: str, args: Any = (), result: Any = VOID) -> Any:
    """Insert assembly (AT&T syntax) that the compiler may neither drop nor move across volatile code."""
    kind = ir.FunctionType(result, [arg.type for arg in args])
    clobbers = [part for part in (constraints, "~{dirflag},~{fpsr},~{flags}") if part]
    return builder.asm(kind, text, ",".join(clobbers), list(args), side_effect=True)


def record_type(dtype: Any) -> Any:
    """Numba's type of a record, for the signature of an entry."""
    return numba.from_dtype(dtype)


def record_at(dtype: Any, name: str) -> Any:
    """Make the view of the memory at an address as a record; no instruction.

    Parameters
    ----------
    dtype
        numpy's record type, with the offsets of the kernel's structure.
    name
        Of the view, for messages.
    """
    record = record_type(dtype)

    def at(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(record))

        return record(types.int64), codegen

    at.__name__ = at.__qualname__ = name
    return intrinsic(at)


@intrinsic
def as_long(typingctx: Any, number: Any) -> Any:
    """A C cast to long: sign or zero extension as the type says, or no instruction."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if number.bitwidth == 64:
            return args[0]
        return builder.sext(args[0], I64) if number.signed else builder.zext(args[0], I64)

    return types.int64(number), codegen


@intrinsic
def address_of(typingctx: Any, record: Any) -> Any:
    """The address of a record; no instruction."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], I64)

    return types.int64(record), codegen


@intrinsic(prefer_literal=True)
def read_once(typingctx: Any, record: Any, field: Any) -> Any:
    """Load a field exactly once, here: atomic_read(), READ_ONCE()."""
    name = field.literal_value
    kind = record.typeof(name)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = cgutils.get_record_member(builder, args[0], record.offset(name), ir.IntType(kind.bitwidth))
        return volatile_load(builder, pointer, kind.bitwidth)

    return kind(record, field), codegen


@intrinsic(prefer_literal=True)
def write_once(typingctx: Any, record: Any, field: Any, value: Any) -> Any:
    """Store a field exactly once, here: atomic_set(), WRITE_ONCE()."""
    name = field.literal_value
    kind = record.typeof(name)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = cgutils.get_record_member(builder, args[0], record.offset(name), ir.IntType(kind.bitwidth))
        volatile_store(builder, args[2], pointer, kind.bitwidth)
        return context.get_dummy_value()

    return types.none(record, field, kind), codegen


@intrinsic(prefer_literal=True)
def dec_and_test(typingctx: Any, record: Any, field: Any) -> Any:
    """atomic_dec_and_test(): one locked decrement; true when the field became zero."""
    name = field.literal_value
    kind = record.typeof(name)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        width = ir.IntType(kind.bitwidth)
        pointer = cgutils.get_record_member(builder, args[0], record.offset(name), width)
        before = builder.atomic_rmw("sub", pointer, width(1), "seq_cst")
        return builder.icmp_signed("==", before, width(1))

    return types.boolean(record, field), codegen


def _locked(operation: str) -> Any:
    @intrinsic
    def return_new(typingctx: Any, address: Any, amount: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            pointer = builder.inttoptr(args[0], I64.as_pointer())
            before = builder.atomic_rmw(operation, pointer, args[1], "seq_cst")
            return getattr(builder, operation)(before, args[1])

        return types.int64(types.int64, types.int64), codegen

    return return_new


atomic_long_sub_return = _locked("sub")
atomic_long_add_return = _locked("add")


def _load_at(bits: int, kind: Any) -> Any:
    @intrinsic
    def load(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            pointer = builder.inttoptr(args[0], ir.IntType(bits).as_pointer())
            value = builder.load(pointer, align=bits // 8)
            return value if bits == 64 else builder.zext(value, I64)

        return kind(types.int64), codegen

    return load


load_u8 = _load_at(8, types.int64)
load_u32 = _load_at(32, types.int64)
load_64 = _load_at(64, types.int64)
load_u64 = _load_at(64, types.uint64)


def _load_once_at(bits: int) -> Any:
    @intrinsic
    def load_once(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            value = volatile_load(builder, builder.inttoptr(args[0], ir.IntType(bits).as_pointer()), bits)
            return value if bits == 64 else builder.zext(value, I64)

        return types.int64(types.int64), codegen

    return load_once


# Exactly once, here, at an address: a bit of a word that is tested by its byte, a word of another layout.
load_once_u8, load_once_u32, load_once_64 = _load_once_at(8), _load_once_at(32), _load_once_at(64)


def _store_once_at(bits: int) -> Any:
    @intrinsic
    def store_once(typingctx: Any, address: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = ir.IntType(bits)
            stored = builder.trunc(args[1], kind)
            volatile_store(builder, stored, builder.inttoptr(args[0], kind.as_pointer()), bits)
            return context.get_dummy_value()

        return types.none(types.int64, types.int64), codegen

    return store_once


store_once_u8, store_once_u32 = _store_once_at(8), _store_once_at(32)


@intrinsic
def store_64(typingctx: Any, address: Any, value: Any) -> Any:
    """Store 8 bytes at an address."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], I64.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), codegen


def _hint(expected: int) -> Any:
    @intrinsic
    def hint(typingctx: Any, condition: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            function = builder.module.declare_intrinsic("llvm.expect", [I1], ir.FunctionType(I1, [I1, I1]))
            return builder.call(function, [args[0], I1(expected)])

        return types.boolean(types.boolean), codegen

    return hint


likely, unlikely = _hint(1), _hint(0)


def asm(text: str, constraints: str = "", result: Any = types.none) -> Any:
    """Make an intrinsic without arguments of these instructions."""
    kind = VOID if result is types.none else I64

    @intrinsic
    def run(typingctx: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            value = inline_asm(builder, text, constraints, (), kind)
            return context.get_dummy_value() if kind is VOID else value

        return result(), codegen

    return run


rare = asm("")
"""Keeps a branch a branch: LLVM would turn a short body into arithmetic, and gcc does not."""


# The kernel also clears the interrupt flag (cli) in between; user mode may not.
local_irq_save = asm("pushfq\npopq $0", "=r,~{memory}", types.int64)


@intrinsic
def local_irq_restore(typingctx: Any, flags: Any) -> Any:
    """Push and popf, as kernels before v5.12 restore the interrupt flag; later ones test it and use sti."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        inline_asm(builder, "pushq $0\npopfq", "r,~{memory}", (args[0],))
        return context.get_dummy_value()

    return types.none(types.int64), codegen


@intrinsic(prefer_literal=True)
def spin_lock(typingctx: Any, zone: Any) -> Any:
    """zone->lock, taken uncontended: one locked compare-and-exchange (queued spin lock)."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = cgutils.get_record_member(builder, args[0], zone.offset("lock"), I32)
        builder.cmpxchg(pointer, I32(0), I32(1), "seq_cst", "seq_cst")
        return context.get_dummy_value()

    return types.none(zone), codegen


@intrinsic
def spin_lock_at(typingctx: Any, address: Any) -> Any:
    """The same of a lock at an address."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.cmpxchg(builder.inttoptr(args[0], I32.as_pointer()), I32(0), I32(1), "seq_cst", "seq_cst")
        return context.get_dummy_value()

    return types.none(types.int64), codegen


@intrinsic
def spin_trylock(typingctx: Any, record: Any) -> Any:
    """Take a record's lock if it is free: one locked compare-and-exchange; whether it was."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = cgutils.get_record_member(builder, args[0], record.offset("lock"), I32)
        pair = builder.cmpxchg(pointer, I32(0), I32(1), "seq_cst", "seq_cst")
        return builder.extract_value(pair, 1)

    return types.boolean(record), codegen


cpu_relax = asm("pause", "~{memory}")


@intrinsic
def list_head_on_stack(typingctx: Any) -> Any:
    """LIST_HEAD(name) as a local variable: its address."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(cgutils.alloca_once(builder, ir.ArrayType(I64, 2)), I64)

    return types.int64(), codegen
