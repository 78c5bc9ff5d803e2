"""Start states for measuring: which pages are freed, in which order, and how they are given back."""

from typing import Any

import numpy as np
import numpy.typing as npt

from model.code.disturbance import Disturbance
from model.kernels.arrays import address_of, aligned
from model.kernels.loop_record import LOOP
from model.kernels.mix import pattern
from model.kernels.v6_18.machine import Machine
from model.kernels.v6_18.page import ANON, LIST_POISON1, NO_TYPE, STRUCT_PAGE, ZSMALLOC
from model.vocabulary.scenario import PageKind, Scenario


def template(kind: PageKind, machine: Machine) -> npt.NDArray[Any]:
    """A page as its owner holds it just before the free, alike on every variant's kernel.

    Parameters
    ----------
    kind
        `flagged`: its owner leaves a page type behind, as zsmalloc's pages do.
    machine
        Whose flags and addresses it has.

    Returns
    -------
    STRUCT_PAGE[1]
    """
    page = np.zeros(1, STRUCT_PAGE)
    page["flags"] = machine.memory.plain_flags
    page["page_type"], page["_refcount"] = NO_TYPE, 1
    page["compound_head"] = LIST_POISON1
    if kind == "anon":
        page["mapping"] = address_of(machine.memory.arena) | ANON
    if kind == "flagged":
        page["page_type"] = ZSMALLOC
    return page


class StartState:
    """Pages in play, the order in which they are freed, and the memory that restores them.

    Parameters
    ----------
    machine
        Its page array must have room for `pages`.
    scenario
        What each page is, and in which order they are freed.
    pages
        How many pages are freed before they are given back.
    rng
        Draws the random order.
    filled
        Make every page at once one of the scenario's kind; else a loop's `restore` will.
    """

    def __init__(
        self,
        machine: Machine,
        scenario: Scenario,
        pages: int,
        rng: np.random.Generator,
        *,
        filled: bool = False,
    ) -> None:
        self.machine, self.scenario, self.pages = machine, scenario, pages
        memory = machine.memory
        if filled:
            memory.fill(template(scenario.page_kind, machine))
        self.order_of_pages = np.arange(pages, dtype=np.uint32)
        if scenario.order == "random":
            rng.shuffle(self.order_of_pages)
        self._kinds = pattern(scenario, pages, rng)
        self._between = None if scenario.between == "nothing" else Disturbance(scenario.between)
        self._arena = aligned(np.uint8, memory.arena.nbytes - memory.restored)
        self._arena[:] = memory.arena.view(np.uint8)[memory.restored :]

    def freed(self) -> int | None:
        """Pages freed since boot, by the kernel's own count."""
        return int(self.machine.memory.cpu["pgfree"])

    def held(self, pages: npt.NDArray[np.uint32]) -> int:
        """How many of these pages, by number, still have a reference: so many were not freed."""
        return int((self.machine.memory.mem_map["_refcount"][pages] != 0).sum())

    def loop_record(self, variant: str) -> "LoopRecord":
        """What the timed loops are told; all variants free the same pages."""
        return LoopRecord(self)

    @property
    def between(self) -> int:
        """Address of what is called before each free; 0: nothing is."""
        return self._between.address if self._between else 0

    def kinds_address(self, rng: np.random.Generator) -> int:
        """Where a slice's kinds begin: in a random mix at a place drawn anew, so that nobody learns it."""
        return address_of(self._kinds) + int(rng.integers(len(self._kinds) - self.pages + 1))

    def order_address(self, at: int) -> int:
        """Where the loops find the page to free at this place of the order."""
        return address_of(self.order_of_pages) + at * self.order_of_pages.itemsize


class LoopRecord:
    """The LOOP record over a start state.

    Attributes
    ----------
    address
        What the timed loops take.
    record
        LOOP[1]; `n`, `passes` and `restore` may be changed between calls.
    templates
        The bytes that a page starts as, one page per kind.
    others
        Of other CPUs; there are none.
    """

    def __init__(self, start: StartState) -> None:
        memory = start.machine.memory
        kind = start.scenario.page_kind
        kinds: tuple[PageKind, PageKind] = ("plain", kind) if start.scenario.mixed else (kind, kind)
        self._templates = aligned(STRUCT_PAGE, 2)
        for place, each in enumerate(kinds):
            self._templates[place] = template(each, start.machine)[0]
        self.templates = self._templates.tobytes()
        self.others: list[LoopRecord] = []
        self.record = np.zeros(1, LOOP)
        self.address = address_of(self.record)
        self.record["mem_map"] = address_of(memory.mem_map)
        self.record["order_of_pages"] = address_of(start.order_of_pages)
        self.record["n"] = self.record["pages"] = start.pages
        self.record["passes"] = self.record["restore"] = 1
        self.record["kinds"], self.record["templates"] = address_of(start._kinds), address_of(self._templates)
        self.record["between"] = start.between
        self.record["arena"] = address_of(memory.arena) + memory.restored
        self.record["arena_start"], self.record["arena_bytes"] = address_of(start._arena), start._arena.nbytes
