"""Hostile places: a command in a mount namespace of its own, where files of /proc and /sys are others."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.command import ROOT

PIDS_ONLY = "mount -t proc -o subset=pid proc /proc"
"""A /proc without what is no process: no meminfo, cpuinfo, stat, loadavg, sys."""


def instead(files: Mapping[str, bytes], folder: Path) -> str:
    """Commands of a shell that put these contents in the place of files that exist."""
    lines = []
    for number, (path, content) in enumerate(files.items()):
        made = folder / f"instead-{number}"
        made.write_bytes(content)
        lines.append(f"mount --bind '{made}' {path}")
    return "\n".join(lines)


def run_where(
    mounts: str, *arguments: str, cwd: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Python ARGUMENTS where these mounts were made; the test is skipped where that is not allowed."""
    namespaces = ("unshare", "--mount", "--pid", "--fork", *(() if os.geteuid() == 0 else ("-r",)))
    tried = subprocess.run([*namespaces, "sh", "-ec", mounts], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no mounts of our own can be made here: {tried.stderr.strip()}")
    script = f'{mounts}\nexec "$0" "$@"'
    return subprocess.run(
        [*namespaces, "sh", "-ec", script, sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )
