"""A schedule: a table of calls that one call into machine code makes, in order, with the ticks of each.

Python between two slices of 10 us would take most of the time, and the machine changes meanwhile. So the
sampler writes what it wants as rows, and hand-made code walks through them: it stores a word, notes the time
stamp, moves the stack down, calls, and keeps what the call returned.
"""

import struct
from typing import Final

import numpy as np
import numpy.typing as npt

from model.kernels.arrays import address_of
from model.machine_code.placement import callable_at
from model.machine_code.region import Region

ROW: Final = np.dtype(
    [
        ("store_at", "i8"),  # address of a word to write before the call; 0: none
        ("value", "i8"),  # what is written there
        ("function", "i8"),  # address of what is called
        ("argument", "i8"),
        ("stack", "i8"),  # bytes that the stack is moved down
        ("began", "i8"),  # time stamp counter just before the call
        ("ticks", "i8"),  # what the call returned
        ("role", "i8"),  # for Python: k: a slice of arm k - 1; -k: its pages are restored; 0: a reference
    ]
)
WALKER: Final = bytes.fromhex(
    "53"  # push %rbx
    "55"  # push %rbp
    "4154"  # push %r12: with three registers the stack is aligned as with the trampoline's one
    "4889fb"  # mov %rdi, %rbx: the row
    "4889f5"  # mov %rsi, %rbp: rows that are left
    "4885ed"  # 1: test %rbp, %rbp
    "743a"  # jz 3f
    "488b03"  # mov (%rbx), %rax: where a word goes
    "4885c0"  # test %rax, %rax
    "7407"  # jz 2f
    "488b4b08"  # mov 8(%rbx), %rcx
    "488908"  # mov %rcx, (%rax)
    "0f31"  # 2: rdtsc
    "48c1e220"  # shl $32, %rdx
    "4809d0"  # or %rdx, %rax
    "48894328"  # mov %rax, 40(%rbx)
    "488b7b18"  # mov 24(%rbx), %rdi
    "4c8b6320"  # mov 32(%rbx), %r12
    "4c29e4"  # sub %r12, %rsp
    "ff5310"  # call *16(%rbx)
    "4c01e4"  # add %r12, %rsp
    "48894330"  # mov %rax, 48(%rbx)
    "4883c340"  # add $64, %rbx
    "48ffcd"  # dec %rbp
    "ebc1"  # jmp 1b
    "415c"  # 3: pop %r12
    "5d5bc3"  # pop %rbp; pop %rbx; ret
)
SET_GS: Final = bytes.fromhex(
    "4889fe"  # mov %rdi, %rsi: the address
    "bf01100000"  # mov $ARCH_SET_GS, %edi
    "b89e000000"  # mov $SYS_arch_prctl, %eax
    "0f05c3"  # syscall; ret
)
STACK_POINTER: Final = bytes.fromhex("4889e0c3")  # mov %rsp, %rax; ret
assert struct.calcsize("8q") == ROW.itemsize


class Walker:
    """The code that walks through a table, and what tables need beside placed code.

    Attributes
    ----------
    set_gs, skip
        Addresses of functions: one points %gs at its argument, the other returns at once.
    stack
        Address of the stack where calls are made, but for a few words.
    """

    def __init__(self) -> None:
        parts = WALKER, SET_GS, STACK_POINTER
        places = np.cumsum([0, *(-(-len(part) // 16) * 16 for part in parts)]).tolist()
        self._region = Region(places[-1])
        code = self._region.bytes()
        for at, part in zip(places, parts, strict=False):
            code[at : at + len(part)] = np.frombuffer(part, np.uint8)
        self._region.seal()
        walk, self.set_gs, stack = (self._region.start + at for at in places[:-1])
        self.skip = self.set_gs + len(SET_GS) - 1
        self._walk = callable_at(walk, 2, self._region, None)
        self.stack: int = callable_at(stack, 2, self._region)(0, 0)

    def run(self, rows: npt.NDArray[np.void]) -> None:
        """Make the calls of a table; `began` and `ticks` are filled in."""
        self._walk(address_of(rows), len(rows))
