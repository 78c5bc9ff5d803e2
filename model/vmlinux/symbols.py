"""Symbols of a kernel: by address, and by name where one name is one symbol."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from model.common.errors import KernelFileError
from model.vmlinux.elf import LINK_BASE

PADDING: Final = "__pfx_"
"""Names of the padding before functions: no function, though each has a symbol of its own."""


@dataclass(frozen=True)
class Symbol:
    """What lies between two addresses; `letter` as `nm` prints it, a capital one for a global symbol."""

    name: str
    start: int
    end: int
    letter: str


class Symbols:
    """All symbols of a kernel.

    Names are not unique: hundreds of static functions share theirs, so what lies at a place is asked by its
    address. Addresses are those that the kernel was linked to; up to v6.14 those of per-CPU
    variables count from 0.

    Parameters
    ----------
    addresses
        Of every symbol; uint64, shape (symbols,).
    letters
        Type of every symbol, one letter each.
    names
        In the same order.
    """

    def __init__(self, addresses: npt.NDArray[np.uint64], letters: str, names: Sequence[str]) -> None:
        order = np.argsort(addresses, kind="stable")
        self.addresses = addresses[order]
        self.letters = "".join([letters[number] for number in order.tolist()])
        self.names = [names[number] for number in order.tolist()]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def _numbers(self) -> dict[str, list[int]]:
        numbers: dict[str, list[int]] = {}
        for number, name in enumerate(self.names):
            numbers.setdefault(name, []).append(number)
        return numbers

    @cached_property
    def _linked(self) -> list[int]:
        """Addresses in the kernel, in order; the per-CPU variables before them are left out."""
        return [int(address) for address in self.addresses[self._first :]]

    @cached_property
    def _first(self) -> int:
        return int(np.searchsorted(self.addresses, np.uint64(LINK_BASE)))

    def has(self, name: str) -> bool:
        """Whether there is such a symbol."""
        return name in self._numbers

    def all(self, name: str) -> tuple[int, ...]:
        """Addresses of every symbol of this name, in order."""
        return tuple(int(self.addresses[number]) for number in self._numbers.get(name, ()))

    def one(self, *names: str) -> int:
        """Address of the first of these names that there is.

        Raises
        ------
        KernelFileError
            When there is none, or when several symbols have it and not exactly one of them is global.
        """
        for name in names:
            numbers = self._numbers.get(name, [])
            if len(numbers) > 1:
                numbers = [number for number in numbers if self.letters[number].isupper()]
                if len(numbers) != 1:
                    raise KernelFileError(f"has several symbols {name}: which one is meant is not known")
            if numbers:
                return int(self.addresses[numbers[0]])
        raise KernelFileError(
            f"has no symbol {' or '.join(names)}: another version or configuration than is known here "
            "(CONFIG_KALLSYMS_ALL names the variables)"
        )

    def at(self, address: int) -> Symbol | None:
        """The symbol that an address lies in; None before the first and outside of the kernel.

        Where several begin at the same place, a global one is taken; the padding before a function is not.
        """
        starts = self._linked
        last = bisect.bisect_right(starts, address) - 1
        if last < 0:
            return None
        first = bisect.bisect_left(starts, starts[last])
        here = [
            number
            for number in range(self._first + first, self._first + last + 1)
            if not self.names[number].startswith(PADDING)
        ] or [self._first + last]
        number = next((each for each in here if self.letters[each].isupper()), here[0])
        end = starts[last + 1] if last + 1 < len(starts) else starts[last]
        return Symbol(self.names[number], starts[last], end, self.letters[number])
