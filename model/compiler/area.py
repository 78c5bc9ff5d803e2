"""The memory behind the segment register %gs: a CPU's own data, and the globals that lie there too."""

from typing import Any

from llvmlite import ir
from numba import types

from model.compiler.intrinsics import GS, I1, I64, inline_asm, intrinsic, volatile_load, volatile_store


class Area:
    """The memory that %gs points at: this CPU's own data, and globals, by field.

    Position-independent code cannot reach a global by its absolute address as the kernel does, so globals lie
    there too. Each attribute is an intrinsic.

    Parameters
    ----------
    dtype
        Fields of 4 or 8 bytes, or arrays of them.
    """

    def __init__(self, dtype: Any) -> None:
        self._fields = dtype.fields
        self.read, self.element, self.write = self._read(), self._element(), self._write()
        self.add, self.add_one_to = self._add(), self._add_one_to()
        self.inc, self.dec_and_test = self._inc(), self._dec_and_test()

    def _place(self, field: str) -> tuple[int, int, int]:
        """Offset, bits of one element, bytes from element to element."""
        dtype, offset = self._fields[field][:2]
        element = dtype.base.itemsize
        return offset, 8 * element, element

    def _read(self) -> Any:
        @intrinsic(prefer_literal=True)
        def this_cpu_read(typingctx: Any, field: Any) -> Any:
            """Load a field, once: this_cpu_read(), or a global that may change at any time."""
            offset, bits, _ = self._place(field.literal_value)

            def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                pointer = builder.inttoptr(I64(offset), ir.PointerType(ir.IntType(bits), GS))
                value = volatile_load(builder, pointer, bits)
                return value if bits == 64 else builder.sext(value, I64)

            return types.int64(field), codegen

        return this_cpu_read

    def _element(self) -> Any:
        @intrinsic(prefer_literal=True)
        def global_read(typingctx: Any, field: Any, index: Any) -> Any:
            """Load one element of a table: the kernel's `table(,%reg,8)`."""
            offset, bits, step = self._place(field.literal_value)

            def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                place = builder.add(builder.mul(args[1], I64(step)), I64(offset))
                return builder.load(builder.inttoptr(place, ir.PointerType(ir.IntType(bits), GS)), align=step)

            return types.int64(field, types.int64), codegen

        return global_read

    def _write(self) -> Any:
        @intrinsic(prefer_literal=True)
        def this_cpu_write(typingctx: Any, field: Any, value: Any) -> Any:
            """Store a field."""
            offset, bits, _ = self._place(field.literal_value)

            def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                pointer = builder.inttoptr(I64(offset), ir.PointerType(ir.IntType(bits), GS))
                stored = args[1] if bits == 64 else builder.trunc(args[1], ir.IntType(bits))
                volatile_store(builder, stored, pointer, bits)
                return context.get_dummy_value()

            return types.none(field, types.int64), codegen

        return this_cpu_write

    def _add(self) -> Any:
        @intrinsic(prefer_literal=True)
        def this_cpu_add(typingctx: Any, field: Any, amount: Any) -> Any:
            """this_cpu_add(): one instruction, so an interrupt cannot split it; no lock prefix."""
            offset = self._place(field.literal_value)[0]

            def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                inline_asm(builder, f"addq $0, %gs:{offset}", "er", (args[1],))
                return context.get_dummy_value()

            return types.none(field, types.int64), codegen

        return this_cpu_add

    def _add_one_to(self) -> Any:
        @intrinsic(prefer_literal=True)
        def this_cpu_inc(typingctx: Any, field: Any, index: Any) -> Any:
            """this_cpu_inc() of one element of an array of 8-byte numbers."""
            offset = self._place(field.literal_value)[0]

            def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                inline_asm(builder, f"incq %gs:{offset}(,$0,8)", "r", (args[1],))
                return context.get_dummy_value()

            return types.none(field, types.int64), codegen

        return this_cpu_inc

    def _inc(self) -> Any:
        @intrinsic(prefer_literal=True)
        def this_cpu_inc_field(typingctx: Any, field: Any) -> Any:
            """One increment of a field of 4 bytes, without a lock prefix: preempt_count_inc()."""
            offset = self._place(field.literal_value)[0]

            def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                inline_asm(builder, f"incl %gs:{offset}", "~{memory}")
                return context.get_dummy_value()

            return types.none(field), codegen

        return this_cpu_inc_field

    def _dec_and_test(self) -> Any:
        @intrinsic(prefer_literal=True)
        def this_cpu_dec_and_test(typingctx: Any, field: Any) -> Any:
            """One decrement of a field of 4 bytes; whether it became zero, by the flag that it leaves."""
            offset = self._place(field.literal_value)[0]

            def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                zero = inline_asm(builder, f"decl %gs:{offset}", "={@ccz},~{memory}", (), ir.IntType(8))
                return builder.trunc(zero, I1)

            return types.boolean(field), codegen

        return this_cpu_dec_and_test


def _percpu_load(bits: int, *, signed: bool) -> Any:
    @intrinsic
    def this_cpu_read_at(typingctx: Any, percpu_pointer: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            pointer = builder.inttoptr(args[0], ir.PointerType(ir.IntType(bits), GS))
            value = volatile_load(builder, pointer, bits)
            return builder.sext(value, I64) if signed else builder.zext(value, I64)

        return types.int64(types.int64), codegen

    return this_cpu_read_at


# this_cpu_read() through a per-CPU pointer: of a signed byte, of a word.
this_cpu_read_s8_at, this_cpu_read_u8_at = (_percpu_load(8, signed=signed) for signed in (True, False))


@intrinsic
def this_cpu_write_8_at(typingctx: Any, percpu_pointer: Any, value: Any) -> Any:
    """this_cpu_write() of one byte through a per-CPU pointer."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = builder.inttoptr(args[0], ir.PointerType(ir.IntType(8), GS))
        volatile_store(builder, builder.trunc(args[1], ir.IntType(8)), pointer, 8)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), codegen


def _through(text: str, constraints: str, result: Any) -> Any:
    kind = ir.VoidType() if result is types.none else I64

    @intrinsic
    def run(typingctx: Any, percpu_pointer: Any, amount: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            value = inline_asm(builder, text, constraints, (args[0], args[1]), kind)
            return context.get_dummy_value() if result is types.none else value

        return result(types.int64, types.int64), codegen

    return run


this_cpu_sub_at = _through("subq $1, %gs:($0)", "r,er,~{memory}", types.none)
"""this_cpu_sub() through a per-CPU pointer, as percpu_ref_put_many() does; no lock prefix."""
this_cpu_add_at = _through("addq $1, %gs:($0)", "r,er,~{memory}", types.none)
this_cpu_xadd_32_at = _through("xaddl ${0:k}, %gs:($1)", "=r,r,0,~{memory}", types.int64)
"""Add to 4 bytes, and return their value before; no lock prefix."""
this_cpu_xadd_64_at = _through("xaddq $0, %gs:($1)", "=r,r,0,~{memory}", types.int64)
"""The same of 8 bytes."""
this_cpu_xchg_32_at = _through(
    "movl %gs:($1), %eax\n1: cmpxchgl ${2:k}, %gs:($1)\njne 1b", "={ax},r,r,~{memory}", types.int64
)
"""Replace 4 bytes, and return their value before; by cmpxchg, since xchg would lock."""
this_cpu_xchg_64_at = _through(
    "movq %gs:($1), %rax\n1: cmpxchgq $2, %gs:($1)\njne 1b", "={ax},r,r,~{memory}", types.int64
)
"""The same of 8 bytes."""
