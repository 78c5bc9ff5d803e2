"""Take from a worker what measuring does not need, before it runs the code of a kernel file.

Landlock lets it write only below one folder, that of its side file; a seccomp filter refuses the network, new
programs and other processes. Either is left out where the machine does not have it. Reading stays allowed: a
worker still imports modules, and reads /proc.
"""

import ctypes
import errno
import os
import struct
from pathlib import Path
from typing import Final

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

# include/uapi/linux/prctl.h, seccomp.h, landlock.h, audit.h, v6.12; arch/x86/entry/syscalls/syscall_64.tbl
PR_SET_NO_NEW_PRIVS: Final = 38
SECCOMP: Final = 317
SET_MODE_FILTER: Final = 1
SPEC_ALLOW: Final = 1 << 2
"""Without this flag kernels before v5.16 turn SSBD on with a filter: other times would be measured."""
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
VERSION: Final = 1
PATH_BENEATH: Final = 1
WRITES: Final = {1: 0b1_1111_1111_0010, 2: 1 << 13, 3: 1 << 14}
"""Version of Landlock -> rights to write, make, remove, move and truncate files that it adds."""

X86_64: Final = 0xC000003E
LOAD_WORD, IF_EQUAL, IF_GREATER, IF_BIT, RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER_AT, ARCH_AT, FIRST_ARGUMENT_AT = 0, 4, 16
"""Offsets in struct seccomp_data."""
CLONE, CLONE3, CLONE_THREAD = 56, 435, 0x10000
"""Threads are allowed; what clone3 is asked for a filter cannot see, and without it libc takes clone."""
LAST_KNOWN: Final = 462
"""mseal, of v6.10: a later system call is not there for this process, as on an older kernel."""
REFUSED: Final = {
    "socket": 41, "connect": 42, "accept": 43, "sendto": 44, "sendmsg": 46, "bind": 49, "listen": 50,
    "socketpair": 53, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "ptrace": 101, "setuid": 105,
    "setgid": 106, "mount": 165, "init_module": 175, "kexec_load": 246, "process_vm_readv": 310,
    "process_vm_writev": 311, "finit_module": 313, "bpf": 321, "execveat": 322,
    "io_uring_setup": 425, "pidfd_open": 434,
}  # fmt: skip
"""System calls that measuring does not need: network, programs, other processes, the kernel itself."""


def confine(folder: Path) -> list[str]:
    """Confine this process, for good.

    Parameters
    ----------
    folder
        Where it may write files.

    Returns
    -------
    list[str]
        What this machine has of it: `landlock`, `seccomp`.
    """
    if _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return []
    return [name for name, done in (("landlock", _landlock(folder)), ("seccomp", _seccomp())) if done]


def _landlock(folder: Path) -> bool:
    version = _libc.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), VERSION)
    if version < 1:
        return False
    rights = sum(bits for since, bits in WRITES.items() if version >= since)
    rules = _libc.syscall(LANDLOCK_CREATE, struct.pack("<Q", rights), ctypes.c_size_t(8), 0)
    if rules < 0:
        return False
    at = os.open(folder, os.O_PATH)
    try:
        below = struct.pack("<Qi", rights, at)
        added = _libc.syscall(LANDLOCK_ADD, rules, PATH_BENEATH, below, 0) == 0
        return bool(added and _libc.syscall(LANDLOCK_RESTRICT, rules, 0) == 0)
    finally:
        os.close(at)
        os.close(rules)


def _seccomp() -> bool:
    code = b"".join(_filter())
    array = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("<HxxxxxxQ", len(code) // 8, ctypes.addressof(array))
    return bool(_libc.syscall(SECCOMP, SET_MODE_FILTER, SPEC_ALLOW, program) == 0)


def _filter() -> list[bytes]:
    """The filter as instructions of classic BPF: code, jump if true, jump if false, operand."""

    def step(code: int, operand: int, true: int = 0, false: int = 0) -> bytes:
        return struct.pack("<HBBI", code, true, false, operand)

    # Where the three ends are, from the end: allowed, not there, refused.
    tests = [(IF_GREATER, LAST_KNOWN, 2), (IF_EQUAL, CLONE3, 2)]
    tests += [(IF_EQUAL, number, 1) for number in REFUSED.values()]
    left = len(tests) + 6
    return [
        step(LOAD_WORD, ARCH_AT),
        step(IF_EQUAL, X86_64, true=1),
        step(RETURN, KILL),
        step(LOAD_WORD, NUMBER_AT),
        *(step(code, number, true=left - at - 1 - end) for at, (code, number, end) in enumerate(tests)),
        step(IF_EQUAL, CLONE, false=2),
        step(LOAD_WORD, FIRST_ARGUMENT_AT),
        step(IF_BIT, CLONE_THREAD, false=2),
        step(RETURN, ALLOW),
        step(RETURN, ERRNO | errno.ENOSYS),
        step(RETURN, ERRNO | errno.EPERM),
    ]
