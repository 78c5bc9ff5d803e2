"""Files of /proc and /sys, any of which may be absent or hold bytes that are not text.

The name of a mount or of a processor need not be UTF-8, and a container, a sandbox or a mount option
(`subset=pid`) hides files. An absent file means "unknown", which is no error.
"""

import re
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Final

ESCAPED: Final = re.compile(rb"\\([0-7]{3})")
"""Escape of a blank, a tab, a newline or a backslash in the name of a mount."""


def read(path: Path | str) -> str:
    """Text of a file, stripped; what is not UTF-8 is replaced. Empty where it cannot be read."""
    return read_bytes(path).decode(errors="replace").strip()


def read_bytes(path: Path | str) -> bytes:
    """Content of a file, for paths that will be opened. Empty where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def lines(text: str) -> list[str]:
    """Lines as the kernel ends them: `splitlines` would also break one at a vertical tab in a name."""
    return text.split("\n")


def cpus_in(text: str) -> list[int]:
    """CPUs of a list as the kernel writes it: `0-3,8`; words that are no CPUs are passed over."""
    ranges = [part.strip().partition("-") for part in text.split(",")]
    known = [(low, high or low) for low, _, high in ranges if (low + high).isdecimal() and low]
    return [number for low, high in known for number in range(int(low), int(high) + 1)]


def cpu_list(numbers: Iterable[int]) -> str:
    """Inverse of `cpus_in`."""
    parts = []
    for _, run in groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
        block = [number for _, number in run]
        parts.append(str(block[0]) if len(block) == 1 else f"{block[0]}-{block[-1]}")
    return ",".join(parts)


def unescaped(name: bytes) -> bytes:
    r"""Undo the escapes of /proc/self/mountinfo, where the kernel writes a blank as `\040`."""
    return ESCAPED.sub(lambda code: bytes([int(code[1], 8) & 0xFF]), name)
