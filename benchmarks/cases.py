"""Cases: scenarios of a kernel with their arms, and how `--only` chooses among them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from model.code.image import Spec
from model.common.errors import FreepathError
from model.kernels import VERSIONS, kernels, path_of
from model.kernels.kernel import Kernel, Path
from model.vocabulary.scenario import AXES, DEFAULTS, GATES, Arm, Scenario

DEFAULT_KERNEL: Final = VERSIONS[0]


class SelectionError(FreepathError):
    """The selection names what does not exist, or leaves nothing to measure."""


NAMES: Final[Mapping[str, Sequence[str]]] = {
    "variant": [name for kernel in kernels() for name in kernel.variants],
    "gate": GATES,
    **AXES,
}
"""What `--only` can choose by, and the values of each."""


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

    @property
    def path(self) -> Path:
        """What the scenario is about."""
        return path_of(self.scenario)

    @property
    def pages_per_slice(self) -> int:
        """Pages that one slice of one arm frees: pyperf's inner loops."""
        return self.path.pages_per_pass(self.scenario) * self.path.passes(self.scenario)

    def images(self) -> list[Spec]:
        """What its arms run, compiled."""
        return [self.path.image(self.scenario, arm) for arm in self.arms]


def case_of(scenario: Scenario) -> Case:
    """A scenario with every arm that it has."""
    return Case(scenario, tuple(path_of(scenario).arms(scenario)))


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
    terms.setdefault("kernel", [DEFAULT_KERNEL])
    if (
        "page_kind" in terms
        and not {"share", "spread"} & terms.keys()
        and "*" not in "".join(terms["page_kind"])
    ):
        terms["share"] = [DEFAULTS["share"]]  # a kind by its name means pages that are all of it
    named = {axis for axis in terms if axis not in ("variant", "gate", "memory", "kernel")}
    headline = quick and not named and terms["memory"] == ["warm"]
    cases = []
    for kernel in kernels():
        for scenario in kernel.quick if headline else kernel.scenarios:
            if all(_matches(scenario.axes[axis], globs) for axis, globs in terms.items() if axis in AXES):
                arms = [a for a in path_of(scenario).arms(scenario) if _wanted(kernel, a, terms, quick)]
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
        if axis not in NAMES:
            raise SelectionError(f"--only: no axis is called '{axis}'; there are {', '.join(NAMES)}")
        for name, value in _modern(axis, glob):
            terms.setdefault(name, []).append(_known(name, value))
    return terms


def _modern(axis: str, glob: str) -> list[tuple[str, str]]:
    """A mix as it was called until axis `share` came: `page_kind=flagged-10-random`."""
    parts = glob.split("-")
    if axis != "page_kind" or len(parts) != 3:
        return [(axis, glob)]
    return list(zip((axis, "share", "spread"), parts, strict=True))


def _known(axis: str, glob: str) -> str:
    if not any(fnmatchcase(value, glob) for value in NAMES[axis]):
        raise SelectionError(f"no {axis} matches '{glob}'; there are {', '.join(NAMES[axis])}")
    return glob


def _matches(value: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(value, glob) for glob in globs)


def _wanted(kernel: Kernel, arm: Arm, terms: dict[str, list[str]], quick: bool) -> bool:
    if arm.variant in ("base", "base-twin"):
        return True
    if "gate" in terms and arm.gate != "none" and not _matches(arm.gate, terms["gate"]):
        return False
    if "variant" in terms:
        return _matches(arm.variant, terms["variant"])
    return not quick or not {(arm.variant, None), (arm.variant, arm.gate)}.isdisjoint(kernel.quick_arms)
