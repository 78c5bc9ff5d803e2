"""Kernel versions, one folder each, and what they share: how images are made, how loops are timed."""

from importlib import import_module
from typing import Any, Final

from model.kernels.kernel import Kernel, Path
from model.vocabulary.scenario import AXES, Scenario

VERSIONS: Final = AXES["kernel"]
"""The modelled versions. A version's folder has its name, with `_` for `.`."""


def kernel_called(version: str) -> Kernel:
    """The kernel of a version, `KERNEL` of its folder, or a kernel file by its release.

    Raises
    ------
    ModuleNotFoundError
        For a version that is not modelled.
    """
    if version not in VERSIONS:
        from model.kernels.kernel_file.as_kernel import kernel_of
        from model.kernels.kernel_file.known import file_called

        if known := file_called(version):
            return kernel_of(known)
    kernel: Kernel = import_module(f"model.kernels.{_folder_of(version)}.kernel").KERNEL
    return kernel


def compiled_called(name: str) -> Any:
    """What the compiling process needs of a version, or of kernel files: `spec_of` and `linkage`."""
    return import_module(f"model.kernels.{_folder_of(name)}.kernel").KERNEL


def _folder_of(version: str) -> str:
    return version.replace(".", "_")


def kernels() -> list[Kernel]:
    """Every version, in the order of the list."""
    return [kernel_called(version) for version in VERSIONS]


def path_of(scenario: Scenario) -> Path:
    """The path that a scenario measures."""
    return kernel_called(scenario.kernel).paths[scenario.path]
