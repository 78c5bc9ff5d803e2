"""Copies of this checkout that have one more kernel version."""

import shutil
from pathlib import Path

from tests.command import ROOT, run


def copied(root: Path, *, after: str, name: str) -> Path:
    """The packages of freepath in a folder, with another name in the list of versions; returns the folder.

    Parameters
    ----------
    after
        The version behind which it stands.
    """
    unwanted = shutil.ignore_patterns("__pycache__", "machines", "runs")
    for package in ("model", "benchmarks", "results", "plots"):
        shutil.copytree(ROOT / package, root / package, ignore=unwanted)
    words = root / "model/vocabulary/scenario.py"
    (line,) = (line for line in words.read_text().splitlines() if line.startswith("KernelVersion = "))
    assert line.count(f'"{after}"') == 1
    words.write_text(words.read_text().replace(line, line.replace(f'"{after}"', f'"{after}", "{name}"')))
    return root


def met(checkout: Path, *words: str, fails: bool = False) -> str:
    """Standard output of a command there, which must do its work; or standard error of one that must not."""
    cache = str(checkout.parent / "cache")
    done = run(*words, cwd=checkout, PYTHONPATH=str(checkout), XDG_CACHE_HOME=cache)
    if fails:
        assert done.returncode not in (0, 1), done.stdout
        return done.stderr
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
    return done.stdout
