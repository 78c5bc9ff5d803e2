"""python -m tests.key_flips [FLIPS] [REFUSED]: flip static keys between calls, and beside a thread.

Prints one line with the counts; the exit status is 1 if a site, a count or a page was ever wrong. A crash
ends the process with a signal, which its parent sees.
"""

import ctypes
import random
import sys
import threading
import time
from collections.abc import Mapping
from functools import partial
from itertools import product

import numpy as np

from model.common.errors import KeysBusyError
from model.kernels.v4_3.image import Image
from model.kernels.v4_3.keys import KEYS
from model.kernels.v4_3.machine import Machine
from model.kernels.v4_3.start import StartState
from model.machine_code.builds import Builds, Plan
from model.machine_code.placement import Trampoline
from model.machine_code.x86 import NOP5, SITE_BYTES
from model.vocabulary.scenario import Scenario
from tests.booted import Booted
from tests.code import code_of, lay_out

V1 = Image("v1", "jump-label", memcg=True)
LOOP = "time_free_pages"
OFFSETS = (0, 20, 1236)
MEMCG, TRACE = KEYS
PASSES = 60
"""Of 1024 pages: about a millisecond in which the GIL is free."""
PAUSE_S = 2e-4
"""After every second call, so that some flips fall between calls."""


class Copies:
    """Copies of one image that follow a machine's keys, and what they hold in each state of the keys."""

    def __init__(self, machine: Machine) -> None:
        code = code_of(V1)
        plan = Plan(np.array([0, 5, 11]), np.array([1, 2, 3], np.uint64), np.array([0, 12, 40]))
        self.machine = machine
        self.placements = machine.place(code, OFFSETS)
        self.builds = Builds(code, LOOP, plan, np.random.default_rng(0), lay_out())
        machine.keys.register([self.builds])
        self._wanted = {}
        for state in product([False, True], repeat=len(KEYS)):
            builds = Builds(code, LOOP, plan, np.random.default_rng(0), lay_out())
            image = bytearray(code.code)
            for key, enabled in zip(KEYS.values(), state, strict=True):
                builds.patch(key, enabled)
                for site in code.sites:
                    if site.key == key:
                        image[site.code : site.code + SITE_BYTES] = site.jump if enabled else NOP5
            self._wanted[state] = bytes(image), builds._region.bytes().tobytes()

    def agree(self, counts: Mapping[str, int]) -> bool:
        """Whether every site, the counts and their copies in memory are as these counts want them."""
        image, built = self._wanted[tuple(count > 0 for count in counts.values())]
        return (
            all(ctypes.string_at(placed.base, len(image)) == image for placed in self.placements)
            and self.builds._region.bytes().tobytes() == built
            and all(self.machine.keys.enabled(name) == (count > 0) for name, count in counts.items())
            and all(self.machine.memory.cpu[name] == count for name, count in counts.items())
        )


def between_calls(flips: int) -> int:
    """Flip a key, look at every copy, allocate and free a page, again and again; how often it was wrong."""
    kernel = Booted(V1, "on-idle")
    machine = kernel.machine
    copies, counts = Copies(machine), dict.fromkeys(KEYS, 0)
    rng, wrong = random.Random(flips), 0
    for _ in range(flips):
        name = rng.choice((MEMCG, TRACE))
        (machine.keys.dec if counts[name] else machine.keys.inc)(name)
        counts[name] ^= 1
        traced = int(machine.memory.cpu["traced"])
        page = kernel.alloc_pages()
        assert page is not None
        kernel.free_pages(page)
        counted = int(machine.memory.cpu["traced"]) - traced == counts[TRACE]
        wrong += not (counted and copies.agree(counts))
    machine.check()
    return wrong


class Busy:
    """A thread that frees pages in a copy and in the builds, through both ways to call them."""

    def __init__(self, machine: Machine, copies: Copies) -> None:
        self.machine, self.calls, self._stop = machine, 0, False
        start = StartState(machine, Scenario("on-idle"), 1024, np.random.default_rng(0))
        self.run = start.loop_record("v1")
        self.run.record["passes"] = PASSES
        self._start = start  # the memory that the record points to
        self._ways = [partial(copies.placements[0].function(LOOP, 1), self.run.address)]
        for address in copies.builds.addresses:
            self._ways.append(partial(Trampoline().call, self.run.address, 8, int(address)))
        self._thread = threading.Thread(target=self._free)

    def _free(self) -> None:
        self.machine.activate()
        while not self._stop:
            self._ways[self.calls % len(self._ways)]()
            self.calls += 1
            if self.calls % 2:
                time.sleep(PAUSE_S)

    def __enter__(self) -> "Busy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True
        self._thread.join()


def beside_a_thread(refusals: int) -> tuple[int, int, int]:
    """Ask for flips until so many are refused; calls meanwhile, flips between them, the wrong ones."""
    machine = Machine(1024, "on-idle")
    copies, counts = Copies(machine), dict.fromkeys(KEYS, 0)
    rng, refused, flips, wrong = random.Random(refusals), 0, 0, 0
    with Busy(machine, copies) as busy:
        while refused < refusals:
            name = rng.choice((MEMCG, TRACE))
            try:
                (machine.keys.dec if counts[name] else machine.keys.inc)(name)
                counts[name] ^= 1
                flips += 1
            except KeysBusyError:
                refused += 1
            wrong += not copies.agree(counts)
            time.sleep(rng.random() * 2e-4)
    machine.check()
    return busy.calls, flips, wrong


def main(flips: int, refusals: int) -> int:
    """Do both; returns the exit status."""
    began = time.monotonic()
    wrong = between_calls(flips)
    took = time.monotonic() - began
    calls, others, beside = beside_a_thread(refusals)
    print(
        f"{flips} flips between calls in {took:.1f} s: {wrong} wrong; {refusals} refused beside a thread "
        f"in {calls} calls, {others} carried out between them: {beside} wrong"
    )
    return int(wrong + beside > 0)


if __name__ == "__main__":
    arguments = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(arguments + [100_000, 1_000][len(arguments) :])))
