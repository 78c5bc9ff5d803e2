"""What identifies a machine: one list of facts for every stage, without the host's name.

Two sessions whose facts differ here are not one measurement:

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
"""Core type of a processor whose cores are all alike."""


@dataclass(frozen=True)
class Fact:
    """One fact that identifies a machine.

    Attributes
    ----------
    name
        Its name in the metadata.
    why
        Why another value is another machine, for the message of a refusal.
    refuses
        Whether --append and --resume refuse processes in which it differs. Otherwise these join, the readers
        warn, and the file stands for no single machine.
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
        # An update between two sessions must not make a run of hours impossible to finish: timed code makes
        # no system call. The readers warn all the same.
        refuses=False,
    ),
    Fact("thp", "huge pages change what a miss in the TLB costs"),
    Fact("cpu_model_name", "one set of numbers is sold with several cache sizes and clocks"),
)
"""The facts, in the order of their first use in a machine's key; newer ones are last."""
NAMES: Final = tuple(fact.name for fact in FACTS)


def plain(name: str, value: Any) -> str:
    """A fact without the number of the CPU that it was read on, and without the C library."""
    text = str(value)
    return {"smt": text.partition(",")[0], "platform": re.sub(r"-with-.*", "", text)}.get(name, text)


def stated(facts: Mapping[str, Any]) -> dict[str, str]:
    """Every fact of the list, from the metadata of a process; `unknown` where it is absent."""
    return {name: plain(name, facts.get(name, UNKNOWN)) for name in NAMES}


def identity(facts: Mapping[str, Any]) -> dict[str, str]:
    """The facts that distinguish machines: as `stated`, but an unknown core type counts as `only`.

    Older files have `only` for every processor except Intel's hybrid ones.
    """
    known = stated(facts)
    return known | ({"cpu_core_type": ONLY} if known["cpu_core_type"] == UNKNOWN else {})


def mixed(processes: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Facts that differ between processes, each with its values in the order of their first occurrence.

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
    """Facts in which new processes are known to differ from earlier ones, with both values as text.

    A fact that one side does not know is no difference here; a reader of the file warns of it.
    """
    old, here = [stated(facts) for facts in seen], stated(new)
    found = []
    for fact in FACTS:
        values = list(dict.fromkeys(each[fact.name] for each in old if each[fact.name] != UNKNOWN))
        if here[fact.name] != UNKNOWN and set(values) - {here[fact.name]}:
            found.append((fact, said(values), here[fact.name]))
    return found


def said(value: Any) -> str:
    """A fact as text: `1`, and of several values `1 and 2`."""
    if not isinstance(value, tuple | list):
        return str(value)
    *others, last = map(str, value)
    return f"{', '.join(others)} and {last}" if others else last


def said_of(values: Mapping[str, Sequence[str]]) -> str:
    """Several facts that differ, on one line: `cpu_stepping 1 and 2; governor performance and powersave`."""
    return "; ".join(f"{name} {said(seen)}" for name, seen in values.items())
