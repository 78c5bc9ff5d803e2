"""What a machine does between two frees: hand-made code that evicts L1D, L1I or the branch predictor.

No kernel frees 512 pages in a row with everything hot. These functions are called before each free, untimed;
they use registers that a call may use, and return.
"""

import struct
from typing import Final

import numpy as np

from model.common.errors import FreepathError
from model.machine_code.cpu_caches import sizes
from model.machine_code.region import Region

LINE: Final = 64
TIMES: Final = 2
"""Size of the evicting walk over the size of the cache: once would leave what was used last."""
NOP: Final = bytes.fromhex("0f1f840000000000")
"""One instruction of 8 bytes."""
RET: Final = b"\xc3"
BRANCHES: Final = 1024
"""Branches per call, each with a new direction: a predictor has thousands of entries and a history of some
hundred branches, so a call replaces the history and many entries."""
WORDS: Final = BRANCHES // 64
PATTERNS: Final = 512
"""Sets of directions; the next call takes the next set."""


class Disturbance:
    """One such function, at an address.

    Parameters
    ----------
    kind
        `pause`, `flip`: returns at once; sites are written elsewhere. `data`: loads one word of each line of
        twice the first-level data cache. `code`: executes NOPs over twice the first-level instruction cache.
        `branches`: 1,024 branches with directions at random.

    Attributes
    ----------
    address
        Of the function.
    size
        Bytes of data or code that it walks through.
    """

    def __init__(self, kind: str) -> None:
        self._data = np.zeros(0, np.uint8)
        self.size = 0
        code = {
            "pause": self._pause,
            "flip": self._pause,
            "data": self._walk,
            "code": self._sled,
            "branches": self._branches,
        }
        if kind not in code:
            raise FreepathError(f"there is no disturbance {kind}; there are {', '.join(code)}")
        text = code[kind]()
        self._region = Region(len(text))
        with self._region.writable() as memory:
            memory[: len(text)] = np.frombuffer(text, np.uint8)
        self.address = self._region.start

    def _pause(self) -> bytes:
        return RET

    def _walk(self) -> bytes:
        """Mov buffer, %rax; mov lines, %ecx; then load, next line, count down."""
        self.size = TIMES * sizes()["data"]
        self._data = np.ones(self.size + LINE, np.uint8)
        start = self._data.ctypes.data
        loop = bytes.fromhex("488b104883c040ffc975f5")
        return (
            b"\x48\xb8"
            + struct.pack("<Q", start)
            + b"\xb9"
            + struct.pack("<I", self.size // LINE)
            + loop
            + RET
        )

    def _sled(self) -> bytes:
        self.size = TIMES * sizes()["code"]
        return NOP * (self.size // len(NOP)) + RET

    def _branches(self) -> bytes:
        """A word of directions into rax; then shift one out, and branch on it, 64 times; and the next word.

        Memory: a pointer to the set to take, then the sets. It moves on in each call and begins again by a
        mask, so the sets lie at a multiple of their own size.
        """
        room = PATTERNS * WORDS * 8
        self._data = np.random.default_rng(1).integers(0, 256, 2 * room + LINE, np.uint8)
        base = -(-(self._data.ctypes.data + LINE) // room) * room
        pointer = base - 8
        self._data[pointer - self._data.ctypes.data :][:8] = np.frombuffer(struct.pack("<Q", base), np.uint8)
        # mov $pointer, %rdx; mov (%rdx), %rcx
        parts = [b"\x48\xba" + struct.pack("<Q", pointer), bytes.fromhex("488b0a")]
        bit = bytes.fromhex("48d1e8730190")  # shr %rax; jnc over the next; nop
        for word in range(WORDS):
            parts += [b"\x48\x8b\x81" + struct.pack("<i", 8 * word), bit * 64]  # mov 8*word(%rcx), %rax
        # add $set, %rcx; and $(room - 1) of the offset: sub base, and, add base
        parts += [b"\x48\x81\xc1" + struct.pack("<i", WORDS * 8), b"\x48\xb8" + struct.pack("<Q", base)]
        parts += [
            bytes.fromhex("4829c1"),
            b"\x48\x81\xe1" + struct.pack("<i", room - 1),
            bytes.fromhex("4801c1"),
        ]
        parts += [bytes.fromhex("48890a"), RET]  # mov %rcx, (%rdx)
        text = b"".join(parts)
        self.size = len(text)
        return text
