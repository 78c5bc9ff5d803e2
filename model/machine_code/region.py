"""Pages of machine code: writable or executable, never both."""

import ctypes
import errno
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Final
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from model.common.errors import CompileError, OutOfMemoryError

PROT_RW = mmap.PROT_READ | mmap.PROT_WRITE
PROT_RX = mmap.PROT_READ | mmap.PROT_EXEC

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


MAP_32BIT: Final = 0x40
"""Of mmap(2) on x86-64: in the first 2 GiB, where code reaches a kernel file's data by a 32-bit distance."""


class Region:
    """Whole pages that are either writable or executable.

    Parameters
    ----------
    size
        Bytes, rounded up to whole pages.
    low
        Put them into the first 2 GiB of the address space.

    Attributes
    ----------
    start
        Address of the first byte.
    torn
        Regions that are being written, or whose writing failed and was not repeated.

    Raises
    ------
    OutOfMemoryError
        When there is no memory for it.
    """

    torn: ClassVar["WeakSet[Region]"] = WeakSet()

    def __init__(self, size: int, *, low: bool = False) -> None:
        self.size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        try:
            self._memory = mmap.mmap(
                -1, self.size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | (MAP_32BIT if low else 0), PROT_RW
            )
        except OSError as error:
            raise OutOfMemoryError(
                f"no memory for {self.size >> 10} KiB of code ({error.strerror}): "
                "free some, or raise the limits (ulimit -v, vm.max_map_count)"
            ) from None
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))

    def bytes(self) -> npt.NDArray[np.uint8]:
        """uint8[size], the memory itself."""
        return np.frombuffer(self._memory, np.uint8)

    @contextmanager
    def writable(self) -> Iterator[npt.NDArray[np.uint8]]:
        """The memory, writable for as long as this lasts; it must not be executed meanwhile."""
        self.torn.add(self)
        try:
            self._protect(PROT_RW)
            yield self.bytes()
        finally:
            self.seal()
        self.torn.discard(self)

    def seal(self) -> None:
        """Make it executable.

        Raises
        ------
        CompileError
            Where the system does not let a program run what it has written.
        """
        self._protect(PROT_RX)

    def _protect(self, protection: int) -> None:
        if _libc.mprotect(self.start, self.size, protection) == 0:
            return
        number = ctypes.get_errno()
        said = os.strerror(number)
        if number in (errno.EACCES, errno.EPERM):
            raise CompileError(
                f"this system does not let a program run code that it has placed in memory ({said}): "
                "allow it for this command (SELinux: execmem; systemd: MemoryDenyWriteExecute=no), "
                "or measure elsewhere"
            )
        raise OutOfMemoryError(
            f"the protection of {self.size >> 10} KiB of code cannot be changed ({said}): "
            "free memory, or raise vm.max_map_count"
        )
