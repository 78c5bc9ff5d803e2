"""As booted: what the file alone does not say, assumed in the open and changeable by the user.

A wrong assumption gives no error by itself, so every one has a name, a value and a reason, and a run keeps
them. `as_booted(kernel, "check_pages=off,thunk=none")` changes some; `str(boot)` prints all in the same form.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.common.errors import UsageError
from model.vmlinux.kernel_file import KernelFile

CPUINFO: Final = Path("/proc/cpuinfo")
READ, THIS_CPU, ASSUMED, ASKED = "read from the file", "of this CPU", "assumed", "asked for"
ON, OFF, YES, NO = "on", "off", "yes", "no"
THUNKS: Final = {
    "none": "",
    "retbleed": "retbleed_return_thunk",
    "srso": "srso_return_thunk",
    "srso-alias": "srso_alias_return_thunk",
    "its": "its_return_thunk",
}
"""Return thunks by name, each with its function: arch/x86/lib/retpoline.S v6.1.192, v6.12, v7.3."""
KEYS: Final = {
    "check_pages": ("check_pages_enabled",),
    "deferred_pages": ("deferred_pages",),
    "memcg": ("memcg_kmem_online_key", "memcg_kmem_enabled_key"),
    "hvo": ("hugetlb_optimize_vmemmap_key",),
    "virt_spin_lock": ("virt_spin_lock_key",),
}
"""Static keys that booting sets, by a short name; of several symbols the first that a kernel has."""
SHORT_NAMES: Final = {symbol: name for name, symbols in KEYS.items() for symbol in symbols}
NOT_BOOTED_FLAGS: Final = frozenset({"la57"})
"""Features that a booted kernel is assumed to go without: its memory map is laid out for four levels."""


@dataclass(frozen=True)
class Cpu:
    """A CPU as /proc/cpuinfo describes it: names of its features and of its defects, and its model."""

    flags: frozenset[str]
    bugs: frozenset[str]
    vendor: str
    family: int


def this_cpu(path: Path = CPUINFO) -> Cpu:
    """The CPU that this process runs on.

    Raises
    ------
    UsageError
        When its description cannot be read.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise UsageError(f"cannot read {path}, which names the CPU's features: {error.strerror}") from None
    fields = dict(re.findall(r"^([^\t:\n]+)\t*: ?(.*)$", text.split("\n\n")[0], re.MULTILINE))
    return Cpu(
        frozenset(fields.get("flags", "").split()),
        frozenset(fields.get("bugs", "").split()),
        fields.get("vendor_id", ""),
        int(fields.get("cpu family", 0)),
    )


@dataclass(frozen=True)
class Assumption:
    """One thing that is taken for true of the booted kernel.

    Attributes
    ----------
    name, value
        As `--boot` takes them.
    source
        `read from the file`, `of this CPU`, `assumed`, or `asked for`.
    why
        Where the kernel does it, and what it depends on.
    """

    name: str
    value: str
    source: str
    why: str


@dataclass(frozen=True)
class Boot:
    """A booted state.

    Attributes
    ----------
    assumptions
        All of it, in the order of their names.
    flags
        Features of the CPU, by their names in /proc/cpuinfo.
    keys
        Static keys by symbol, and whether each is on; all others are as in the file.
    """

    assumptions: tuple[Assumption, ...]
    flags: frozenset[str]
    keys: Mapping[str, bool]

    def __str__(self) -> str:
        return ",".join(f"{each.name}={each.value}" for each in self.assumptions)

    def value(self, name: str) -> str:
        """Of one assumption; empty where the kernel has nothing to assume."""
        return next((each.value for each in self.assumptions if each.name == name), "")

    @property
    def guest(self) -> bool:
        """Whether it runs in a virtual machine."""
        return self.value("guest") == YES

    @property
    def retpoline(self) -> bool:
        """Whether indirect calls go through retpolines."""
        return self.value("retpoline") == ON

    @property
    def thunk_function(self) -> str:
        """Function that returns go through; empty for a plain return."""
        return THUNKS[self.value("thunk")]


def as_booted(kernel: KernelFile, changes: str = "", cpu: Cpu | None = None) -> Boot:
    """The state in which this CPU would run this kernel, with the user's changes.

    Parameters
    ----------
    changes
        `NAME=VALUE,...`: the names below, or any static key's symbol with `on` or `off`.
    cpu
        The one to boot on; this process's unless a test says another.

    Raises
    ------
    UsageError
        When a change is not understood, or the kernel has no such key or thunk.
    """
    cpu = cpu or this_cpu()
    wanted = parse(changes)
    found = {each.name: each for each in _assumed(kernel, cpu, wanted.get("guest"))}
    for name, value in wanted.items():
        found[name] = _changed(kernel, name, value, found)
    symbols = {name: _symbol(kernel, KEYS[name]) for name in found if name in KEYS}
    guest = found["guest"].value == YES
    flags = (cpu.flags - NOT_BOOTED_FLAGS - {"hypervisor"}) | ({"hypervisor"} if guest else set())
    return Boot(
        tuple(found[name] for name in sorted(found)),
        frozenset(flags),
        {
            symbols.get(each.name, each.name): each.value == ON
            for each in found.values()
            if each.name not in ("guest", "thunk", "retpoline")
        },
    )


def parse(changes: str) -> dict[str, str]:
    """The user's changes by name.

    Raises
    ------
    UsageError
        When one has no value, or a name occurs twice.
    """
    wanted: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in changes.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not name or not value:
            raise UsageError(f"--boot {part!r}: write NAME=VALUE, as in check_pages=off,memcg=on,thunk=none")
        name = SHORT_NAMES.get(name, name)
        if name in wanted:
            raise UsageError(f"--boot says {name} twice: {wanted[name]} and {value}")
        wanted[name] = value
    return wanted


def _changed(kernel: KernelFile, name: str, value: str, found: Mapping[str, Assumption]) -> Assumption:
    allowed = {"guest": (YES, NO), "thunk": tuple(THUNKS)}.get(name, (ON, OFF))
    if value not in allowed:
        raise UsageError(f"--boot {name}={value}: {name} is one of {', '.join(allowed)}")
    if name == "thunk" and value != "none" and not kernel.symbols.has(THUNKS[value]):
        raise UsageError(f"--boot thunk={value}: this kernel ({kernel.release}) has no {THUNKS[value]}")
    if name not in found:
        names = KEYS.get(name, (name,))
        if not any(kernel.has_key(symbol) for symbol in names):
            raise UsageError(
                f"--boot {name}={value}: {kernel.release} has no static key {' or '.join(names)}; there "
                f"are {', '.join(sorted(found))}, and every static key by its symbol"
            )
    return Assumption(name, value, ASKED, found[name].why if name in found else "a static key of this kernel")


def _symbol(kernel: KernelFile, names: tuple[str, ...]) -> str:
    return next(name for name in names if kernel.has_key(name))


def _assumed(kernel: KernelFile, cpu: Cpu, guest_asked: str | None) -> list[Assumption]:
    """Every assumption before the user's changes; a key that this kernel does not have has none."""
    guest = guest_asked or (YES if "hypervisor" in cpu.flags else NO)
    out = [
        Assumption("guest", guest, THIS_CPU, "X86_FEATURE_HYPERVISOR; without paravirtual spin locks"),
        Assumption("thunk", _thunk(kernel, cpu), THIS_CPU, "arch/x86/kernel/cpu/bugs.c v6.12, by defects"),
        Assumption("retpoline", _retpoline(kernel, cpu), THIS_CPU, "spectre_v2_select_mitigation(), v6.12"),
    ]
    rules: dict[str, Callable[[], tuple[str, str, str]]] = {
        "check_pages": lambda: _check_pages(kernel),
        "deferred_pages": lambda: (OFF, ASSUMED, "page_alloc_init_late(), mm/mm_init.c v6.12"),
        "memcg": lambda: (
            ON,
            ASSUMED,
            "on with the first memory cgroup below the root, which systemd makes: mm/memcontrol.c v6.12",
        ),
        "hvo": lambda: (OFF, ASSUMED, "on with the first huge page: mm/hugetlb_vmemmap.c v6.12"),
        "virt_spin_lock": lambda: (
            ON if guest == YES else OFF,
            ASSUMED,
            "native_pv_lock_init(), arch/x86/kernel/paravirt.c v6.12: on in a guest",
        ),
    }
    for name, rule in rules.items():
        if any(kernel.has_key(symbol) for symbol in KEYS[name]):
            out.append(Assumption(name, *rule()))
    return out


def _check_pages(kernel: KernelFile) -> tuple[str, str, str]:
    """On where anything initialises pages by default, or a debugging option is built in."""
    names = ("check_pages_enabled", "init_on_alloc", "init_on_free")
    on = [name for name in names if kernel.has_key(name) and kernel.key_in_file(name)]
    why = f"{' and '.join(on) or 'none of ' + ', '.join(names)} on in the file"
    return ON if on else OFF, READ, f"{why}; mem_debugging_and_hardening_init(), mm/mm_init.c v6.12"


def _thunk(kernel: KernelFile, cpu: Cpu) -> str:
    """What retbleed, SRSO and ITS ask for; the kernel decides so unless its command line says otherwise."""
    choice = "none"
    if "srso" in cpu.bugs:
        choice = "srso-alias" if cpu.family == 0x19 else "srso"
    elif "its" in cpu.bugs:
        choice = "its"
    elif "retbleed" in cpu.bugs and cpu.vendor in ("AuthenticAMD", "HygonGenuine"):
        choice = "retbleed"
    return choice if not THUNKS[choice] or kernel.symbols.has(THUNKS[choice]) else "none"


def _retpoline(kernel: KernelFile, cpu: Cpu) -> str:
    """On where the CPU has Spectre v2 and no IBRS that is always on."""
    needed = "spectre_v2" in cpu.bugs and "ibrs_enhanced" not in cpu.flags
    return ON if needed and kernel.symbols.has("__x86_indirect_thunk_array") else OFF
