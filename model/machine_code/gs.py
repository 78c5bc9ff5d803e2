"""The segment register %gs, by which compiled code finds its CPU's data."""

import ctypes
from typing import Final

from model.common.errors import UnsupportedCPUError

SYS_ARCH_PRCTL: Final = 158
ARCH_SET_GS: Final = 0x1001
ARCH_GET_GS: Final = 0x1004
_libc = ctypes.CDLL(None, use_errno=True)


def set_gs(address: int) -> None:
    """Point this thread's %gs at an area.

    Raises
    ------
    UnsupportedCPUError
        Where that is not possible; an emulation of Linux may report success all the same.
    """
    area, base = ctypes.c_long(address), ctypes.c_long()
    done = _libc.syscall(SYS_ARCH_PRCTL, ARCH_SET_GS, area) == 0
    done = done and _libc.syscall(SYS_ARCH_PRCTL, ARCH_GET_GS, ctypes.byref(base)) == 0
    if not done or base.value != area.value:
        raise UnsupportedCPUError(
            "this kernel, or emulation of one (gVisor, Wine), does not set %gs for a program, "
            "and the free path reads its per-CPU data there: measure on Linux itself"
        )
