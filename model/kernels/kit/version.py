"""The interface of a modelled version, from what its folder declares."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any, Protocol

from model.kernels.kernel import Kernel, Link, Path
from model.kernels.offer import Offer
from model.kernels.variants import Variants
from model.machine_code.image import Spec
from model.vocabulary.scenario import Scenario


class Scenarios(Protocol):
    """A version's `scenarios`, as `Kernel` describes them."""

    @property
    def SCENARIOS(self) -> Sequence[Scenario]: ...  # noqa: D102, N802
    @property
    def QUICK(self) -> Sequence[Scenario]: ...  # noqa: D102, N802
    @property
    def NOT_QUICK(self) -> Collection[tuple[str, str | None]]: ...  # noqa: D102, N802
    @property
    def SWEEPS(self) -> Mapping[str, Sequence[Scenario]]: ...  # noqa: D102, N802
    @property
    def SWEEP_ARMS(self) -> Collection[tuple[str, str]]: ...  # noqa: D102, N802


class Forms(Protocol):
    """A version's `variants`: forms of the patch point, and those that only calibrate."""

    @property
    def VARIANTS(self) -> Variants: ...  # noqa: D102, N802
    @property
    def CALIBRATION(self) -> Variants: ...  # noqa: D102, N802


def version(
    name: str,
    file: str,
    path: Path,
    scenarios: Scenarios,
    variants: Forms,
    keys: Mapping[str, int],
    offer: Offer,
    spec_of: Callable[[dict[str, Any]], Spec],
    linkage: Callable[[], tuple[Any, Link]],
    counted_when_asked: Collection[Scenario] = (),
) -> Kernel:
    """A version with one path, `free`.

    Parameters
    ----------
    file
        Its `kernel.py`; the template of a variant, `new_variant.txt`, lies beside it.
    name, keys, offer, spec_of, linkage, counted_when_asked
        As `Kernel` has them.
    """
    return Kernel(
        name=name,
        paths={"free": path},
        scenarios=scenarios.SCENARIOS,
        quick=scenarios.QUICK,
        not_quick=scenarios.NOT_QUICK,
        sweeps=scenarios.SWEEPS,
        sweep_arms=scenarios.SWEEP_ARMS,
        variants=variants.VARIANTS,
        calibration=variants.CALIBRATION,
        keys=keys,
        offer=offer,
        template=FilePath(file).with_name("new_variant.txt"),
        spec_of=spec_of,
        linkage=linkage,
        counted_when_asked=counted_when_asked,
    )


def like(
    other: Kernel,
    name: str,
    path: Path,
    variants: Forms,
    spec_of: Callable[[dict[str, Any]], Spec],
    linkage: Callable[[], tuple[Any, Link]],
    **own: Any,
) -> Kernel:
    """A version that is a difference from another one: its scenarios, keys, offer and template hold here too.

    Parameters
    ----------
    path, variants, spec_of, linkage
        This version's, as `version` has them.
    own
        Any other attribute of `Kernel` that is not the other one's, such as `sweep_arms`.
    """

    def here(scenarios: Iterable[Scenario]) -> list[Scenario]:
        return [scenario.but(kernel=name) for scenario in scenarios]

    taken = {
        "scenarios": here(other.scenarios),
        "quick": here(other.quick),
        "sweeps": {axis: here(along) for axis, along in other.sweeps.items()},
        "counted_when_asked": here(other.counted_when_asked),
        "variants": variants.VARIANTS,
        "calibration": variants.CALIBRATION,
    }
    return replace(
        other, name=name, paths={"free": path}, spec_of=spec_of, linkage=linkage, **{**taken, **own}
    )
