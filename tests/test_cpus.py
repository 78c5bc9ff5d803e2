"""Which microarchitecture a run was measured on, and how wide it is."""

from typing import Any

import pytest

from results.reading.cpus import core_of, processor_line

AMD, INTEL = "AuthenticAMD", "GenuineIntel"


def facts(vendor: str, family: int, model: int, core_type: str = "only") -> dict[str, Any]:
    """As a run has them: texts."""
    return {
        "cpu_model_name": "A name",
        "cpu_vendor": vendor,
        "cpu_family": str(family),
        "cpu_model": str(model),
        "cpu_stepping": "1",
        "cpu_core_type": core_type,
    }


@pytest.mark.parametrize(
    ("vendor", "family", "model", "core_type", "name", "width"),
    [
        (AMD, 23, 0x01, "only", "Zen 1", 5),  # Naples
        (AMD, 23, 0x31, "only", "Zen 2", 6),  # EPYC Rome
        (AMD, 23, 0x71, "only", "Zen 2", 6),
        (AMD, 25, 0x01, "only", "Zen 3", 6),  # Milan
        (AMD, 25, 0x21, "only", "Zen 3", 6),
        (AMD, 25, 0x50, "only", "Zen 3", 6),
        (AMD, 25, 0x11, "only", "Zen 4", 6),  # Genoa
        (AMD, 25, 0x61, "only", "Zen 4", 6),
        (AMD, 25, 0xA0, "only", "Zen 4", 6),  # Bergamo
        (AMD, 26, 0x02, "only", "Zen 5", 8),  # Turin
        (AMD, 26, 0x44, "only", "Zen 5", 8),
        (INTEL, 6, 0x55, "only", "Skylake", 4),
        (INTEL, 6, 0x9E, "only", "Skylake", 4),
        (INTEL, 6, 0x6A, "only", "Ice Lake", 5),
        (INTEL, 6, 0x8C, "only", "Ice Lake", 5),  # Tiger Lake
        (INTEL, 6, 0x8F, "only", "Golden Cove", 6),  # Sapphire Rapids
        (INTEL, 6, 0x97, "core", "Golden Cove", 6),  # Alder Lake
    ],
)
def test_cores_that_are_known(
    vendor: str, family: int, model: int, core_type: str, name: str, width: int
) -> None:
    """Family and model tell; the name does not ("AMD EPYC" is several)."""
    core = core_of(facts(vendor, family, model, core_type))
    assert core is not None and (core.name, core.width) == (name, width)


@pytest.mark.parametrize(
    "unknown",
    [
        {},
        facts(AMD, 23, 0x98),  # neither Zen 1 nor Zen 2
        facts(AMD, 26, 0x50),  # Zen 6
        facts(AMD, 6, 0x97, "core"),
        facts(INTEL, 6, 0x97, "atom"),  # its other cores are narrower
        facts(INTEL, 6, 0x97),  # a guest that cannot tell
        facts(INTEL, 6, 0x2A),
        facts("GenuineNobody", 6, 0x55),
        facts(AMD, 26, 2) | {"cpu_model": "x"},
        facts(AMD, 26, 2) | {"cpu_model": ("2", "68")},
        facts(AMD, 26, 2) | {"cpu_vendor": None},
    ],
)
def test_nothing_is_predicted_for_others(unknown: dict[str, Any]) -> None:
    """Rather no prediction than one for another core."""
    assert core_of(unknown) is None


def test_the_line_names_what_is_known() -> None:
    """Name, core, family, model and stepping; and which kind of a hybrid processor's cores."""
    assert processor_line({}) == "unknown processor"
    assert processor_line({"cpu_model_name": "A name"}) == "A name"
    assert processor_line(facts(AMD, 26, 2)) == "A name (Zen 5: family 26 model 2 stepping 1)"
    hybrid = processor_line(facts(INTEL, 6, 0x97, "atom"))
    assert hybrid == "A name (family 6 model 151 stepping 1, atom CPU)"
