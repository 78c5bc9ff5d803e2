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
from model.kernels.loop_record import LOOP
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
COUNT_RECORD: Final = np.dtype(
    [
        ("record", "i8"),  # address of the loop's record: its pages, in the order of the latest slice
        ("offset", "i8"),  # of eight bytes in a struct page
        ("mask", "u8"),  # which of their bits are looked at
        ("value", "u8"),  # that is counted
    ]
)
"""Argument of `count`, which says of how many pages a word has a value."""
COUNT: Final = bytes.fromhex(
    "4c8b0f"  # mov (%rdi), %r9: the loop's record
    "498b7108"  # mov 8(%r9), %rsi: its order of pages
    "498b5110"  # mov 16(%r9), %rdx: how many
    "488d1496"  # lea (%rsi,%rdx,4), %rdx
    "4d8b01"  # mov (%r9), %r8: its struct pages
    "4c034708"  # add 8(%rdi), %r8
    "4c8b5710"  # mov 16(%rdi), %r10: mask
    "4c8b5f18"  # mov 24(%rdi), %r11: value
    "31c0"  # xor %eax, %eax
    "4839d6"  # 1: cmp %rdx, %rsi
    "731f"  # jae 2f
    "8b0e"  # mov (%rsi), %ecx
    "48c1e106"  # shl $6, %rcx: 64 bytes a struct page
    "498b0c08"  # mov (%r8,%rcx), %rcx
    "4c21d1"  # and %r10, %rcx
    "4c39d9"  # cmp %r11, %rcx
    "0f94c1"  # sete %cl
    "0fb6c9"  # movzbl %cl, %ecx
    "4801c8"  # add %rcx, %rax
    "4883c604"  # add $4, %rsi
    "ebdc"  # jmp 1b
    "c3"  # 2: ret
)
STACK_POINTER: Final = bytes.fromhex("4889e0c3")  # mov %rsp, %rax; ret
assert struct.calcsize("8q") == ROW.itemsize
assert [LOOP.fields[name][1] for name in ("mem_map", "order_of_pages", "n")] == [0, 8, 16]  # type: ignore[index]


class Walker:
    """The code that walks through a table, and what tables need beside placed code.

    Attributes
    ----------
    set_gs, skip, count
        Addresses of functions: they point %gs at the argument, return at once, and count pages by a word
        (COUNT_RECORD).
    stack
        Address of the stack where calls are made, but for a few words.
    """

    def __init__(self) -> None:
        parts = WALKER, SET_GS, COUNT, STACK_POINTER
        places = np.cumsum([0, *(-(-len(part) // 16) * 16 for part in parts)]).tolist()
        self._region = Region(places[-1])
        code = self._region.bytes()
        for at, part in zip(places, parts, strict=False):
            code[at : at + len(part)] = np.frombuffer(part, np.uint8)
        self._region.seal()
        walk, self.set_gs, self.count, stack = (self._region.start + at for at in places[:-1])
        self.skip = self.set_gs + len(SET_GS) - 1
        self._walk = callable_at(walk, 2, self._region, None)
        self.stack: int = callable_at(stack, 2, self._region)(0, 0)

    def run(self, rows: npt.NDArray[np.void]) -> None:
        """Make the calls of a table; `began` and `ticks` are filled in."""
        self._walk(address_of(rows), len(rows))
