"""Kinds of cores, from what CPUID says on made-up processors, and which of them are measured."""

import os
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks import core_types
from benchmarks.core_types import Ask, by_kind, core_type, cpuid, kind_of
from benchmarks.doctor import _cores
from benchmarks.timing.affinity import one_kind
from model.common.errors import UsageError
from model.common.system_files import cpu_list, cpus_in

Leaves = Mapping[tuple[int, int], tuple[int, int, int, int]]
HYBRID, GUEST = 1 << 15, 1 << 31
FIRST, SECOND, THIRD = 0x21, 0x43, 0x63
"""Caches in leaf 4: data of level 1, unified of levels 2 and 3."""


def processor(vendor: str, leaves: Leaves, *, guest: bool = False) -> Ask:
    """CPUID of a processor that has these leaves; all others are empty."""
    ebx, edx, ecx = struct.unpack("<3I", vendor.encode())
    known = {(0, 0): (0x1F, ebx, ecx, edx), (1, 0): (0, 0, GUEST if guest else 0, 0), **leaves}
    return lambda leaf, subleaf: known.get((leaf, subleaf), (0, 0, 0, 0))


def intel(kind: int, caches: tuple[int, ...] = (FIRST, SECOND, THIRD), *, guest: bool = False) -> Ask:
    """A CPU of a hybrid Intel processor."""
    found = {(4, number): (cache, 0, 0, 0) for number, cache in enumerate(caches)}
    hybrid = {(7, 0): (0, 0, 0, HYBRID), (0x1A, 0): (kind << 24, 0, 0, 0)}
    return processor("GenuineIntel", hybrid | found, guest=guest)


def amd(eax: int, ebx: int = 0, *, guest: bool = False, highest: int = 0x80000028) -> Ask:
    """A CPU of an AMD processor whose leaf 0x80000026 has these registers."""
    leaves = {(0x80000000, 0): (highest, 0, 0, 0), (0x80000026, 0): (eax, ebx, 0, 0)}
    return processor("AuthenticAMD", leaves, guest=guest)


@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (intel(0x40), "core"),
        (intel(0x20), "atom"),
        (intel(0x20, (FIRST, SECOND)), "lowpower"),  # Meteor Lake's, Crestmont like its other E-cores
        (intel(0x30), "unknown"),
        (processor("GenuineIntel", {}), "only"),
        (processor("GenuineIntel", {}, guest=True), "unknown"),
        (intel(0x20, guest=True), "atom"),
        (amd(1 << 30, 0 << 28 | 16), "performance"),  # Strix Point
        (amd(1 << 30, 1 << 28 | 8), "efficiency"),
        (amd(1 << 30, 7 << 28), "unknown"),
        (amd(0, 1 << 28), "only"),  # Bergamo: all its cores are dense ones
        (amd(0, guest=True), "unknown"),
        (amd(1 << 30, 1 << 28, highest=0x80000021), "only"),  # Zen 3: the leaf does not exist
        (amd(0, highest=0x80000021, guest=True), "unknown"),
        (processor("HygonGenuine", {}), "unknown"),
    ],
)
def test_the_kind_that_a_cpu_says(ask: Ask, kind: str) -> None:
    """Both of AMD's, all three of Intel's; what a hypervisor may hide is unknown, and never one."""
    assert kind_of(ask) == kind


def test_cpuid_is_that_of_this_processor() -> None:
    """The vendor is the one that the kernel read; asking leaves this thread where it may run."""
    before = os.sched_getaffinity(0)
    _, ebx, ecx, edx = cpuid(0, 0)
    assert struct.pack("<3I", ebx, edx, ecx).decode() in Path("/proc/cpuinfo").read_text()
    assert core_type(min(before)) in core_types.KINDS and os.sched_getaffinity(0) == before


def test_a_cpu_that_may_not_be_asked_is_unknown(tmp_path: Path) -> None:
    """It is offline, or outside of this process's affinity."""
    assert core_type(1 << 20, tmp_path) == "unknown"


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """Kinds of CPUs 0 to 7, all of which may be used."""
    found = {cpu: "core" if cpu < 4 else "atom" for cpu in range(8)}
    monkeypatch.setattr(core_types, "core_type", lambda cpu, system: found[cpu])
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(found))
    monkeypatch.setattr("benchmarks.doctor.online", lambda: sorted(found))
    return found


def test_workers_run_on_one_kind(
    kinds: dict[int, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the performance cores, with a note; on others where they were asked for; on two kinds never."""
    assert one_kind(None, tmp_path) == "0-3"
    assert "core: CPUs 0-3; atom: CPUs 4-7" in (said := capsys.readouterr().err) and "--affinity 4-7" in said
    assert one_kind("5-6", tmp_path) == "5-6" and not capsys.readouterr().err
    with pytest.raises(UsageError, match=r"--affinity 3-4: core: CPUs 3; atom: CPUs 4; .* such as 3"):
        one_kind("3-4", tmp_path)
    kinds |= dict.fromkeys(kinds, "unknown")
    assert one_kind(None, tmp_path) == "0-7" and one_kind("0,7", tmp_path) == "0,7"
    assert not capsys.readouterr().err


def test_isolated_cpus_are_the_ones_that_count(kinds: dict[int, str], tmp_path: Path) -> None:
    """Pyperf puts workers there, if there are any."""
    (tmp_path / "system" / "cpu").mkdir(parents=True)
    (tmp_path / "system" / "cpu" / "isolated").write_text("6-7\n")
    assert one_kind(None, tmp_path) == "6-7"
    (tmp_path / "system" / "cpu" / "isolated").write_text("3,6-7\n")
    assert one_kind(None, tmp_path) == "3"


def test_one_cpu_speaks_for_a_processor_without_kinds(kinds: dict[int, str]) -> None:
    """Of the others some may be outside of this process's set, where they cannot be asked."""
    kinds |= dict.fromkeys(kinds, "unknown") | {2: "only"}
    assert by_kind(kinds) == {"only": [*range(8)]}


@pytest.mark.parametrize(
    ("others", "text"),
    [
        ({}, "core: CPUs 0-3; atom: CPUs 4-7"),
        (dict.fromkeys(range(8), "unknown"), "unknown"),
        (dict.fromkeys(range(8), "only"), "one"),
        ({6: "lowpower", 7: "lowpower"}, "core: CPUs 0-3; atom: CPUs 4-5; lowpower: CPUs 6-7"),
    ],
)
def test_the_doctor_tells_kinds(others: dict[int, str], text: str, kinds: dict[int, str]) -> None:
    """`one` only where the processor says so."""
    kinds |= others
    *_, finding = _cores({"smt": "off"})
    assert (finding.value, finding.disturbs) == (text, ":" in text)


def test_lists_of_cpus() -> None:
    """As the kernel writes them, read and written."""
    assert cpus_in("0-3,8") == [0, 1, 2, 3, 8] and cpus_in("") == []
    assert cpu_list([0, 1, 2, 3, 8]) == "0-3,8"
