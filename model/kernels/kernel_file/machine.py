"""A kernel file where it can run: mapped below 2 GiB, with the memory that its free path needs.

The file's text is mapped without the right to execute: what runs are the functions that were cut out of it.
A jump to any other one ends the process, and the emulator has shown before that there is none.
"""

import ctypes
import errno
import mmap
import os
from collections.abc import Iterable
from typing import Final

import numpy as np

from model.common.errors import KernelFileError, KernelReportError
from model.kernels.kernel_file.layout import USUAL, FileMemory, Needs
from model.machine_code.gs import set_gs
from model.machine_code.image import Code
from model.machine_code.placement import Placement
from model.machine_code.static_keys import StaticKeys
from model.vmlinux.loading import LoadedKernel

MAP_FIXED_NOREPLACE: Final = 0x100000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_mapped: dict[int, int] = {}
"""Kernel files in this process: first address -> bytes."""


def map_kernel(loaded: LoadedKernel) -> None:
    """Put a loaded kernel at its addresses in this process; again, if it is there already.

    Raises
    ------
    KernelFileError
        When something else lies there.
    """
    memory = loaded.memory
    size = -(-len(memory.data) // mmap.PAGESIZE) * mmap.PAGESIZE
    ours = _mapped.get(memory.start, 0)
    if size > ours:  # a smaller file may have lain there
        first = memory.start + ours
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
        got = _libc.mmap(first, size - ours, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
        if got != first:
            number = ctypes.get_errno()
            what = "are taken in this process" if number == errno.EEXIST else os.strerror(number)
            raise KernelFileError(
                f"has to lie at {memory.start:#x} to {memory.start + size:#x}, and these addresses {what}: "
                "run without what maps memory there (valgrind, a sanitizer, ulimit -v)"
            )
        _mapped[memory.start] = size
    target = (ctypes.c_char * len(memory.data)).from_address(memory.start)
    ctypes.memmove(target, (ctypes.c_char * len(memory.data)).from_buffer(memory.data), len(memory.data))


class FileMachine:
    """One CPU of a kernel file's machine.

    Parameters
    ----------
    loaded
        The file; its variables are set, and it is mapped.
    pages
        struct pages, rounded up to blocks of 1024.
    rng
        Draws the data's place; None puts it at the start of a page.
    huge
        Ask for huge pages below the page array.
    needs
        What a scenario needs beside the usual memory.
    """

    cpus = 1

    def __init__(
        self,
        loaded: LoadedKernel,
        pages: int,
        *,
        rng: np.random.Generator | None = None,
        huge: bool = True,
        needs: Needs = USUAL,
    ) -> None:
        self.loaded = loaded
        self.memory = FileMemory(loaded, pages, rng, huge=huge, needs=needs)
        map_kernel(loaded)
        self.keys = StaticKeys({}, _no_key)

    def place(self, code: Code, offsets: Iterable[int] = (0,)) -> list[Placement]:
        """Copy an image to fresh pages, once per offset from a page's start."""
        return [Placement(code, offset) for offset in offsets]

    def activate(self, cpu: int = 0) -> None:
        """Point this thread's %gs at this CPU's data. Call before any placed function.

        Raises
        ------
        UnsupportedCPUError
            Where that is not possible.
        """
        if cpu:
            raise ValueError(f"this machine has one CPU, not {cpu + 1}")
        set_gs(self.memory.gs_base)

    @property
    def gs_base(self) -> int:
        """Base of %gs of its CPU."""
        return self.memory.gs_base

    def report(self) -> str | None:
        """How the kernel left its CPU, if not as it should between two frees; or None."""
        memory = self.memory
        deep = memory.read(memory.preempt_count, memory.preempt_bytes) - memory.preemptible
        lock = memory.read_field("pcp", "lock")
        if deep or lock:
            return f"preempt_count {deep} and pcp lock {lock} between two frees"
        nesting = "rcu_read_lock_nesting"  # with CONFIG_PREEMPT_RCU
        if memory.btf.has_field("struct task_struct", nesting) and memory.read_field("task", nesting):
            return f"{nesting} {memory.read_field('task', nesting)} between two frees"
        return None

    def check(self) -> None:
        """Fail if the kernel did not leave its CPU as it should.

        Raises
        ------
        KernelReportError
        """
        if report := self.report():
            raise KernelReportError(f"the kernel file's machine reports {report}")


def _no_key(name: str, count: int) -> None:
    """Keys are part of each arm's code."""
    raise AssertionError(name)
