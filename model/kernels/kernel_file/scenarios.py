"""The measured scenarios of a kernel file: axes and values as the model of v6.18 has them."""

from collections.abc import Iterator, Mapping, Sequence

from model.kernels.kernel_file.path import VALUES
from model.vocabulary.scenario import Entry, Scenario


def sweeps_of(usual: Scenario, entries: Sequence[Entry]) -> Mapping[str, Sequence[Scenario]]:
    """Axis -> the scenarios along it, the usual one first.

    Parameters
    ----------
    usual
        Where the file's price list is measured.
    entries
        Those that the file has.
    """
    charged = usual.but(memcg="on-charged", page_kind="charged", stock="hit")
    return {
        "entry": [usual.but(entry=entry) for entry in entries],
        "memory": [usual, *_cold(usual)],
        "block": [usual.but(block=block) for block in VALUES["block"]],
        "stock": [usual, *([charged] if usual.memcg == "on-active" else [])],
    }


def _cold(usual: Scenario) -> Iterator[Scenario]:
    for memory in ("l2", "l3", "dram"):
        for access in VALUES["order"]:
            yield usual.but(memory=memory, access=access)


def scenarios_of(usual: Scenario, entries: Sequence[Entry]) -> Sequence[Scenario]:
    """All of them, each once."""
    sweeps = sweeps_of(usual, entries).values()
    return list(dict.fromkeys(scenario for sweep in sweeps for scenario in sweep))
