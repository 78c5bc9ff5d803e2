"""Kernel files of distributions, for tests that read real ones; tests/set_up_kernels.sh brings them."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from model.vmlinux.kernel_file import KernelFile
from model.vmlinux.reading import read
from tests.command import ROOT

FOLDER: Final = Path(os.environ.get("FREEPATH_KERNELS", ROOT / ".venv" / "kernels"))
"""Where they are: FREEPATH_KERNELS names another folder of vmlinuz-RELEASE files."""
LEAST: Final = 2


def paths() -> Sequence[Path]:
    """All of them, in the order of their versions; none where fewer than two are there."""
    found = sorted(FOLDER.glob("vmlinuz-*"), key=_version)
    return found if len(found) >= LEAST else ()


def _version(path: Path) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", path.name)]


def parameters(*, every: bool = False) -> list[object]:
    """Each of them as a parameter of a test; one that is skipped, and says why, where there are none.

    Parameters
    ----------
    every
        Else only the latest of each version is for `make test`, and the others for `make reliability`.
    """
    found = paths()
    latest = {tuple(_version(path)[:2]): path for path in found}.values()
    if not found:
        why = f"NO REAL KERNEL IS READ: fewer than {LEAST} in {FOLDER}; sh tests/set_up_kernels.sh {FOLDER}"
        return [pytest.param(None, marks=pytest.mark.skip(reason=why), id="none")]
    later = pytest.mark.reliability
    return [
        pytest.param(
            path,
            id=path.name.removeprefix("vmlinuz-"),
            marks=[] if every or path in latest else [later],
        )
        for path in found
    ]


def real(path: Path) -> KernelFile:
    """One of them, read; kept in the user's cache as by any command."""
    return read(path)
