"""What makes a machine: the one list that every stage asks, and never a host's name.

Two sittings whose facts differ here are not one measurement:

--append, --resume       refuse before they measure (`Fact.refuses`)
show, answer, report     warn of a file that mixes machines
compare, export          refuse a file that mixes machines, and two files of unlike ones
history                  begins a series for each machine, and leaves out a file that mixes them
publish, machines        file a run under its machine, and refuse one that mixes them
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

UNKNOWN: Final = "unknown"
ONLY: Final = "only"
"""Core type of a processor that says that its cores are all alike."""


@dataclass(frozen=True)
class Fact:
    """One fact that makes a machine.

    Attributes
    ----------
    name
        Of the metadata.
    why
        It makes another machine, in words for whoever is refused.
    refuses
        Whether --append and --resume refuse processes in which it differs. Where it does not they join, the
        readers warn, and the file stands for no single machine.
    """

    name: str
    why: str
    refuses: bool = True


FACTS: Final = (
    Fact("cpu_vendor", "another maker's core"),
    Fact("cpu_family", "another generation of cores"),
    Fact("cpu_model", "another core, or other caches around it"),
    Fact("cpu_stepping", "a stepping mends or switches off parts of a core"),
    Fact("cpu_microcode", "microcode changes what instructions and predictors do"),
    Fact("cpu_core_type", "performance and efficiency cores are two designs"),
    Fact("smt", "a sibling thread takes a share of the core"),
    Fact("governor", "it chooses the clock, and when the clock changes"),
    Fact("virtual", "a hypervisor takes time, and translates addresses twice"),
    Fact(
        "platform",
        "another kernel has other mitigations and another scheduler",
        # An update between two sittings must not make a run of hours impossible to finish: timed code makes
        # no system call. Whoever asks for one machine's figures is told all the same.
        refuses=False,
    ),
    Fact("thp", "huge pages change what a miss in the TLB costs"),
    Fact("cpu_model_name", "one set of numbers is sold with several cache sizes and clocks"),
)
"""In the order in which the key of a machine was first made of them; what came later stands behind."""
NAMES: Final = tuple(fact.name for fact in FACTS)


def plain(name: str, value: Any) -> str:
    """A fact without what says which CPU of the machine was asked, or which C library was there."""
    text = str(value)
    return {"smt": text.partition(",")[0], "platform": re.sub(r"-with-.*", "", text)}.get(name, text)


def stated(facts: Mapping[str, Any]) -> dict[str, str]:
    """Every fact of the list as `facts`, metadata of a process, has it; `unknown` where it does not say."""
    return {name: plain(name, facts.get(name, UNKNOWN)) for name in NAMES}


def identity(facts: Mapping[str, Any]) -> dict[str, str]:
    """What a machine is told apart by: as `stated`, but that an unknown core type counts as `only`.

    Files from before it could be told say `only` of every processor but Intel's hybrid ones.
    """
    known = stated(facts)
    return known | ({"cpu_core_type": ONLY} if known["cpu_core_type"] == UNKNOWN else {})


def mixed(processes: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Facts that differ between processes, each with its values in the order in which they were met.

    Parameters
    ----------
    processes
        Metadata of each.
    """
    seen: dict[str, dict[str, str]] = {name: {} for name in NAMES}
    for facts in processes:
        words = stated(facts)
        for name, value in identity(facts).items():
            seen[name].setdefault(value, words[name])
    return {name: tuple(values.values()) for name, values in seen.items() if len(values) > 1}


def differing(seen: Iterable[Mapping[str, Any]], new: Mapping[str, Any]) -> list[tuple[Fact, str, str]]:
    """Facts in which new processes are known to differ from those that were seen, with both values in words.

    What one side does not know is no difference here; a reader of the file warns of it.
    """
    old, here = [stated(facts) for facts in seen], stated(new)
    found = []
    for fact in FACTS:
        values = list(dict.fromkeys(each[fact.name] for each in old if each[fact.name] != UNKNOWN))
        if here[fact.name] != UNKNOWN and set(values) - {here[fact.name]}:
            found.append((fact, said(values), here[fact.name]))
    return found


def said(value: Any) -> str:
    """A fact in words: `1`, and of several values `1 and 2`."""
    if not isinstance(value, tuple | list):
        return str(value)
    *others, last = map(str, value)
    return f"{', '.join(others)} and {last}" if others else last


def said_of(values: Mapping[str, Sequence[str]]) -> str:
    """Several facts that differ, on one line: `cpu_stepping 1 and 2; governor performance and powersave`."""
    return "; ".join(f"{name} {said(seen)}" for name, seen in values.items())
