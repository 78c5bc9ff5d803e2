"""Symbols of a kernel: by address, and by name where one name is one symbol."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

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
    """All symbols of a kernel, in the order of their addresses.

    Names are not unique: hundreds of static functions share theirs, so what lies at a place is asked by its
    address. Addresses are those that the kernel was linked to; up to v6.14 those of per-CPU variables count
    from 0.

    Attributes
    ----------
    addresses
        Of every symbol; uint64, shape (symbols,).
    """

    def __init__(
        self,
        addresses: npt.NDArray[np.uint64],
        letters: bytes,
        names: bytes,
        starts: npt.NDArray[np.int64],
        hashes: npt.NDArray[np.uint32],
    ) -> None:
        self.addresses = addresses
        self._letters, self._names, self._starts, self._hashes = letters, names, starts, hashes
        self._by_hash = np.argsort(hashes, kind="stable")
        self._sorted = hashes[self._by_hash]
        self._first = int(np.searchsorted(addresses, np.uint64(LINK_BASE)))

    @classmethod
    def of(cls, addresses: npt.NDArray[np.uint64], letters: str, names: Sequence[str]) -> "Symbols":
        """Symbols from three columns in any order.

        Parameters
        ----------
        addresses
            uint64, shape (symbols,).
        letters
            Type of every symbol, one letter each.
        names
            As many; without zero bytes.
        """
        order = np.argsort(addresses, kind="stable")
        texts = [names[number].encode("latin-1") for number in order.tolist()]
        starts = np.cumsum([0, *(len(text) + 1 for text in texts)], dtype=np.int64)
        hashes = np.array([zlib.crc32(text) for text in texts], np.uint32)
        sorted_letters = "".join([letters[number] for number in order.tolist()])
        joined = b"".join([text + b"\0" for text in texts])
        return cls(addresses[order], sorted_letters.encode("latin-1"), joined, starts, hashes)

    def as_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything, to be kept; `from_arrays` takes it back."""
        return {
            "addresses": self.addresses,
            "letters": np.frombuffer(self._letters, np.uint8),
            "names": np.frombuffer(self._names, np.uint8),
            "starts": self._starts,
            "hashes": self._hashes,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray[Any]]) -> "Symbols":
        """What `as_arrays` gave."""
        letters, names = arrays["letters"].tobytes(), arrays["names"].tobytes()
        return cls(arrays["addresses"], letters, names, arrays["starts"], arrays["hashes"])

    def __len__(self) -> int:
        return len(self.addresses)

    def _name(self, number: int) -> str:
        return self._names[int(self._starts[number]) : int(self._starts[number + 1]) - 1].decode("latin-1")

    def _global(self, number: int) -> bool:
        return chr(self._letters[number]).isupper()

    def _numbers(self, name: str) -> list[int]:
        wanted = np.uint32(zlib.crc32(name.encode("latin-1", "replace")))
        begin, end = (int(np.searchsorted(self._sorted, wanted, side)) for side in ("left", "right"))
        numbers = self._by_hash[begin:end].tolist()
        return [number for number in sorted(numbers) if self._name(number) == name]

    def has(self, name: str) -> bool:
        """Whether there is such a symbol."""
        return bool(self._numbers(name))

    def all(self, name: str) -> tuple[int, ...]:
        """Addresses of every symbol of this name, in order."""
        return tuple(int(self.addresses[number]) for number in self._numbers(name))

    def one(self, *names: str) -> int:
        """Address of the first of these names that there is.

        Raises
        ------
        KernelFileError
            When there is none, or when several symbols have it and not exactly one of them is global.
        """
        for name in names:
            numbers = self._numbers(name)
            if len(numbers) > 1:
                numbers = [number for number in numbers if self._global(number)]
                if len(numbers) != 1:
                    raise KernelFileError(f"has several symbols {name}: which one is meant is not known")
            if numbers:
                return int(self.addresses[numbers[0]])
        raise KernelFileError(
            f"has no symbol {' or '.join(names)}: another version or configuration than is known here "
            "(CONFIG_KALLSYMS_ALL names the variables)"
        )

    def between(self, begin: int, end: int) -> list[tuple[int, str]]:
        """Address and name of every symbol in a range, in order; of per-CPU variables too."""
        first, last = np.searchsorted(self.addresses, np.array([begin, end], np.uint64)).tolist()
        return [(int(self.addresses[number]), self._name(number)) for number in range(first, last)]

    def at(self, address: int) -> Symbol | None:
        """The symbol that an address lies in; None before the first and outside of the kernel.

        Where several begin at the same place, a global one is taken; the padding before a function is not.
        """
        if not LINK_BASE <= address < 1 << 64:
            return None
        behind = int(np.searchsorted(self.addresses, np.uint64(address), "right"))
        if behind <= self._first:
            return None
        start = self.addresses[behind - 1]
        first = int(np.searchsorted(self.addresses, start))
        here = [number for number in range(first, behind) if not self._name(number).startswith(PADDING)]
        here = here or [behind - 1]
        number = next((each for each in here if self._global(each)), here[0])
        end = self.addresses[behind] if behind < len(self) else start
        return Symbol(self._name(number), int(start), int(end), chr(self._letters[number]))
