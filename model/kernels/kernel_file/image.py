"""The images of a kernel file: the timed loops, compiled once, and an arm's functions joined to them."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from model.common.errors import KernelFileError
from model.machine_code.image import Code

if TYPE_CHECKING:
    from model.kernels.kernel_file.cutting import Cut

ALIGNMENT: Final = 16
KERNEL_NAME: Final = "kernel_file"
"""What images of kernel files are called in the cache."""
STANDS_FOR: Final = "free"
"""Function of the loops' image in whose place the kernel's comes."""


@dataclass(frozen=True)
class Loops:
    """The timed loops, with a function that stands for the kernel's."""

    kernel: ClassVar[str] = KERNEL_NAME
    patched: ClassVar[str] = STANDS_FOR
    name: ClassVar[str] = "loops"


@dataclass(frozen=True)
class FileImage:
    """One arm of a kernel file on one path.

    Attributes
    ----------
    file, boot
        SHA-256 of the file, and of what was assumed of its boot with the sources that patch it.
    way
        The way to free.
    variant
        The arm.
    patched
        The function before whose first instruction the NOPs of a phase stand.
    """

    file: str
    boot: str
    way: str
    variant: str
    patched: str

    kernel: ClassVar[str] = KERNEL_NAME

    @property
    def name(self) -> str:
        """File name of the cached code."""
        return f"{self.file[:16]}.{self.boot[:8]}.{self.way}.{self.variant}"


@cache
def sources_digest() -> str:
    """Of what turns a file into an image: `model/vmlinux` and this folder."""
    hashed = hashlib.sha256()
    here = Path(__file__).parent
    for source in sorted([*here.rglob("*.py"), *(here.parent.parent / "vmlinux").glob("*.py")]):
        hashed.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return hashed.hexdigest()


def boot_digest(boot: str) -> str:
    """Of the assumptions and of the sources that act on them."""
    return hashlib.sha256(f"{boot}\0{sources_digest()}".encode()).hexdigest()


def spec_of(data: dict[str, Any]) -> Loops:
    """The only image that a compiler makes."""
    return Loops()


def joined(loops: Code, cut: "Cut", entry: str) -> dict[str, Any]:
    """An arm's image as the cache keeps it: the loops, and behind them the kernel's functions.

    A call of the function that stands for the kernel's becomes a call of `entry`.

    Raises
    ------
    KernelFileError
        When the kernel has a function with the name of a loop.
    """
    if same := loops.functions.keys() & cut.functions.keys():
        raise KernelFileError(f"has a function called {min(same)}, as a loop here is")
    start = -(-len(loops.code) // ALIGNMENT) * ALIGNMENT
    code = bytearray(loops.code.ljust(start, b"\xcc") + cut.code)
    stand_in = loops.functions[STANDS_FOR][0]
    wanted = start + cut.functions[entry][0]
    branches = []
    for at, target in loops.branches:
        if target == stand_in:
            if code[at] not in (0xE8, 0xE9):
                raise AssertionError(f"a loop leads to {STANDS_FOR} by {code[at]:#x}, which is no call")
            code[at + 1 : at + 5] = (wanted - at - 5).to_bytes(4, "little", signed=True)
            target = wanted
        branches.append([at, target])
    return {
        "code": code.hex(),
        "functions": {
            **{name: list(span) for name, span in loops.functions.items()},
            **{name: [start + at, size] for name, (at, size) in cut.functions.items()},
        },
        "jump_table": [],
        "points": [[start + at, key] for at, key in cut.points],
        "branches": [*branches, *([start + at, start + target] for at, target in cut.branches)],
        "references": [[start + at, start + end, to] for at, end, to in cut.references],
    }
