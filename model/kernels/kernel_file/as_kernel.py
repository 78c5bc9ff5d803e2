"""A kernel file as a kernel beside the modelled ones."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.kernels.kernel import Kernel
from model.kernels.kernel_file.image import spec_of
from model.kernels.kernel_file.known import KnownFile
from model.kernels.kernel_file.path import FilePath
from model.kernels.kernel_file.scenarios import scenarios_of, sweeps_of
from model.kernels.offer import Offer
from model.vocabulary.scenario import Scenario


@dataclass(frozen=True)
class FileKernel(Kernel):
    """A kernel file as a kernel beside the modelled ones.

    Attributes
    ----------
    booted
        The scenario that it is in as booted.
    """

    booted: Scenario | None = None

    @property
    def usual(self) -> Scenario:
        """Where its price list is measured."""
        if self.booted is None:
            raise AssertionError(self.name)
        return self.booted


_made: dict[str, tuple[KnownFile, tuple[object, ...], FileKernel]] = {}
"""Release -> the file, what was known of it, and the kernel that was made of that."""


def kernel_of(file: KnownFile) -> FileKernel:
    """Its scenarios and arms, as those of a version; made anew once a survey has found more of the file."""
    found = tuple(file.surveys), tuple(other.name for other in file.beside), len(file.inserts)
    known, then, kernel = _made.get(file.name, (None, (), None))
    if kernel is None or known is not file or then != found:
        kernel = _kernel_of(file)
        _made[file.name] = file, found, kernel
    return kernel


def _kernel_of(file: KnownFile) -> FileKernel:
    return FileKernel(
        name=file.name,
        paths={"free": FilePath(file)},
        scenarios=scenarios_of(file.usual, file.entries),
        quick=[file.usual],
        booted=file.usual,
        not_quick=frozenset(),
        sweeps=sweeps_of(file.usual, file.entries),
        sweep_arms=frozenset((name, "none") for name in file.variants),
        variants=file.variants,
        calibration={},
        keys={},
        offer=Offer({}, {}, (), {}, {}),
        template=Path(),
        spec_of=spec_of,
        linkage=_never,
    )


def _never() -> Any:
    raise AssertionError("a kernel file is not compiled")
