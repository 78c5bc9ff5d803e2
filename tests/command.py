"""Run a command as a user does."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests import forked

ROOT = Path(__file__).parent.parent


def run(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python -m ARGUMENTS, from the checkout or from elsewhere with the checkout on the path."""
    env = {**forked.inherited(), "PYTHONPATH": str(ROOT), **environment}
    if forked.can_run(env):
        return forked.run(arguments, cwd, env)
    return started(*arguments, cwd=cwd, **environment)


def drawn(*arguments: str, cwd: Path = ROOT, figures: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """A command that draws a run's first figure only, and these: for tests of no others."""
    return forked.run(arguments, cwd, {**forked.inherited(), "PYTHONPATH": str(ROOT)}, figures)


def started(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own, where a start of Python, its memory or its speed is the point."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=cwd, env=env, capture_output=True, text=True
    )


def shell(line: str, environment: Mapping[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A line of bash, in which `$PYTHON` is this one; nothing is said to it of its streams."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONIO", "PYTHONUN"))}
    env |= {"PYTHONPATH": str(ROOT), "PYTHON": sys.executable, **environment}
    return subprocess.run(["bash", "-c", line], cwd=cwd, env=env, capture_output=True, text=True)


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit status 2, one line on stderr that contains the words, nothing else."""
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
