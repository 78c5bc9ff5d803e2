"""Parts of timed loops: the clock, known amounts of work, and restoring pages."""

from typing import Any

from llvmlite import ir
from numba import types

from model.compiler.intrinsics import I64, asm, inline_asm, intrinsic


def dependent_additions(count: int) -> Any:
    """Make a chain of `add %edx, %edx`: one cycle each, also where `add $1` is eliminated at rename."""
    return asm("\n".join(["addl %edx, %edx"] * count), "~{edx}")


def independent_nops(count: int) -> Any:
    """Make a run of NOPs: only dispatch limits them, which a busy sibling thread shares."""
    return asm("\n".join(["nop"] * count))


# Everything before has finished, its stores included; nothing after has begun.
read_tsc = asm(
    "mfence\nlfence\nrdtsc\nshlq $$32, %rdx\norq %rdx, $0\nlfence", "={rax},~{rdx},~{memory}", types.int64
)


# A return with a wrong prediction, as in a retpoline: until it is executed the front end fetches a loop, so
# nothing that follows is fetched before. Behind a fence fetching would go on.
fetch_anew = asm(
    "callq 2f\n3:\npause\nlfence\njmp 3b\n2:\nleaq 1f(%rip), %rdx\nmovq %rdx, (%rsp)\nretq\n1:",
    "~{rdx},~{memory}",
)


@intrinsic
def call_address(typingctx: Any, address: Any) -> Any:
    """Call code without arguments or result; it may change the registers that any call may."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        used = ["rax", "rcx", "rdx", "rsi", "rdi", *(f"r{number}" for number in range(8, 12))]
        clobbers = ",".join(f"~{{{register}}}" for register in used)
        inline_asm(builder, "callq *$0", f"r,{clobbers},~{{memory}}", (args[0],))
        return context.get_dummy_value()

    return types.none(types.int64), codegen


@intrinsic
def copy_bytes(typingctx: Any, target: Any, source: Any, size: Any) -> Any:
    """Copy with `rep movsb`: no call, no vector register."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        three = ir.LiteralStructType([I64, I64, I64])
        inline_asm(builder, "rep movsb", "={rdi},={rsi},={rcx},0,1,2,~{memory}", tuple(args), three)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), codegen
