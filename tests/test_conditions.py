"""Which processor this is, from files made up as the kernel writes them."""

from pathlib import Path

import pytest

from benchmarks.conditions import IDENTITY, core_type, processor

AMD = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
model name\t: AMD EPYC
stepping\t: 1
microcode\t: 0xb002116

processor\t: 1
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
model name\t: AMD EPYC
stepping\t: 1
microcode\t: 0xb002147

"""
INTEL = "\n\n".join(
    f"processor\t: {number}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 151\n"
    "model name\t: 12th Gen Intel(R) Core(TM) i7-12700K\nstepping\t: 2\nmicrocode\t: 0x35"
    for number in range(20)
)
ARM = """\
processor\t: 0
BogoMIPS\t: 50.00
Features\t: fp asimd
CPU implementer\t: 0x41
CPU architecture: 8
"""


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """/sys/devices of a processor that is not hybrid."""
    (tmp_path / "devices").mkdir()
    return tmp_path / "devices"


def written(folder: Path, text: str) -> Path:
    """A /proc/cpuinfo with this text."""
    path = folder / "cpuinfo"
    path.write_text(text)
    return path


def hybrid(system: Path) -> None:
    """What an Alder Lake's kernel adds: eight P-cores with two threads each, four E-cores."""
    for kind, cpus in (("core", "0-13,14-15\n"), ("atom", "16-18,19\n")):
        (system / f"cpu_{kind}").mkdir()
        (system / f"cpu_{kind}" / "cpus").write_text(cpus)


def test_amd(tmp_path: Path, system: Path) -> None:
    """Family and model tell generations apart that have one name; the microcode is that CPU's own."""
    facts = processor(1, written(tmp_path, AMD), system)
    assert facts == {
        "cpu_vendor": "AuthenticAMD",
        "cpu_family": "26",
        "cpu_model": "2",
        "cpu_stepping": "1",
        "cpu_microcode": "0xb002147",
        "cpu_core_type": "only",
    }
    assert processor(0, written(tmp_path, AMD), system)["cpu_microcode"] == "0xb002116"


@pytest.mark.parametrize(
    ("cpu", "kind"), [(0, "core"), (13, "core"), (15, "core"), (16, "atom"), (19, "atom")]
)
def test_a_hybrid_processor_is_two(tmp_path: Path, system: Path, cpu: int, kind: str) -> None:
    """Family and model are the same, the cores are not."""
    hybrid(system)
    facts = processor(cpu, written(tmp_path, INTEL), system)
    assert (facts["cpu_family"], facts["cpu_model"]) == ("6", "151")
    assert facts["cpu_core_type"] == kind


def test_a_cpu_that_is_in_no_list(system: Path) -> None:
    """It is neither; a list may be empty while all cores of a kind are offline."""
    hybrid(system)
    (system / "cpu_atom" / "cpus").write_text("\n")
    assert core_type(16, system) == "only"


def test_another_architecture_has_other_fields(tmp_path: Path, system: Path) -> None:
    """Said, instead of left out: all runs have the same names."""
    facts = processor(0, written(tmp_path, ARM), system)
    assert facts == dict.fromkeys(IDENTITY, "unknown") | {"cpu_core_type": "only"}


def test_without_the_file_nothing_is_claimed(tmp_path: Path, system: Path) -> None:
    """As in a sandbox without /proc."""
    assert processor(0, tmp_path / "missing", system) == {}


def test_the_cpu_is_the_one_that_measures(
    tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker tells of its own CPU, which need not be the first one of the machine."""
    monkeypatch.setattr("benchmarks.conditions.current_cpu", lambda: 1)
    assert processor(None, written(tmp_path, AMD), system)["cpu_microcode"] == "0xb002147"
