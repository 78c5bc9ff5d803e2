"""Pythons that are not a .venv: packages that come by the environment, none at all, or another version."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest

from model.common.process import NEEDED_BY_PYTHON, python_path
from tests.command import ROOT, refused, run

ONLY = "base,memcg=off,page_kind=plain,depth=pcp,checks=on,entry=__free*"
ONE = ("-p", "1", "-n", "1", "-l", "96", "--only", ONLY)
PACKAGES = sysconfig.get_path("purelib")
BARE = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
"""The Python that the .venv was made of."""


@pytest.fixture(scope="module")
def bare() -> str:
    """A Python that finds none of our packages of itself."""
    if not BARE.exists() or subprocess.run([BARE, "-c", "import numba"], capture_output=True).returncode == 0:
        pytest.skip(f"{BARE} has the packages, or is not there")
    return str(BARE)


def called(
    python: str, *arguments: str, cwd: Path = ROOT, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """PYTHON -m ARGUMENTS in the checkout, with these variables and nothing else that leads to packages."""
    env = {name: value for name, value in os.environ.items() if name not in NEEDED_BY_PYTHON} | dict(
        more or {}
    )
    return subprocess.run([python, "-m", *arguments], cwd=cwd, env=env, capture_output=True, text=True)


@pytest.mark.parametrize(
    "relative",
    [pytest.param(False, marks=pytest.mark.reliability, id="absolute"), pytest.param(True, id="relative")],
)
@pytest.mark.usefixtures("one_cpu")
def test_packages_by_pythonpath_reach_every_process(bare: str, tmp_path: Path, relative: bool) -> None:
    """Compiler and worker find them too, wherever they run; so does the assembler."""
    packages = os.path.relpath(PACKAGES, ROOT) if relative else PACKAGES
    more = {"PYTHONPATH": packages, "XDG_CACHE_HOME": str(tmp_path)}
    done = called(bare, "benchmarks", *ONE, "-o", str(tmp_path / "run.json"), more=more)
    assert done.returncode == 0, done.stderr
    done = called(bare, "benchmarks", "--insert", "nop", "--list", more=more)
    assert done.returncode == 0, done.stderr


def test_entries_of_pythonpath_stay_what_they_were(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After ours, and for a child in another folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "a:/b:")
    assert python_path(ROOT) == f"{ROOT}:{tmp_path / 'a'}:/b:{tmp_path}"
    monkeypatch.delenv("PYTHONPATH")
    assert python_path(ROOT) == str(ROOT)


@pytest.mark.parametrize("command", ["benchmarks --list", "benchmarks.census", "results machines", "plots ."])
def test_missing_packages_are_no_finding(bare: str, command: str) -> None:
    """One line that says what to do; 1 would mean a regression."""
    refused(called(bare, *command.split()), "lacks what freepath needs (No module named", "make setup")


def needing(folder: Path, variable: str) -> str:
    """A Python that does not start without a variable, as one whose libraries lie elsewhere."""
    said = "error while loading shared libraries: libpython.so"
    python = folder / "python"
    python.write_text(
        f'#!/bin/sh\n[ -n "${variable}" ] || {{ echo "{said}" >&2; exit 127; }}\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    return str(python)


@pytest.mark.parametrize("variable", ["LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONUSERBASE"])
def test_workers_are_given_what_their_python_needs(tmp_path: Path, variable: str) -> None:
    """As the process has it that starts them."""
    python = needing(tmp_path, variable)
    value = {"PYTHONHOME": f"{sys.base_prefix}:{sys.base_exec_prefix}"}.get(variable, str(tmp_path))
    more = {variable: value, "PYTHONPATH": f"{ROOT}:{PACKAGES}"}
    done = called(sys.executable, "benchmarks", *ONE, "--python", python, more=more)
    assert done.returncode == 0, done.stderr


def test_a_worker_that_cannot_start_says_why_and_what_helps(tmp_path: Path) -> None:
    """Its exit status, its last line, the option; with that option it starts."""
    python = needing(tmp_path, "OUR_LIBRARIES")
    done = run("benchmarks", *ONE, "--python", python, OUR_LIBRARIES="here")
    assert done.returncode == 2
    assert "a worker ended with exit status 127; stderr: error while loading" in done.stderr
    assert "--copy-env" in done.stderr.splitlines()[-1]
    again = run("benchmarks", *ONE, "--python", python, "--copy-env", OUR_LIBRARIES="here")
    assert again.returncode == 0, again.stderr
    helped = run("benchmarks", "--help").stdout
    assert "--copy-env" in helped and "--inherit-environ" in helped


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout to break one module of."""
    folder = tmp_path_factory.mktemp("copied")
    unwanted = shutil.ignore_patterns("__pycache__", "*.json.gz", "machines", "reference")
    for name in ("model", "benchmarks", "results", "plots"):
        shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
    return folder


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("benchmarks --list", "benchmarks/cases.py"),
        ("benchmarks --list", "model/kernels/v4_3/variants/v1.py"),
        ("benchmarks.census", "model/vocabulary/scenario.py"),
        ("benchmarks.disasm v1", "model/vocabulary/scenario.py"),
        ("results machines", "results/analysis/machines.py"),
        ("plots .", "plots/drawing.py"),
    ],
)
@pytest.mark.parametrize("broken", ["def\n", "import model.nowhere\n", "raise OSError(5, 'no')\n"])
def test_a_crash_before_the_command_is_no_finding(
    copied: Path, command: str, module: str, broken: str
) -> None:
    """A module of ours that cannot be imported is a defect of ours, 70, as one that fails later."""
    path = copied / module
    good = path.read_text()
    path.write_text(broken + good)
    try:
        done = called(sys.executable, *command.split(), cwd=copied)
    finally:
        path.write_text(good)
    assert done.returncode == (2 if "OSError" in broken else 70), done.stderr
    assert ("a defect of freepath" in done.stderr) == (done.returncode == 70)


OLD = """
import sys
sys.version_info, sys.version = (3, 9, 2), "3.9.2 (default)"
import model.common.command
"""


def test_an_old_python_is_no_finding() -> None:
    """It would stumble over our syntax, with 1."""
    done = subprocess.run([sys.executable, "-c", OLD], cwd=ROOT, capture_output=True, text=True)
    refused(done, "needs Python 3.11 to 3.13", "is 3.9.2: make setup")
