"""One copy of an image in memory at a chosen place; and a call with the stack moved."""

import ctypes
import struct
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np

from model.machine_code.image import LINE, Code, Site
from model.machine_code.region import Region
from model.machine_code.running import RUNNING
from model.machine_code.x86 import NOP5, SITE_BYTES

STEP = 4
"""Functions and loop heads are aligned to 16 bytes, but where in a function the patch point falls is the
accident of one compilation. Steps of 4 average over that as well (docs/decisions/0002)."""
POSITIONS = LINE // STEP
"""Places within a cache line that every process measures."""


class Placement:
    """One copy of an image at one address.

    Attributes
    ----------
    base
        Address of the image's first byte.
    sites
        The jump labels' addresses in this copy.
    """

    def __init__(self, code: Code, offset: int) -> None:
        self.code = code
        self._region = Region(offset + len(code.code), low=bool(code.references))
        self.base = self._region.start + offset
        memory = self._region.bytes()[offset : offset + len(code.code)]
        memory[:] = np.frombuffer(code.code, np.uint8)
        for at, end, target in code.references:
            memory[at : at + 4] = np.frombuffer(struct.pack("<i", target - self.base - end), np.uint8)
        self.sites = tuple(Site(s.code + self.base, s.target + self.base, s.key) for s in code.sites)
        self._region.seal()

    def patch(self, key: int, enabled: bool) -> None:
        """Write JMP or NOP to every site of a key. Called by StaticKeys, while the code does not run."""
        wanted = [site for site in self.sites if site.key == key]
        if not wanted:
            return
        with self._region.writable() as memory:
            for site in wanted:
                at = site.code - self._region.start
                memory[at : at + SITE_BYTES] = np.frombuffer(site.jump if enabled else NOP5, np.uint8)

    def read(self, name: str) -> bytes:
        """The bytes of one function as they stand in memory."""
        offset, size = self.code.functions[name]
        return ctypes.string_at(self.base + offset, size)

    def address(self, name: str) -> int:
        """Address of a function."""
        return self.base + self.code.functions[name][0]

    def function(
        self, name: str, arguments: int, returns: type | None = ctypes.c_int64
    ) -> Callable[..., int]:
        """A function of this copy, callable with 64-bit integers. The caller sets %gs first.

        It keeps the copy's memory for as long as it lives itself.
        """
        return callable_at(self.address(name), arguments, self._region, returns)


def callable_at(
    address: int, arguments: int, keeps: Region, returns: type | None = ctypes.c_int64
) -> Callable[..., int]:
    """Placed code as a function of 64-bit integers, which keeps its region alive."""
    function: Any = ctypes.CFUNCTYPE(returns, *[ctypes.c_int64] * arguments)(address)
    function.keeps = keeps
    return partial(RUNNING.call, function)


# push rbx; mov rbx,rsi; sub rsp,rbx; call rdx; add rsp,rbx; pop rbx; ret
TRAMPOLINE: Final = bytes.fromhex("534889f34829dcffd24801dc5bc3")
STACK_STEP: Final = 8
"""The kernel keeps its stack aligned to 8 bytes."""
STACK_PLACES: Final = LINE // STACK_STEP


class Trampoline:
    """Calls compiled code with the stack moved down: call(argument, bytes, address)."""

    def __init__(self) -> None:
        self._region = Region(len(TRAMPOLINE))
        self._region.bytes()[: len(TRAMPOLINE)] = np.frombuffer(TRAMPOLINE, np.uint8)
        self._region.seal()
        self.call = callable_at(self._region.start, 3, self._region)
