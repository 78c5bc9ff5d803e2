"""Kernel versions, one folder each, and what they share: how images are made, how loops are timed."""

from importlib import import_module
from typing import Final

from model.kernels.kernel import Kernel, Path
from model.vocabulary.scenario import Scenario

FOLDERS: Final = {"v4.3": "v4_3"}
"""Version -> its folder. Another version is one more entry."""


def kernel_called(version: str) -> Kernel:
    """The kernel of a version, `KERNEL` of its folder.

    Raises
    ------
    KeyError
    """
    kernel: Kernel = import_module(f"model.kernels.{FOLDERS[version]}.kernel").KERNEL
    return kernel


def kernels() -> list[Kernel]:
    """Every version, in the order of the list."""
    return [kernel_called(version) for version in FOLDERS]


def path_of(scenario: Scenario) -> Path:
    """The path that a scenario is about."""
    return kernel_called(scenario.kernel).paths[scenario.path]
