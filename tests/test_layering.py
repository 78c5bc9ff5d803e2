"""The tree keeps its shape: imports point downstream, files stay short, names of machines stay out."""

import ast
from pathlib import Path

import pytest

from tests.command import ROOT

PACKAGES = ("model", "benchmarks", "results", "plots")
FORBIDDEN = {
    "model": {"benchmarks", "results", "plots"},
    "benchmarks": {"results", "plots"},
    "results": {"model", "benchmarks", "plots"},
    "plots": {"model", "benchmarks"},
}
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
LONGEST = 400


def modules(path: Path) -> set[str]:
    """Modules that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports; `model.common`, which everybody may import, left out."""
    return {name.split(".")[0] for name in modules(path) if not name.startswith("model.common")}


def relative(path: Path) -> str:
    """Name for the test's id."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_imports_point_downstream(path: Path) -> None:
    """Model -> benchmarks -> run.json -> results -> plots; Numba stays in model/compiler."""
    names = imported(path)
    package = path.relative_to(ROOT).parts[0]
    assert not names & FORBIDDEN[package]
    if path.parent != ROOT / "model" / "compiler":
        assert not names & {"numba", "llvmlite"}


def test_the_common_room_imports_nothing_of_the_project() -> None:
    """That is why everybody may import it."""
    for path in (ROOT / "model" / "common").glob("*.py"):
        assert not imported(path) & set(PACKAGES), path


@pytest.mark.parametrize("path", [*FILES, *sorted((ROOT / "tests").glob("*.py"))], ids=relative)
def test_files_stay_readable(path: Path) -> None:
    """A longer file is split by noun."""
    assert len(path.read_text().splitlines()) <= LONGEST
