"""`--vmlinux` as users run it: what is measured, stored and refused."""

import json
from pathlib import Path

import pytest

from tests.command import refused, run
from tests.kernels import paths

BOOT = ("--boot", "thunk=none,retpoline=off")
LEAST = ("-p", "1", "-n", "1", "--quick")


@pytest.fixture(scope="module")
def kernels() -> list[str]:
    """Two real kernels."""
    if not paths():
        pytest.skip("NO REAL KERNEL IS RUN: sh tests/set_up_kernels.sh .venv/kernels")
    return [str(path) for path in (paths()[0], paths()[-1])]


def test_a_price_list_of_two_files(kernels: list[str], tmp_path: Path) -> None:
    """The second file is an arm of the first; the run says which files they are, not where they lie."""
    first, second = kernels
    file = tmp_path / "run.json"
    insert = ("--insert", "cmp=cmpl $$1, 48($0); je 2f")
    done = run("benchmarks", "--vmlinux", first, "--vmlinux", second, *BOOT, *insert, *LEAST, "-o", str(file))
    assert done.returncode == 0, done.stderr
    text = file.read_text()
    assert str(Path(first).parent) not in text and "sha256" in text and "thunk=none" in text
    shown = json.loads(run("results", "show", str(file), "--format", "json").stdout)
    variants = {cell["variant"] for cell in shown["cells"]}
    assert {"base-twin", "memcg-off", "no-list-check", "v1", "cmp"} <= variants
    assert any(name[0].isdigit() for name in variants)
    said = run("results", "answer", str(file), "--format", "mail")
    assert said.returncode == 0 and "never booted" in said.stdout and "Kernel file" in said.stdout
    assert run("results", "claims", str(file)).stdout == ""
    refused(run("results", "publish", str(file), "--to", str(tmp_path / "machines")), "kernel file")


def test_counts_and_code(kernels: list[str]) -> None:
    """Census and disassembly name the fields by BTF."""
    census = run("benchmarks.census", "--vmlinux", kernels[0], *BOOT, "--json")
    assert census.returncode == 0, census.stderr
    (base, *_) = json.loads(census.stdout)["arms"]
    assert {"object": "page", "field": "flags"}.items() <= base["accesses"][0].items() or any(
        access["object"] == "page" for access in base["accesses"]
    )
    listing = run("benchmarks.disasm", "v1", "--vmlinux", kernels[0], *BOOT)
    assert listing.returncode == 0 and "page._refcount" in listing.stdout
    listed = run("benchmarks", "--vmlinux", kernels[0], *BOOT, "--list")
    assert "places for --insert --at" in listed.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--at", "nowhere+0x1", "--insert", "nop"), "--at nowhere+0x1"),
        (("--boot", "memcg=maybe"), "memcg"),
        (("--boot", "no_such_key=on"), "no_such_key"),
        (("--variant", "check.py"), "for the models"),
        (("--sweep", "memory"), "for the models"),
        (("--only", "no-such-arm"), "selects no arm"),
        (("--insert", "bad=cli"), "cli"),
    ],
)
def test_what_cannot_be_is_refused(kernels: list[str], words: tuple[str, ...], said: str) -> None:
    """In one line, before anything is measured."""
    refused(run("benchmarks", "--vmlinux", kernels[0], *words, "--list"), said)


def test_what_is_no_kernel_is_refused(tmp_path: Path, kernels: list[str]) -> None:
    """A folder, another file, one that is not there; a file that is given twice; --boot without a file."""
    (tmp_path / "text").write_text("no kernel\n")
    for path in (tmp_path, tmp_path / "text", tmp_path / "none"):
        refused(run("benchmarks", "--vmlinux", str(path), "--list"), "--vmlinux")
    refused(run("benchmarks", "--vmlinux", kernels[0], "--vmlinux", kernels[0], "--list"), "twice")
    refused(run("benchmarks", "--boot", "memcg=off", "--list"), "--vmlinux FILE")
