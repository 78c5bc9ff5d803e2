"""What a process is run with: speculative store bypass, and address randomisation."""

import ctypes
import os
from typing import Final

from model.common.errors import FreepathError

# include/uapi/linux/prctl.h
PR_GET_SPECULATION_CTRL: Final = 52
PR_SET_SPECULATION_CTRL: Final = 53
PR_SPEC_STORE_BYPASS: Final = 0
PR_SPEC_PRCTL: Final = 1
PR_SPEC_DISABLE: Final = 4
PR_SPEC_FORCE_DISABLE: Final = 8
PR_SPEC_DISABLE_NOEXEC: Final = 16
# include/uapi/linux/personality.h
ADDR_NO_RANDOMIZE: Final = 0x0040000
ASK: Final = 0xFFFFFFFF
"""Argument of personality(2) that reads the personality and changes nothing."""


def can_hold_loads() -> bool:
    """Whether `--store-bypass off` works here: a hypervisor may hide the CPU's SSBD switch."""
    state = int(ctypes.CDLL(None).prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0))
    return state > 0 and bool(state & PR_SPEC_PRCTL)


def loads_wait() -> bool:
    """Whether SSBD is on: for this process, by seccomp, or for the whole machine."""
    state = int(ctypes.CDLL(None).prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0))
    return state > 0 and bool(state & (PR_SPEC_DISABLE | PR_SPEC_FORCE_DISABLE | PR_SPEC_DISABLE_NOEXEC))


def addresses_fixed() -> bool:
    """Whether address randomisation is off for this process and its children: `setarch -R`, a debugger."""
    persona = int(ctypes.CDLL(None).personality(ASK))
    return persona > 0 and bool(persona & ADDR_NO_RANDOMIZE)


def set_store_bypass(wanted: str) -> None:
    """Store bypass `on` (default): loads may pass older stores with unknown addresses. `off`: SSBD.

    It holds for this process and the workers that it starts. The kernel runs with the setting of the task
    that calls it.

    Raises
    ------
    FreepathError
        Where the kernel or the CPU cannot switch it off.
    """
    if wanted == "on":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, 0, 0) != 0:
        raise FreepathError(
            f"--store-bypass off: this kernel or CPU refuses it ({os.strerror(ctypes.get_errno())}); "
            "measure with it on"
        )
