"""How many defects would the tests find? `make mutations`, or `python -m tests.mutations` with options.

A mutant is a module with one operator, number or keyword changed (by Cosmic Ray, whose operators these are;
`make mutations` installs it). Of each module below a few are drawn by a seed, and the tests named beside it
run on each, in a copy of the committed tree. A mutant is killed when a test fails, or never ends. Prints a
table, and each mutant that lived, as a diff. Exit status 1 when fewer are killed than --least.
"""

import argparse
import difflib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
TARGETS: Final[Mapping[str, Sequence[str]]] = {
    "results/analysis/estimate.py": ("estimate", "parts", "arithmetic"),
    "results/analysis/conditions.py": ("parts", "estimate"),
    "results/analysis/verdict.py": ("arithmetic", "estimate", "results"),
    "results/analysis/compare.py": ("compare", "pair", "parts"),
    "benchmarks/timing/levels.py": ("levels", "parts"),
    "benchmarks/timing/scheme.py": ("scheme",),
    "benchmarks/timing/sampler.py": ("sampler", "start", "slices", "disturbed"),
    "benchmarks/timing/table.py": ("slices",),
    "model/machine_code/builds.py": ("builds",),
    "model/machine_code/pieces.py": ("builds",),
    "model/vmlinux/unpacking.py": ("vmlinux_reading",),
    "model/vmlinux/elf.py": ("vmlinux_reading", "vmlinux_loading"),
    "model/vmlinux/kallsyms.py": ("vmlinux_reading", "vmlinux_real"),
    "model/vmlinux/btf.py": ("vmlinux_btf", "vmlinux_real"),
    "model/vmlinux/relocation.py": ("vmlinux_loading", "vmlinux_real"),
    "model/vmlinux/boot.py": ("vmlinux_loading", "vmlinux_real"),
    "model/vmlinux/patching.py": ("vmlinux_loading", "vmlinux_real"),
}
"""Module -> the tests of it, as they are named behind `tests/test_`."""
LEFT_OUT: Final = ("BitOr", "RemoveDecorator", "ExceptionReplacer")
"""Operators whose mutants die by themselves: `|` stands in annotations, and a name is missing."""
NOT_TESTED: Final = ("@dataclass", "repr=False", "__name__", "add_argument")
"""What no test asks for: that a value cannot be changed, is shown in short, and what a help text says."""
SLOWER: Final = 6.0
"""A mutant whose tests take so many times as long as without it does not end."""


@dataclass(frozen=True)
class Mutant:
    """A module with one change."""

    operator: str
    occurrence: int
    line: int


def mutants(source: str) -> Iterator[Mutant]:
    """Every one of a module."""
    from cosmic_ray import plugins
    from cosmic_ray.ast import ast_nodes, get_ast

    tree = get_ast(source)
    for name in sorted(plugins.operator_names()):
        operator = plugins.get_operator(name)
        if operator.arguments() or any(part in name for part in LEFT_OUT):
            continue
        at = [start for node in ast_nodes(tree) for start, _ in operator().mutation_positions(node)]
        yield from (Mutant(name, number, start[0]) for number, start in enumerate(at))


def drawn(source: str, count: int, rng: random.Random) -> list[Mutant]:
    """Some of them, at most one of a line: first the lines are drawn."""
    by_line: dict[int, list[Mutant]] = {}
    text = source.splitlines()
    for mutant in mutants(source):
        if not any(word in text[mutant.line - 1] for word in NOT_TESTED):
            by_line.setdefault(mutant.line, []).append(mutant)
    lines = rng.sample(sorted(by_line), min(count, len(by_line)))
    return [rng.choice(by_line[line]) for line in sorted(lines)]


def changed(source: str, mutant: Mutant) -> str:
    """The module with that change."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    made: Any = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)
    return str(made)


def passes(tree: Path, tests: Sequence[str], limit: float | None) -> bool:
    """Whether these tests pass in a tree, within so many seconds."""
    files = [f"tests/test_{name}.py" for name in tests if (tree / f"tests/test_{name}.py").exists()]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--noconftest", "-p", "no:cacheprovider", *files]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        return not subprocess.run(command, cwd=tree, env=environment, timeout=limit, **quiet).returncode
    except subprocess.TimeoutExpired:
        return False


def judged(tree: Path, module: str, count: int, seed: int) -> tuple[int, list[str]]:
    """How many mutants of a module were made, and those that lived, as diffs."""
    path, lived = tree / module, []
    source, tests = path.read_text(), TARGETS[module]
    began = time.monotonic()
    if not passes(tree, tests, None):
        raise SystemExit(f"{module}: its tests fail as it is")
    limit = SLOWER * (time.monotonic() - began)
    chosen = drawn(source, count, random.Random(f"{seed} {module}"))
    for mutant in chosen:
        made = changed(source, mutant)
        path.write_text(made)
        try:
            if passes(tree, tests, limit):
                before, after = source.splitlines(), made.splitlines()
                lived.append("\n".join(difflib.unified_diff(before, after, module, n=0, lineterm="")))
        finally:
            path.write_text(source)
    return len(chosen), lived


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--commit", default="HEAD", help="the tree whose tests are judged (HEAD)")
    parser.add_argument("--only", default="", help="modules whose path contains this")
    parser.add_argument("--count", type=int, default=12, help="mutants of each module (12)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--least", type=float, default=0.0, help="least share that must be killed, 0 to 1")
    asked = parser.parse_args()
    total = killed = 0
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        tree = Path(folder)
        git = ["git", "-C", str(ROOT), "archive", asked.commit]
        archive = subprocess.run(git, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        (tree / ".venv").symlink_to(ROOT / ".venv")  # real kernel files lie there
        for module in TARGETS:
            if asked.only not in module or not (tree / module).exists():
                continue
            made, lived = judged(tree, module, asked.count, asked.seed)
            total, killed = total + made, killed + made - len(lived)
            print(f"{module:40}{made - len(lived):4} of {made:3}", *lived, sep="\n", flush=True)
    print(f"{'all':40}{killed:4} of {total:3}")
    if total and killed < asked.least * total:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
