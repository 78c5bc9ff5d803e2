"""The tree keeps its shape: imports point downstream, files stay short, names of machines stay out."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path

from model.kernels import VERSIONS
from tests.command import ROOT

PACKAGES = ("model", "benchmarks", "results", "plots")
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
TESTS = sorted((ROOT / "tests").glob("*.py"))
LONGEST = 400


def differs_from(version: str) -> list[str]:
    """The versions that one is a difference from, as its folder declares it, nearest first."""
    folder = import_module(f"model.kernels.{version.replace('.', '_')}")
    other = getattr(folder, "DIFFERS_FROM", None)
    return [] if other is None else [other, *differs_from(other)]


ROOMS = (
    *(
        "model.common",
        "model.vocabulary",
        "model.machine_code",
        "model.compiler",
        *(f"model.kernels.{version.replace('.', '_')}" for version in VERSIONS),
        "model.vmlinux",
    ),
    *("benchmarks.__main__", "results.__main__", "plots.__main__"),
    *("results.agreement", "results.fidelity", "results.filing"),
    *("benchmarks.disasm", "benchmarks.timing", "benchmarks.census", "benchmarks.fleet"),
    "benchmarks.figures",
    *("results.reading", "results.analysis", "results.claims", "results.output"),
    *("results.kept", "results.pages"),
    *("model.kernels", "model", "benchmarks", "results", "plots"),
)
"""A file belongs to the first room that it lies in."""
RESULTS = (
    *("model.common", "model.vocabulary", "results.reading", "results.analysis", "results.claims"),
    *("results.output", "results.kept", "results.pages", "results"),
)
"""Each may know those before it."""
KNOWS: dict[str, set[str]] = {
    "model": set(),
    "model.common": set(),
    "model.vocabulary": set(),
    "model.vmlinux": {"model.common"},
    "model.machine_code": {"model.common"},
    "model.compiler": {"model.common"},
    "model.kernels": {
        "model.machine_code",
        "model.compiler",
        "model.common",
        "model.vmlinux",
        "model.vocabulary",
    },
    **{
        f"model.kernels.{version.replace('.', '_')}": {
            *(f"model.kernels.{other.replace('.', '_')}" for other in differs_from(version)),
            *("model.kernels", "model.machine_code", "model.compiler", "model.common", "model.vocabulary"),
        }
        for version in VERSIONS
    },
    "benchmarks": {"model.kernels", "model.machine_code", "model.common", "model.vocabulary"},
    "benchmarks.timing": {
        *("benchmarks", "model.kernels", "model.machine_code", "model.common", "model.vocabulary"),
    },
    "benchmarks.fleet": {"benchmarks", "model.common", "model.vocabulary"},
    "benchmarks.figures": {"benchmarks", "benchmarks.timing", "model.common", "model.vocabulary"},
    "benchmarks.census": {
        *("benchmarks", "model.kernels", "model.machine_code", "model.common", "model.vocabulary"),
    },
    "benchmarks.disasm": {
        *("benchmarks", "benchmarks.census", "model.kernels", "model.machine_code", "model.common"),
        "model.vocabulary",
    },
    **{room: set(RESULTS[:floor]) for floor, room in enumerate(RESULTS) if room.startswith("results")},
    **{f"results.{command}": set(RESULTS) for command in ("agreement", "fidelity", "filing")},
    "plots": set(RESULTS),
    "plots.__main__": {"plots", *RESULTS},
    "results.__main__": {"plots", *RESULTS},
    "benchmarks.__main__": {
        *(
            "benchmarks",
            "benchmarks.timing",
            "benchmarks.census",
            "benchmarks.fleet",
            *("results.analysis", "results.reading", "results.__main__"),
        ),
        *("model.kernels", "model.machine_code", "model.common", "model.vocabulary"),
    },
}
"""Whom each room may know; docs/architecture.md says it in words. The commands stand above the stages:
--until-decided measures and judges, `report` judges and draws. One arrow is drawn nowhere: the list of kernel
versions finds each folder by its name."""


def modules(path: Path) -> set[str]:
    """Modules that a file imports, anywhere in it, and those that it starts as a process (`-m`, `name`)."""
    names: set[str] = set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.List | ast.Tuple):
            words = [word.value if isinstance(word, ast.Constant) else None for word in node.elts]
            pairs = pairwise(words)
            names |= {name for flag, name in pairs if flag == "-m" and isinstance(name, str)}
    return names


def room_of(module: str) -> str | None:
    """The room that a module lies in; None outside of the project."""
    return next((room for room in ROOMS if f"{module}.".startswith(f"{room}.")), None)


def relative(path: Path) -> str:
    """As a message names it."""
    return path.relative_to(ROOT).as_posix()


def test_every_room_knows_only_whom_it_may() -> None:
    """Also by way of a process that it starts; and only model/compiler knows Numba."""
    wrong = {}
    for path in FILES:
        room = room_of(relative(path).removesuffix(".py").replace("/", "."))
        assert room is not None, path
        names = modules(path)
        known = {room_of(name) for name in names} - {None, room} - KNOWS[room]
        if room != "model.compiler":
            known |= {name.split(".")[0] for name in names} & {"numba", "llvmlite"}
        if known:
            wrong[relative(path)] = known
    assert len(FILES) > 100 and wrong == {}


def test_no_circle_and_four_floors() -> None:
    """Whom a room may know lies below it; the model has at most four floors.

    A version that is a difference from another one stands on that one's.
    """
    floors: dict[str, int] = {}
    while len(floors) < len(KNOWS):
        ready = {room for room, known in KNOWS.items() if room not in floors and known <= floors.keys()}
        assert ready, f"a circle among {KNOWS.keys() - floors.keys()}"
        floors |= {room: 1 + max((floors[known] for known in KNOWS[room]), default=0) for room in ready}
    differences = {
        f"model.kernels.{version.replace('.', '_')}": f"model.kernels.{others[0].replace('.', '_')}"
        for version in VERSIONS
        if (others := differs_from(version))
    }
    assert differences and all(floors[room] == floors[of] + 1 for room, of in differences.items())
    assert max(floors[room] for room in floors if room.startswith("model") and room not in differences) <= 4


def test_no_circle_of_files() -> None:
    """Nor of imports for types alone, nor of those inside functions."""
    by_module = {
        relative(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in FILES
    }
    left = {module: modules(path) & by_module.keys() - {module} for module, path in by_module.items()}
    while ready := {module for module, known in left.items() if not known & left.keys()}:
        left = {module: known for module, known in left.items() if module not in ready}
    assert len(by_module) == len(FILES) and left == {}


def test_files_stay_readable() -> None:
    """A longer file is split by noun."""
    lines = {relative(path): len(path.read_text().splitlines()) for path in (*FILES, *TESTS)}
    assert {path: count for path, count in lines.items() if count > LONGEST} == {}


def is_text(node: ast.stmt) -> bool:
    """A string that stands alone: the docstring of what is before it."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def texts_of_nothing(body: list[ast.stmt]) -> Iterator[int]:
    """Lines of docstrings that follow no assignment, in a module's or a class's body."""
    for before, node in pairwise(body):
        if is_text(node) and not isinstance(before, ast.Assign | ast.AnnAssign | ast.AugAssign):
            yield node.lineno


def test_a_docstring_is_of_a_constant() -> None:
    """Of the one that it stands under: two in a row belong to two constants."""
    wrong = []
    for path in (*FILES, *TESTS):
        tree = ast.parse(path.read_text())
        bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
        wrong += [f"{relative(path)}:{line}" for body in bodies for line in texts_of_nothing(body)]
    assert wrong == []


def test_every_constant_is_used() -> None:
    """A name of a module in capitals occurs somewhere beside its own line."""
    texts = [path.read_text() for path in (*FILES, *TESTS)]
    counted = Counter(word for text in texts for word in re.findall(r"\w+", text))
    defined = {
        name
        for text in texts
        for name in re.findall(r"^([A-Z][A-Z0-9_]+)(?::[^=\n]*)? = ", text, re.MULTILINE)
    }
    assert sorted(name for name in defined if counted[name] == 1) == []
