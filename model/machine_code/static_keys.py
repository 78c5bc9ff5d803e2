"""Static keys: counts, and the jump labels that follow them."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from threading import Lock
from typing import Protocol

from model.machine_code.running import RUNNING


class Follower(Protocol):
    """Code with jump labels."""

    def patch(self, key: int, enabled: bool) -> None:
        """Write JMP or NOP to every site of a key."""


class StaticKeys:
    """The static keys of one machine: reference counts, in code (jump labels) and in memory.

    A flip reaches every copy registered here; a copy that is placed later starts in the key's current
    state. Patching under load (int3, IPIs) is left out: a key that would have to patch while another thread
    runs placed code, of any machine, is refused with KeysBusyError and does not change. So change keys
    between calls. A flip that fails is undone, so that counts, memory and every site agree.

    Parameters
    ----------
    numbers
        Name of each key -> its number in the jump table.
    set_count
        Writes a key's count to memory.
    """

    def __init__(self, numbers: Mapping[str, int], set_count: Callable[[str, int], None]) -> None:
        self._numbers = numbers
        self._counts = dict.fromkeys(numbers, 0)
        self._set_count = set_count
        self._followers: list[Follower] = []
        self._lock = Lock()

    def enabled(self, name: str) -> bool:
        """Whether the key's count is above zero."""
        return self._counts[name] > 0

    def register(self, followers: Iterable[Follower]) -> None:
        """Let these copies follow the keys.

        Raises
        ------
        KeysBusyError
            When a key is on, so that they have to be patched, and another thread runs placed code.
        """
        new = list(followers)
        with self._lock:
            on = [self._numbers[name] for name in self._numbers if self.enabled(name)]
            RUNNING.change(lambda: _patch(new, on, True), lambda: _patch_back(new, on, False), code=bool(on))
            self._followers += new

    def forget(self, followers: Iterable[Follower]) -> None:
        """Let these copies follow no longer: they are about to be removed."""
        gone = set(map(id, followers))
        with self._lock:
            self._followers = [one for one in self._followers if id(one) not in gone]

    def inc(self, name: str) -> None:
        """static_key_slow_inc(): only the first one patches.

        Raises
        ------
        KeysBusyError
            When it has to patch, and another thread runs placed code.
        """
        self._change(name, 1)

    def dec(self, name: str) -> None:
        """static_key_slow_dec(): only the last one patches.

        Raises
        ------
        ValueError
            When the count is zero already.
        KeysBusyError
            When it has to patch, and another thread runs placed code.
        """
        self._change(name, -1)

    def _change(self, name: str, step: int) -> None:
        with self._lock:
            before = self._counts[name]
            after = before + step
            if after < 0:
                raise ValueError(f"static key {name}: more decrements than increments")
            flips = (before > 0) != (after > 0)
            followers, keys = self._followers if flips else [], [self._numbers[name]]

            def count(references: int) -> None:
                self._set_count(name, references)
                self._counts[name] = references

            def do() -> None:
                _patch(followers, keys, after > 0)
                count(after)

            def undo() -> None:
                _patch_back(followers, keys, before > 0)
                count(before)

            RUNNING.change(do, undo, code=bool(followers))


def _patch(followers: Iterable[Follower], keys: Iterable[int], enabled: bool) -> None:
    for follower, key in product(followers, keys):
        follower.patch(key, enabled)


def _patch_back(followers: Iterable[Follower], keys: Iterable[int], enabled: bool) -> None:
    """Patch back as many as possible; a failure was raised before, and its region is marked as torn."""
    for follower, key in product(followers, keys):
        with contextlib.suppress(Exception):
            follower.patch(key, enabled)
