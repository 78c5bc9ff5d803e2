"""Insertion points: places between instructions where another compilation might have other instructions.

A *build* (model.machine_code.builds) puts NOPs in front of instructions and moves what lies behind them. For
that it needs the insertion points, and every branch that leads across them. Both are found once, here, when
the image is compiled.

A point is identified by its function, its instruction and its ordinal among equal instructions. So base and
every arm have the same points, also where an arm has more blocks or instructions than base; inline assembly
(slots, jump labels) is never opened and does not count. Nothing is put in front of a conditional jump, since
no compiler separates it from its comparison.
"""

import hashlib
import re
from collections import Counter
from typing import Any, Final

import capstone
from capstone import x86

MARK: Final = "freepath.point."
"""Prefix of the symbols that mark insertion points in the assembly."""
APART: Final = re.compile(r"time_\w+|restore|ticks")
"""Functions that are no part of the kernel's path: they are the same in every build."""
LABEL: Final = re.compile(r"([A-Za-z_][\w.]*):")
OWN_NAME: Final = re.compile(r"\.L\w+")
"""Labels in the assembly: their numbers run through the file, so they differ between arms."""
JUMP: Final = re.compile(r"j(?!mp)")

Marked = tuple[str, dict[str, int]]


def mark(assembly: str) -> Marked:
    """Put a symbol in front of every instruction that may have NOPs before it.

    Parameters
    ----------
    assembly
        LLVM's, AT&T syntax, with its #APP and #NO_APP around inline assembly.

    Returns
    -------
    The assembly with the symbols, and the key of each symbol: 63 bits that are the same for the same point of
    another arm.
    """
    lines: list[str] = []
    keys: dict[str, int] = {}
    like: Counter[str] = Counter()
    function, inline = "", False
    for line in assembly.splitlines():
        text = line.strip()
        inline = (inline or text.startswith("#APP")) and not text.startswith("#NO_APP")
        label = LABEL.match(line)
        if label and not inline:
            function = label[1]
        elif line.startswith("\t") and text[:1].isalpha() and not inline and not APART.fullmatch(function):
            place = f"{function}: {OWN_NAME.sub('label', text)}"
            like[place] += 1
            if not JUMP.match(text):
                symbol = f"{MARK}{len(keys)}"
                keys[symbol] = _key(f"{place} {like[place]}")
                lines.append(f"{symbol}:")
        lines.append(line)
    return "\n".join(lines) + "\n", keys


def _key(place: str) -> int:
    return int.from_bytes(hashlib.sha256(place.encode()).digest()[:8], "little") >> 1


def points_of(image: dict[str, Any], keys: dict[str, int]) -> dict[str, Any]:
    """Replace an image's marks by insertion points and branches.

    Parameters
    ----------
    image
        As `read_object` returns it; `marks` is taken out.

    Returns
    -------
    `points` [[offset, key], ...] in order, and `branches` [[offset, target], ...]: every jump and call.
    """
    marks = image.pop("marks")
    points = sorted([offset, keys[symbol]] for symbol, offset in marks.items())
    return {"points": points, "branches": _branches(bytes.fromhex(image["code"]))}


def _branches(code: bytes) -> list[list[int]]:
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    branches = []
    for instruction in decoder.disasm(code, 0):
        leads = instruction.group(capstone.CS_GRP_JUMP) or instruction.group(capstone.CS_GRP_CALL)
        if leads and instruction.operands[0].type == x86.X86_OP_IMM:
            branches.append([instruction.address, instruction.operands[0].imm])
    return branches
