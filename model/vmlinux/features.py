"""Features of a CPU by the numbers that a kernel gives them, as far as the kernel's own file says them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.common.errors import KernelFileError
from model.vmlinux.kernel_file import KernelFile
from model.vmlinux.memory import Memory
from model.vmlinux.tables import Alternatives

FIRST_REGISTER: Final = "__x86_indirect_thunk_array"
"""The thunk of rax: it holds the alternatives for CPUs without retpolines, and for those with LFENCE."""
THUNK_BYTES: Final = 32
POINTER_BYTES: Final = 8


@dataclass(frozen=True)
class Features:
    """Numbers of features.

    Attributes
    ----------
    names
        Name in /proc/cpuinfo by number, for those that have one.
    always
        The feature that every CPU has (X86_FEATURE_ALWAYS): it has no name.
    retpoline
        The feature of CPUs whose indirect calls go through retpolines; None in a kernel without them.
    """

    names: dict[int, str]
    always: int
    retpoline: int | None

    def of(self, flags: Iterable[str], *, retpoline: bool) -> frozenset[int]:
        """Numbers of the features of a CPU that has these flags."""
        wanted = set(flags)
        numbers = {number for number, name in self.names.items() if name in wanted}
        if retpoline and self.retpoline is not None:
            numbers.add(self.retpoline)
        return frozenset(numbers | {self.always})

    def name(self, number: int) -> str:
        """Of a feature, for people."""
        if number == self.always:
            return "always"
        if number == self.retpoline:
            return "retpoline"
        return self.names.get(number, f"feature {number // 32}*32+{number % 32}")


def read_features(
    kernel: KernelFile, memory: Memory, alternatives: Alternatives, address: int, registers: int
) -> Features:
    """Names and numbers of the features.

    Parameters
    ----------
    memory
        Relocated.
    address
        Of x86_cap_flags in this memory.
    registers
        Of the first thunk of indirect calls in this memory; 0 where there is none.

    Raises
    ------
    KernelFileError
        When no alternative tells the feature that every CPU has.
    """
    linked = kernel.symbols.one("x86_cap_flags")
    symbol = kernel.symbols.at(linked)
    count = (symbol.end - symbol.start) // POINTER_BYTES if symbol else 0
    table = memory.records(address, address + POINTER_BYTES * count, "<u8")
    names = {number: memory.text(int(at)) for number, at in enumerate(table) if memory.holds(int(at))}
    retpoline = None
    if registers:
        inside = (alternatives.site >= registers - memory.start) & (
            alternatives.site < registers - memory.start + THUNK_BYTES
        )
        without = alternatives.feature[inside & alternatives.absent]
        retpoline = int(without[0]) if len(without) else None
    return Features(names, _always(alternatives), retpoline)


def _always(alternatives: Alternatives) -> int:
    """The feature of the first of two alternatives for one place.

    static_cpu_has() is a jump to code that looks the feature up. The first alternative replaces it on every
    CPU, the second on CPUs that have the feature: arch/x86/include/asm/cpufeature.h, v6.1 to v7.3.
    """
    pairs = np.flatnonzero(alternatives.site[:-1] == alternatives.site[1:])
    firsts = Counter(alternatives.feature[pairs].tolist())
    if not firsts:
        raise KernelFileError("has no alternatives that tell the feature that every CPU has")
    return int(firsts.most_common(1)[0][0])
