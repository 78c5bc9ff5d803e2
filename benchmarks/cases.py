"""Scenarios and arms: what there is to measure, and how `--only` chooses.

A scenario is one line in `SCENARIOS`. Which arms it has follows from its memcg state and page kind.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Final

from model.common.errors import FreepathError
from model.kernels.v4_3.image import CHECKS, GATES, Checks, Gate, Image
from model.kernels.v4_3.machine import MEMCG_STATES, MemcgState
from model.kernels.v4_3.start import (
    DEPTHS,
    ENTRIES,
    ORDERS,
    PAGE_KINDS,
    Depth,
    Entry,
    Order,
    PageKind,
    is_kmem,
    mix_of,
    timed_loop,
)
from model.kernels.v4_3.variants import VARIANTS

MEMORY: Final = {"warm": 512, "l2": 8192, "l3": 65536, "dram": 16_777_216}
"""struct pages in play: 32 KiB, 512 KiB, 4 MiB, 1 GiB of them."""

FULL_PASS: Final = 496
"""Warm pages per pass at depth `full`: 16 whole drains of 31."""

SLICE_NS: Final = 30_000
"""A slice should take 16 to 60 us: shorter ones feel the call, longer ones catch interruptions."""
NOMINAL_NS: Final = {"prepare": 8, "pcp": 15, "full": 25}
"""ns per warm page on the machine that this was written on; it only sets how many passes make a slice."""
UNCHARGE_NS: Final = 45
SEQUENTIAL_CHUNK: Final = 4096
RANDOM_CHUNK: Final = 1024
"""Pages per slice beyond the warm set: a random page costs about four times as much."""


class SelectionError(FreepathError):
    """The selection names what does not exist, or leaves nothing to measure."""


@dataclass(frozen=True)
class Arm:
    """One variant with one gate."""

    variant: str
    gate: Gate

    @property
    def name(self) -> str:
        """As in benchmark names: `v1/jump-label`."""
        return f"{self.variant}/{self.gate}"


@dataclass(frozen=True)
class Scenario:
    """What the arms that are measured together have in common."""

    memcg: MemcgState
    page_kind: PageKind = "plain"
    memory: str = "warm"
    order: Order = "sequential"
    depth: Depth = "pcp"
    checks: Checks = "on"
    entry: Entry = "__free_pages"

    @property
    def name(self) -> str:
        """`on-idle/plain/warm/sequential/pcp`; `deferred` and another entry than the usual are appended."""
        parts = [self.memcg, self.page_kind, self.memory, self.order, self.depth]
        parts += [self.checks] if self.checks != "on" else []
        parts += [self.entry] if self.entry != "__free_pages" else []
        return "/".join(parts)

    @property
    def pages(self) -> int:
        """Pages that are freed before they are given back."""
        return FULL_PASS if self.memory == "warm" and self.depth == "full" else MEMORY[self.memory]

    @property
    def pages_per_pass(self) -> int:
        """Pages that are freed between two readings of the clock."""
        if self.memory == "warm":
            return self.pages
        return SEQUENTIAL_CHUNK if self.order == "sequential" else RANDOM_CHUNK

    @property
    def passes(self) -> int:
        """Passes per slice; cold pages are freed once."""
        mix = mix_of(self.page_kind)
        if self.memory != "warm" or (mix and mix[1] == "random"):
            return 1  # a second pass over a random mix would find its branches learned
        per_page = NOMINAL_NS[self.depth] + (UNCHARGE_NS if self.page_kind == "charged" else 0)
        return max(1, round(SLICE_NS / (self.pages * per_page)))

    @property
    def pages_per_slice(self) -> int:
        """Pages that one slice of one arm frees: pyperf's inner loops."""
        return self.pages_per_pass * self.passes

    def metadata(self) -> dict[str, str]:
        """The axes, as every run carries them."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"scenario": self.name}

    @cached_property
    def arms(self) -> list[Arm]:
        """Every arm that makes sense here, bases first."""
        arms: list[Arm] = []
        for name in VARIANTS:
            arms += [Arm(name, gate) for gate in self._gates(name) if self._takes(name)]
        return arms

    def image(self, arm: Arm) -> Image:
        """The compiled free path that this arm runs here."""
        return Image(arm.variant, arm.gate, memcg=self.memcg != "off", checks=self.checks)

    def loop(self, arm: Arm) -> str:
        """The timed loop that frees these pages as this arm's kernel does."""
        return timed_loop(arm.variant, self.memcg != "off", self.page_kind, self.depth, self.entry)

    def _takes(self, variant: str) -> bool:
        """Exact arms add to base, which cannot free a kmem page without its old helper."""
        return not is_kmem(self.page_kind) or not VARIANTS[variant].exact

    def _gates(self, variant: str) -> tuple[Gate, ...]:
        """Gates under which this variant's code differs here."""
        if self.memcg == "off":
            return ("none",)  # no key is compiled in
        if is_kmem(self.page_kind) and not VARIANTS[variant].exact:
            # The old helper asks the key too, so base exists with each gate; without any gate the
            # uncharge is always called, which answers what the key saves.
            ungated: tuple[Gate, ...] = ("none",) if variant in ("base", "v1") else ()
            return ("jump-label", *(() if variant == "base-twin" else ("memory-flag",)), *ungated)
        return ("jump-label", "memory-flag") if VARIANTS[variant].gated else ("none",)


PLAIN: Final = [Scenario(memcg) for memcg in MEMCG_STATES[:-1]]
HEADLINE: Final = [*PLAIN, Scenario("on-charged", "charged")]
"""One scenario per memcg state."""

_ON_IDLE: Final = Scenario("on-idle")
QUICK: Final = [*HEADLINE, Scenario("on-idle", "flagged"), replace(_ON_IDLE, checks="deferred")]
"""The headline, and what claims C2 and C5 need besides."""
SCENARIOS: Final = [
    *HEADLINE,
    Scenario("on-charged"),
    *(Scenario(memcg, "flagged") for memcg in MEMCG_STATES[:-1]),
    *(Scenario(memcg, "anon") for memcg in ("off", "on-idle")),
    *(replace(scenario, depth="prepare") for scenario in PLAIN[::2]),
    *(replace(scenario, depth="full") for scenario in PLAIN[::2]),
    *(replace(scenario, checks="deferred") for scenario in PLAIN[::2]),
    *(replace(_ON_IDLE, entry=entry) for entry in ENTRIES[1:]),
    *(replace(_ON_IDLE, page_kind=kind) for kind in PAGE_KINDS if mix_of(kind)),
    *(
        replace(_ON_IDLE, memory=memory, order=order, checks=checks)
        for memory in ("l2", "l3", "dram")
        for order in ORDERS
        for checks in CHECKS
    ),
]

QUICK_ARMS: Final = frozenset(
    {
        ("base", None),
        ("base-twin", None),
        ("v1", None),
        ("v1-ifdef", "jump-label"),
        ("v1-ifdef", "none"),
        ("keyfirst", None),
        ("memcg-data", "jump-label"),
        ("memcg-data", "none"),
        ("nop", None),
        ("load", None),
        ("load-compare", None),
        ("load-compare-store", None),
    }
)
"""Variant and gate (None: every gate) of the quick run: twelve headline arms for a plain page."""

AXES: Final = {
    "variant": tuple(VARIANTS),
    "gate": GATES,
    "memcg": MEMCG_STATES,
    "page_kind": PAGE_KINDS,
    "memory": tuple(MEMORY),
    "order": ORDERS,
    "depth": DEPTHS,
    "checks": CHECKS,
    "entry": ENTRIES,
}


@dataclass(frozen=True)
class Case:
    """A scenario and the arms of it that are to be measured, bases first.

    Attributes
    ----------
    processes
        How many workers; None: as the command line says.
    values
        How many values each gives; None likewise.
    plain
        One arm, one placement, plain means: what pyperf alone would do, to compare with.
    """

    scenario: Scenario
    arms: tuple[Arm, ...]
    processes: int | None = None
    values: int | None = None
    plain: bool = False


def select(only: str = "", *, memory: str = "", quick: bool = False) -> list[Case]:
    """Choose cases.

    Parameters
    ----------
    only
        Comma-separated `axis=glob` or bare globs, which mean the variant. Terms of one axis add up,
        different axes narrow down. The bases and the twin are always kept: without them nothing can be said.
    memory
        Comma-separated memory sizes, or `all`; warm by default.
    quick
        The headline scenarios and arms; an axis that `only` names overrides that.

    Raises
    ------
    SelectionError
        For an unknown axis, a term that matches nothing, or an empty selection.
    """
    terms = _parse(only)
    if memory:
        terms["memory"] = ["*"] if memory == "all" else [_known("memory", size) for size in memory.split(",")]
    terms.setdefault("memory", ["warm"])
    named = {axis for axis in terms if axis not in ("variant", "gate", "memory")}
    pool = QUICK if quick and not named and terms["memory"] == ["warm"] else SCENARIOS
    cases = []
    for scenario in pool:
        axes = scenario.metadata()
        if all(_matches(axes[axis], globs) for axis, globs in terms.items() if axis in axes):
            arms = [arm for arm in scenario.arms if _wanted(arm, terms, quick)]
            if any(_matches(arm.variant, terms.get("variant", "*")) for arm in arms):
                cases.append(Case(scenario, tuple(arms)))
    if not cases:
        raise SelectionError(f"--only '{only}' selects nothing: see python -m benchmarks --list")
    return cases


def _parse(only: str) -> dict[str, list[str]]:
    terms: dict[str, list[str]] = {}
    for term in filter(None, (part.strip() for part in only.split(","))):
        axis, _, glob = term.rpartition("=")
        axis = axis or "variant"
        if axis not in AXES:
            raise SelectionError(f"--only: no axis is called '{axis}'; there are {', '.join(AXES)}")
        terms.setdefault(axis, []).append(_known(axis, glob))
    return terms


def _known(axis: str, glob: str) -> str:
    if not any(fnmatchcase(value, glob) for value in AXES[axis]):
        raise SelectionError(f"no {axis} matches '{glob}'; there are {', '.join(AXES[axis])}")
    return glob


def _matches(value: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(value, glob) for glob in globs)


def _wanted(arm: Arm, terms: dict[str, list[str]], quick: bool) -> bool:
    if arm.variant in ("base", "base-twin"):
        return True
    if "gate" in terms and arm.gate != "none" and not _matches(arm.gate, terms["gate"]):
        return False
    if "variant" in terms:
        return _matches(arm.variant, terms["variant"])
    return not quick or (arm.variant, None) in QUICK_ARMS or (arm.variant, arm.gate) in QUICK_ARMS
