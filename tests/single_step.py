"""What the real processor executes: a forked child, single-stepped with ptrace."""

import ctypes
import os
import signal
from collections.abc import Callable

TRACEME, PEEKUSER, SINGLESTEP = 0, 3, 9
RIP = 16 * 8
"""Offset of rip in struct user."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def path(call: Callable[[], object], first: int, last: int) -> list[int] | None:
    """Addresses in [first, last) of the instructions that a call executes; None where ptrace is forbidden."""
    child = os.fork()
    if child == 0:
        if _libc.ptrace(TRACEME, 0, None, None) != 0:
            os._exit(99)
        os.kill(os.getpid(), signal.SIGSTOP)
        call()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        return None
    seen = []
    while not os.WIFEXITED(status):
        at = _libc.ptrace(PEEKUSER, child, RIP, None) & (2**64 - 1)
        if first <= at < last:
            seen.append(at)
        if _libc.ptrace(SINGLESTEP, child, None, None) != 0:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            return None
    return seen


def count(call: Callable[[], object], first: int, last: int) -> int | None:
    """How many these are."""
    seen = path(call, first, last)
    return None if seen is None else len(seen)
