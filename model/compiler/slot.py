"""The slot of the exact arms: one place in free_pages_prepare, alike in base and in every exact arm.

The constraints never differ: the page's address in a register, edx and the flags clobbered, no memory
clobber. So the compiler produces the same instructions around it, whatever the slot holds; the
disassembly tests check it. Base has the empty slot, as does a variant whose patch point is compiled
out. The register is edx because nothing around the slot uses it: with ecx, base had one move more.
"""

from functools import cache
from typing import Any

from llvmlite import ir
from numba import types

from model.compiler.intrinsics import inline_asm, intrinsic


@cache
def slot(operation: str = "") -> Any:
    """Make the patch point that holds this assembly ($0: the page) and nothing else."""

    @intrinsic
    def patch_point(typingctx: Any, page: Any, order: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            address = builder.ptrtoint(args[0], ir.IntType(64))
            inline_asm(builder, operation, "r,~{edx}", (address,))
            return context.get_dummy_value()

        return types.none(page, types.int64), codegen

    return patch_point
