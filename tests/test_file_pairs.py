"""Two kernel files: exact counts beside the clock's difference, in one run and between two."""

from pathlib import Path

import pytest

from tests import runfile
from tests.command import run

OLD, NEW = "6.1.0-57-cloud-amd64", "6.12.117+deb12-cloud-amd64"
COUNTS = {"base": (200, 50, 30), "base-twin": (200, 50, 30), "v1": (202, 51, 30), NEW: (200, 50, 31)}
"""Arm -> instructions, loads and stores."""


def made(
    path: Path, release: str, base_ns: float, *, more: int = 0, digest: str = "", counted: bool = True
) -> Path:
    """A run of one kernel file, or of two where it is OLD's; `more` stores in each arm."""
    arms = {("base", "none"): 0.0, ("base-twin", "none"): 0.0, ("v1", "none"): 0.3, (NEW, "none"): 0.01}
    machine = runfile.FakeHost(base_ns=base_ns, between=0.0005)
    checks = "off" if release == OLD else "on"
    axes = {
        "memcg": "on-active",
        "kernel": release,
        "checks": checks,
        "config": "distribution",
        "cgroup": "v2",
    }
    session = runfile.FakeRun(arms=arms, machine=machine, axes=axes, seed=len(release) + more, processes=12)
    document = runfile.document(session, kernel_files=f"{release} sha256 {digest or release}")
    for bench in document["benchmarks"] if counted else ():
        for each in (bench, *bench["runs"]):
            variant = each.get("metadata", {}).get("variant")
            if variant in COUNTS:
                figures = zip(("instructions", "loads", "stores"), COUNTS[variant], strict=True)
                each["metadata"] |= dict(figures)
                each["metadata"]["stores"] += more
    return runfile.write(path, document)


@pytest.mark.parametrize(
    ("ns", "status", "verdict"), [(30.0, 0, "same"), (31.5, 1, "regressed"), (28.0, 0, "improved")]
)
def test_two_releases_are_compared_path_against_path(
    tmp_path: Path, ns: float, status: int, verdict: str
) -> None:
    """Though their scenarios have other names: another release, and checks as each was booted."""
    old, new = made(tmp_path / "old.json", OLD, 30.0), made(tmp_path / "new.json", NEW, ns, more=1)
    done = run("results", "compare", str(old), str(new), "--all", "--threshold", "3%")
    assert done.returncode == status, done.stdout + done.stderr
    (base,) = [line for line in done.stdout.splitlines() if ": base: " in line]
    assert base.startswith(verdict) and f"({OLD} to {NEW}; one store more)" in base
    assert (
        "missing" not in done.stdout
        and ": v1/none: " in done.stdout
        and "not the same code" not in done.stdout
    )


def test_two_builds_of_one_release(tmp_path: Path) -> None:
    """As a developer has them: their files differ. The same file is compared as any run is: by its arms."""
    old, new = (made(tmp_path / f"{n}.json", NEW, 30.0 + 2 * n, digest=str(n)) for n in (0, 1))
    done = run("results", "compare", str(old), str(new))
    assert done.returncode == 1 and "as many instructions, loads and stores" in done.stdout
    again = made(tmp_path / "again.json", NEW, 32.0, digest="0", more=1)
    assert run("results", "compare", str(old), str(again)).returncode == 0


@pytest.mark.parametrize("command", ["answer", "show"])
def test_a_file_beside_another_one(tmp_path: Path, command: str) -> None:
    """The exact difference stands beside the clock's; a run that was stored without counts is still shown."""
    file = made(tmp_path / "pair.json", OLD, 30.0)
    done = run("results", command, str(file))
    assert done.returncode == 0 and f"{NEW}: one store more; +0." in done.stdout, done.stdout
    assert "this run resolves 0.0" in done.stdout
    bare = made(tmp_path / "bare.json", OLD, 30.0, counted=False)
    done = run("results", command, str(bare))
    assert done.returncode == 0 and "more;" not in done.stdout and NEW in done.stdout
