"""Axes, scenarios and arms: the names of what is measured.

An axis is declared once, as a field of `Scenario` with the type of its values and its default; a new value is
one more word in that type. Readers fill in the default where a file was written before the axis existed.
Which values a kernel version has, and what they mean, is in its folder.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Final, Literal, get_args, get_type_hints

MemcgState = Literal["off", "disabled", "on-idle", "on-active", "on-charged"]
"""Compiled out; cgroup_disable=memory; present, key disabled; key enabled; key enabled, page charged."""
PageKind = Literal["plain", "anon", "flagged", "charged"]
Memory = Literal["warm", "l2", "l3", "dram"]
Access = Literal["sequential", "random"]
Depth = Literal["prepare", "pcp", "full"]
Checks = Literal["on", "deferred", "off"]
Entry = Literal["__free_pages", "put_page", "release_pages", "folios_put_refs", "kfree"]
Share = Literal["0", "1", "5", "10", "25", "50", "75", "100"]
Spread = Literal["periodic", "random"]
Block = Literal[
    "page",
    "order-1",
    "order-2",
    "order-3",
    "order-9",
    "compound-1",
    "compound-2",
    "compound-3",
    "compound-9",
    "order-4",
    "compound-4",
]
Levels = Literal["1", "2", "3", "4"]
Memsw = Literal["off", "on"]
Backing = Literal["huge", "small"]
Threads = Literal["1", "2", "3", "4", "6", "8", "12", "16", "24", "32", "48", "64", "96", "128"]
Between = Literal["nothing", "pause", "data", "code", "branches", "flip"]
Config = Literal["default", "distribution"]
Hvo = Literal["off", "on"]
Stock = Literal[
    "cycle", "hit", "miss", "taken", "overflow", "turn-2", "turn-4", "turn-7", "turn-8", "turn-12"
]
Cgroup = Literal["v1", "v2"]
KernelVersion = Literal["v4.3", "v6.18", "v7.1"]
RELEASE: Final = re.compile(r"\d+\.\d+[A-Za-z0-9_.+-]*")
"""Of a kernel file, measured in place of a modelled version: `6.12.117+deb12-cloud-amd64`."""
PathName = Literal["free"]
Gate = Literal["jump-label", "memory-flag", "none"]
"""How a variant tests the static key; `none` where it tests none."""
GATES: Final[tuple[Gate, ...]] = get_args(Gate)


@dataclass(frozen=True)
class Scenario:
    """What the arms that are measured together have in common; each field is an axis.

    Attributes
    ----------
    memcg
        State of the memory cgroups.
    page_kind
        What is freed: plain, anonymous, marked as a kmem page, or marked and charged to a cgroup.
    memory
        Level of the memory hierarchy that holds the struct pages in play: the first-level cache (`warm`) or
        the named one, by the sizes of this machine's caches (`model.machine_code.cpu_caches.struct_pages`).
    access
        Order in which the pages are accessed: axis `order`.
    depth
        How far the path goes: the checks, the per-CPU list, or drains to the buddy allocator as well.
    checks
        free_pages_check on every free (v4.3), at the drain (v4.7 to v6.4), or not at all (the default since).
    entry
        Function by which a page comes into the path.
    share
        Percent of the pages that are of `page_kind`; the others are plain.
    spread
        Distribution of the share: even, or drawn anew for every slice.
    between
        What happens between two frees: nothing, so they follow each other; or each is timed alone, after
        nothing else (`pause`), after L1D or L1I was evicted, after unpredictable branches, or right after the
        static keys' sites were rewritten (`flip`).
    block
        What is freed at a time: a page, or a block of an order, as one compound page or not.
    levels, memsw
        Of a charged page: cgroups that its charge is taken off, and whether memory and swap are counted too.
    backing
        Pages requested for the array of struct pages: huge ones as in the kernel, or of 4 KiB.
    threads
        CPUs that free at the same time, each from its own per-CPU lists; the zone and the cgroups are shared.
    config
        What is compiled in: x86_64's defconfig, or what distributions add (MEMCG, NUMA balancing, THP, CMA).
    hvo
        Whether struct pages of some hugetlb page were optimised away, for which the path tests a static key.
    stock
        State of the per-CPU stock of pages that are charged ahead, to which the uncharge of a page goes since
        v5.9. `cycle`: a stream of frees from an empty stock, so 1 miss, 63 hits, 1 overflow; `taken`: all
        slots belong to other cgroups, so one is drained; `turn-8`: a stream of pages charged to eight cgroups
        in turn, from an empty stock.
    cgroup
        Version of the cgroup hierarchy that controls memory.
    kernel, path
        The modelled version, and which of its paths.
    """

    memcg: MemcgState
    page_kind: PageKind = "plain"
    memory: Memory = "warm"
    access: Access = "sequential"
    depth: Depth = "pcp"
    checks: Checks = "on"
    entry: Entry = "__free_pages"
    share: Share = "100"
    spread: Spread = "periodic"
    between: Between = "nothing"
    block: Block = "page"
    levels: Levels = "2"
    memsw: Memsw = "off"
    backing: Backing = "huge"
    threads: Threads = "1"
    config: Config = "default"
    hvo: Hvo = "off"
    stock: Stock = "cycle"
    cgroup: Cgroup = "v1"
    kernel: KernelVersion = "v4.3"
    path: PathName = "free"

    def __post_init__(self) -> None:
        """Refuse a value that its axis does not have: another one would be measured.

        Raises
        ------
        ValueError
        """
        for axis, value in self.axes.items():
            if value not in AXES[axis] and not (axis == "kernel" and RELEASE.fullmatch(value)):
                raise ValueError(f"{axis}={value} does not exist; there are {', '.join(AXES[axis])}")

    @property
    def axes(self) -> dict[str, str]:
        """Value of each axis."""
        return {axis: getattr(self, FIELDS.get(axis, axis)) for axis in AXES}

    @property
    def name(self) -> str:
        """`on-idle/plain/warm/sequential/pcp`; values of other axes are appended where they are unusual."""
        return name_of(self.axes)

    @property
    def mixed(self) -> bool:
        """Whether some pages are of the kind and some are plain."""
        return self.share != "100"

    @property
    def share_of_pages(self) -> float:
        """The share as a fraction."""
        return int(self.share) / 100

    @property
    def block_order(self) -> int:
        """Order of the block that is freed at a time."""
        return 0 if self.block == "page" else int(self.block.rpartition("-")[2])

    @property
    def turns(self) -> int:
        """Cgroups that the pages are charged to in turn."""
        return int(self.stock.partition("turn-")[2] or 1)

    @property
    def compound(self) -> bool:
        """Whether that block is one compound page."""
        return self.block.startswith("compound")

    def but(self, **axes: str) -> "Scenario":
        """The same with other values of some axes."""
        return replace(self, **_fields(axes))  # type: ignore[arg-type]

    def metadata(self) -> dict[str, str]:
        """The axes and the name, as every run carries them."""
        return self.axes | {"scenario": self.name}


FIELDS: Final = {"order": "access"}
"""Axis -> field of another name: beside pages an order is 2^n of them, and files and options say `order`."""
_AXIS: Final = {field: axis for axis, field in FIELDS.items()}


def _fields(axes: Mapping[str, str]) -> dict[str, str]:
    return {FIELDS.get(axis, axis): value for axis, value in axes.items()}


AXES: Final[Mapping[str, tuple[str, ...]]] = {
    _AXIS.get(field, field): get_args(kind) for field, kind in get_type_hints(Scenario).items()
}
"""Axis -> its values."""
DEFAULTS: Final[Mapping[str, str]] = {
    _AXIS.get(field.name, field.name): str(field.default)
    for field in fields(Scenario)
    if field.default is not MISSING
}
"""Axis -> the value of a run whose metadata lacks the axis."""
USUAL: Final[Mapping[str, str]] = {**DEFAULTS, "memcg": "on-idle"}
"""Axis -> its usual value on a kernel, unless `USUAL_OF` has another. A run must state its memcg state, so
that one is no default: almost every machine with v4.3 had memcg compiled in and no kmem limit set."""
USUAL_OF: Final[Mapping[str, Mapping[str, str]]] = {
    # systemd makes cgroups, so the memcg key is on. Since v6.4 the check is behind a key that is off by
    # default; nobody runs a defconfig.
    "v6.18": {"memcg": "on-active", "checks": "off", "config": "distribution", "cgroup": "v2"},
    "v7.1": {"memcg": "on-active", "checks": "off", "config": "distribution", "cgroup": "v2"},
}
"""Kernel -> its usual values where they differ from `USUAL`."""
ALWAYS_NAMED: Final = ("memcg", "page_kind", "memory", "order", "depth")


USUAL_OF_FILES: Final[Mapping[str, str]] = {"memcg": "on-active", "config": "distribution", "cgroup": "v2"}
"""The same of a kernel file; whether it checks pages differs between files, so that is always named."""


def usual_of(kernel: str) -> dict[str, str]:
    """The usual value of every axis on a kernel, also on one that is not modelled here."""
    of_files = USUAL_OF_FILES if RELEASE.fullmatch(kernel) else {}
    return {**USUAL, **of_files, **USUAL_OF.get(kernel, {}), "kernel": kernel}


def usual_scenario(kernel: str) -> Scenario:
    """The scenario of these values."""
    return Scenario(**_fields(usual_of(kernel)))  # type: ignore[arg-type]


WRITTEN: Final = {
    "share": "{}%",
    "levels": "{}-levels",
    "memsw": "memsw-{}",
    "backing": "{}-pages",
    "threads": "{}-threads",
    "config": "{}-config",
    "hvo": "hvo-{}",
    "stock": "stock-{}",
    "cgroup": "cgroup-{}",
}
"""Axis -> form of its value in a scenario's name, where the bare value would be unclear."""


def name_of(axes: Mapping[str, str]) -> str:
    """A scenario's name from the values of its axes."""
    usual = usual_of(axes["kernel"])
    usual["kernel"] = DEFAULTS["kernel"]  # another one is named
    unusual = [axis for axis in AXES if axis not in ALWAYS_NAMED and axes[axis] != usual[axis]]
    written = [WRITTEN.get(axis, "{}").format(axes[axis]) for axis in unusual]
    return "/".join([*(axes[axis] for axis in ALWAYS_NAMED), *written])


def axes_of(metadata: Mapping[str, object]) -> dict[str, str]:
    """The axes of a run from its metadata, also of an older run.

    Before axis `share` existed, a mix was a kind of page: `flagged-10-random`.
    """
    usual = usual_of(str(metadata.get("kernel", DEFAULTS["kernel"])))
    axes = {axis: str(metadata.get(axis, usual[axis])) for axis in AXES}
    kind, *mix = axes["page_kind"].split("-")
    if len(mix) == 2 and mix[0] in AXES["share"] and mix[1] in AXES["spread"]:
        axes |= {"page_kind": kind, "share": mix[0], "spread": mix[1]}
    return axes


@dataclass(frozen=True, order=True)
class Arm:
    """One variant with one gate."""

    variant: str
    gate: str

    @property
    def name(self) -> str:
        """As in benchmark names: `v1/jump-label`."""
        return f"{self.variant}/{self.gate}"


def base_of(arm: Arm, arms: Iterable[Arm]) -> Arm:
    """The base that an arm is compared with: of its own gate if there is one, else the first.

    Raises
    ------
    StopIteration
        When no base is among the arms.
    """
    bases = [other for other in arms if other.variant == "base"]
    return next((base for base in bases if base.gate == arm.gate), None) or next(iter(bases))
