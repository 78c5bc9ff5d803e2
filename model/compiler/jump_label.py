"""Jump labels: a 5-byte NOP in the code that a static key patches to a jump, and back.

LLVM's `callbr` is asm goto: the inline assembly may fall through or leave to a label. The site's and the
target's place go to the section `__jump_table`, as in include/linux/jump_label.h (the 16-byte, self-relative
form of v4.20 and later: {s32 code, s32 target, s64 key}).
"""

from functools import cache
from typing import Any

from llvmlite import ir
from numba import types

from model.compiler.intrinsics import intrinsic

_SITE = (
    r"1: .byte 0x0f,0x1f,0x44,0x00,0x00\0A\09"
    r".pushsection __jump_table,\22a\22\0A\09"
    r".long 1b - ., ${1:l} - .\0A\09"
    r".quad ${0:c}\0A\09"
    r".popsection"
)


class _CallBr(ir.instructions.Instruction):  # type: ignore[misc]
    """`callbr`, which llvmlite lacks: fall through to `off`, or be patched to jump to `on`."""

    def __init__(self, parent: Any, key: int, off: Any, on: Any) -> None:
        super().__init__(parent, ir.VoidType(), "callbr", [])
        self.key, self.off, self.on = key, off, on

    def descr(self, buf: list[str]) -> None:
        buf.append(
            f'callbr void asm sideeffect "{_SITE}", '
            f'"i,!i,~{{dirflag}},~{{fpsr}},~{{flags}}"(i64 {self.key})\n'
            f"        to label {self.off.get_reference()} [label {self.on.get_reference()}]\n"
        )


@cache
def jump_label(key: int) -> Any:
    """Make the test of one static key: an intrinsic that is true where the key's jump was taken.

    Parameters
    ----------
    key
        The number that stands for the key in the jump table (its kernel's `KEYS`).
    """

    @intrinsic
    def static_key_false(typingctx: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            on, off, merge = (builder.append_basic_block(f"key.{name}") for name in ("on", "off", "merge"))
            site = _CallBr(builder.block, key, off, on)
            builder._insert(site)
            builder.block.terminator = site
            for block in (on, off):
                builder.position_at_end(block)
                builder.branch(merge)
            builder.position_at_end(merge)
            enabled = builder.phi(ir.IntType(1))
            enabled.add_incoming(ir.Constant(ir.IntType(1), 1), on)
            enabled.add_incoming(ir.Constant(ir.IntType(1), 0), off)
            return enabled

        return types.boolean(), codegen

    return static_key_false
