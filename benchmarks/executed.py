"""Instructions of code that ran, decoded in bulk: an object each would take longer than running them."""

import ctypes
from functools import cache, cached_property
from typing import Any, Final

import capstone
import numpy as np
import numpy.typing as npt

from benchmarks.emulator import EmulationError
from benchmarks.privileged import fault_of
from model.kernels.instructions import shown, vector

FIELDS: Final = {"id": "u4", "size": "u2", "bytes": "(24,)u1"}
DECODED: Final = np.dtype(
    {
        "names": list(FIELDS),
        "formats": list(FIELDS.values()),
        "offsets": [getattr(capstone._cs_insn, name).offset for name in FIELDS],
        "itemsize": ctypes.sizeof(capstone._cs_insn),
    }
)
"""Of Capstone's struct cs_insn, of which its Python package makes an object each."""


class Executed:
    """Instructions, one behind the other.

    Parameters
    ----------
    code
        Their bytes.

    Raises
    ------
    EmulationError
        When not all of it is instructions.
    """

    def __init__(self, code: bytes) -> None:
        self._decoded = _decode(code)

    @cached_property
    def numbers(self) -> npt.NDArray[np.int64]:
        """int64[instructions], Capstone's number of each in the order of addresses, without NOPs."""
        numbers: npt.NDArray[np.int64] = self._decoded["id"].astype(np.int64)
        executed: npt.NDArray[np.int64] = numbers[numbers != capstone.x86.X86_INS_NOP]
        return executed

    def fault(self) -> str:
        """Why one of them cannot run in user space, or be moved; else nothing."""
        faults = (_fault(each["bytes"][: each["size"]].tobytes()) for each in self._decoded)
        return next(filter(None, faults), "")


def _decode(code: bytes) -> npt.NDArray[Any]:
    """As Capstone's C function leaves it: DECODED[instructions]."""
    found = ctypes.POINTER(capstone._cs_insn)()
    count = capstone._cs.cs_disasm(_plain().csh, code, len(code), 0, 0, ctypes.byref(found))
    if not count:
        raise EmulationError(f"the disassembler does not know {shown(code)}")
    try:
        decoded = np.frombuffer(ctypes.string_at(found, count * DECODED.itemsize), DECODED)
    finally:
        capstone._cs.cs_free(found, count)
    size = int(decoded["size"].sum())
    if size != len(code):
        raise EmulationError(f"the disassembler does not know {shown(code[size:])}")
    return decoded


@cache
def _plain() -> Any:
    return capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)


@cache
def _detailed() -> Any:
    made = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    made.detail = True
    return made


@cache
def _fault(code: bytes) -> str:
    instruction = next(_detailed().disasm(code, 0))
    return "executes vector or floating-point code" if vector(instruction) else fault_of(instruction)
