"""Axes, scenarios and arms: what there is to measure, in words.

An axis is declared once, as a field of `Scenario` with the type of its values and its default; a value is one
word more in that type. Readers fill in the default where a file was written before the axis existed. Which
values a kernel version has, and what they mean, is in its folder.
"""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Final, Literal, get_args, get_type_hints

MemcgState = Literal["off", "disabled", "on-idle", "on-active", "on-charged"]
"""Compiled out; cgroup_disable=memory; live and key off; key on, page not charged; key on, page charged."""
PageKind = Literal["plain", "anon", "flagged", "charged"]
Memory = Literal["warm", "l2", "l3", "dram"]
Order = Literal["sequential", "random"]
Depth = Literal["prepare", "pcp", "full"]
Checks = Literal["on", "deferred", "off"]
Entry = Literal["__free_pages", "put_page", "release_pages"]
Share = Literal["1", "5", "10", "25", "50", "75", "100"]
Spread = Literal["periodic", "random"]
Between = Literal["nothing", "pause", "data", "code", "branches"]
KernelVersion = Literal["v4.3"]
PathName = Literal["free"]
Gate = Literal["jump-label", "memory-flag", "none"]
"""How a variant asks the static key; `none` where no key is asked."""
GATES: Final[tuple[Gate, ...]] = get_args(Gate)
STRUCT_PAGES: Final[Mapping[Memory, int]] = {"warm": 512, "l2": 8192, "l3": 65536, "dram": 16_777_216}
"""struct pages in play: 32 KiB, 512 KiB, 4 MiB, 1 GiB of them."""


@dataclass(frozen=True)
class Scenario:
    """What the arms that are measured together have in common; each field is an axis.

    Attributes
    ----------
    memcg
        State of the memory cgroups.
    page_kind
        What is freed: plain, anonymous, marked as a kmem page, or that and charged to a cgroup.
    memory
        Struct pages in play (`STRUCT_PAGES`).
    order
        In which they are freed.
    depth
        How far the path goes: the checks, the per-CPU list, or drains to the buddy allocator as well.
    checks
        free_pages_check on every free (v4.3), at the drain (v4.7 to v6.4), or not at all (the default since).
    entry
        Function by which a page comes into the path.
    share
        Percent of the pages that are of `page_kind`; the others are plain.
    spread
        Of a share: evenly, or drawn anew for every slice.
    between
        What happens between two frees: nothing, so they follow each other; or each is timed alone, after
        nothing else (`pause`), after work that takes the first-level data or instruction cache, or after
        branches that nobody can predict.
    kernel, path
        The version that is modelled, and which of its paths.
    """

    memcg: MemcgState
    page_kind: PageKind = "plain"
    memory: Memory = "warm"
    order: Order = "sequential"
    depth: Depth = "pcp"
    checks: Checks = "on"
    entry: Entry = "__free_pages"
    share: Share = "100"
    spread: Spread = "periodic"
    between: Between = "nothing"
    kernel: KernelVersion = "v4.3"
    path: PathName = "free"

    def __post_init__(self) -> None:
        """Refuse a value that its axis does not have: it would be measured as another.

        Raises
        ------
        ValueError
        """
        for axis, value in self.axes.items():
            if value not in AXES[axis]:
                raise ValueError(f"{axis}={value} does not exist; there are {', '.join(AXES[axis])}")

    @property
    def axes(self) -> dict[str, str]:
        """Value of each axis."""
        return {axis: getattr(self, axis) for axis in AXES}

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

    def but(self, **axes: str) -> "Scenario":
        """The same with other values of some axes."""
        return replace(self, **axes)  # type: ignore[arg-type]

    def metadata(self) -> dict[str, str]:
        """The axes and the name, as every run carries them."""
        return self.axes | {"scenario": self.name}


AXES: Final[Mapping[str, tuple[str, ...]]] = {
    axis: get_args(kind) for axis, kind in get_type_hints(Scenario).items()
}
"""Axis -> its values."""
DEFAULTS: Final[Mapping[str, str]] = {
    field.name: str(field.default) for field in fields(Scenario) if field.default is not MISSING
}
"""What a run that does not say it was measured with."""
ALWAYS_NAMED: Final = ("memcg", "page_kind", "memory", "order", "depth")


def name_of(axes: Mapping[str, str]) -> str:
    """A scenario's name from the values of its axes, whoever chose them."""
    unusual = [axis for axis in AXES if axis not in ALWAYS_NAMED and axes[axis] != DEFAULTS[axis]]
    written = {axis: f"{axes[axis]}%" if axis == "share" else axes[axis] for axis in unusual}
    return "/".join([*(axes[axis] for axis in ALWAYS_NAMED), *written.values()])


def axes_of(metadata: Mapping[str, object]) -> dict[str, str]:
    """The axes of a run from its metadata, whenever it was measured.

    Until axis `share` came, a mix was a kind of page: `flagged-10-random`.
    """
    axes = {axis: str(metadata.get(axis, DEFAULTS.get(axis, ""))) for axis in AXES}
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
