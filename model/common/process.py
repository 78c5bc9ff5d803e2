"""Child processes: they end with their parent, and how they ended can be said."""

import ctypes
import os
import signal
from collections.abc import Sequence
from typing import Final

# include/uapi/linux/prctl.h
PR_SET_PDEATHSIG: Final = 1
LAST_LINES: Final = 3


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however that ends.

    Parameters
    ----------
    parent
        Process id that the parent told of itself: one that has ended already is noticed by that.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def how_it_ended(status: int, said: Sequence[str] = ()) -> str:
    """How a process ended, in words: its signal or exit status, and the last lines that it wrote.

    Parameters
    ----------
    status
        As subprocess gives it: negative for a signal.
    said
        Lines of its standard error.
    """
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        how = f"was ended by {name}"
        if -status == signal.SIGKILL:
            how += " (by the kernel when memory runs out: see dmesg; or by hand)"
    else:
        how = f"ended with exit status {status}"
    lines = [line.strip() for line in said if line.strip()][-LAST_LINES:]
    return how + (f"; its last words: {' | '.join(lines)}" if lines else " and said nothing")
