"""Kernel versions, one folder each, and what they share: how images are made, how loops are timed."""

from importlib import import_module
from typing import Any, Final

FOLDERS: Final = {"v4.3": "v4_3"}
"""Version -> its folder. Another version is one more entry."""


def kernel_called(version: str) -> Any:
    """The kernel of a version, `KERNEL` of its folder.

    Raises
    ------
    KeyError
    """
    return import_module(f"model.kernels.{FOLDERS[version]}.kernel").KERNEL
