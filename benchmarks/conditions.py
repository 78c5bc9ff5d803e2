"""What else the machine was doing, and which machine and commit it was."""

import ctypes
import hashlib
import os
import subprocess
from pathlib import Path
from typing import Final

from model.common.errors import FreepathError
from model.common.system_files import cpus_in, lines, read

ROOT: Final = Path(__file__).parent.parent
MEASURING: Final = ("model", "benchmarks")
"""Folders whose sources shape a figure."""
UNKNOWN: Final = "unknown"
DIRTY: Final = "-dirty"
MARK: Final = ".freepath-commit"
"""Beside sources that were unpacked from an archive (`benchmarks.fleet.remote`): their commit and digest."""
OTHER_REPOSITORY: Final = frozenset(
    f"GIT_{name}"
    for name in ("DIR", "WORK_TREE", "INDEX_FILE", "OBJECT_DIRECTORY", "COMMON_DIR", "NAMESPACE")
)
"""Variables by which git would read another repository; how it is set up (safe.directory) stays."""
# include/uapi/linux/prctl.h
PR_GET_SPECULATION_CTRL: Final = 52
PR_SET_SPECULATION_CTRL: Final = 53
PR_SPEC_STORE_BYPASS: Final = 0
PR_SPEC_PRCTL: Final = 1
PR_SPEC_DISABLE: Final = 4
SYSTEM: Final = Path("/sys/devices")
IDENTITY: Final = {
    "cpu_vendor": "vendor_id",
    "cpu_family": "cpu family",
    "cpu_model": "model",
    "cpu_stepping": "stepping",
    "cpu_microcode": "microcode",
}
"""Metadata name -> name in /proc/cpuinfo."""
TICK_FIELDS: Final = 8
"""user nice system idle iowait irq softirq steal, in the first line of /proc/stat."""


def commit(root: Path = ROOT) -> str:
    """Commit of the checkout, `-dirty` with changes that are not committed, `unknown` outside of git.

    A source that git does not know yet, a new variant say, is a change as well. What a fleet unpacked says
    which commit it is, and with which sources.
    """
    if (root / MARK).is_file():
        known, _, digest = (root / MARK).read_text().strip().partition(" ")
        return known if digest == sources(root) else f"{known}{DIRTY}"
    try:
        # A tarball that was unpacked inside of some other checkout has no commit.
        if not Path(_git(root, "rev-parse", "--show-toplevel")).samefile(root):
            return UNKNOWN
        described = _git(root, "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*")
        new = _git(
            root, "ls-files", "--others", "--exclude-standard", *(f"{name}/*.py" for name in MEASURING)
        )
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    return f"{described.removesuffix(DIRTY)}{DIRTY}" if new else described


def _git(root: Path, *arguments: str) -> str:
    """What git prints about this checkout, whatever repository the user's GIT_DIR names."""
    environment = {name: value for name, value in os.environ.items() if name not in OTHER_REPOSITORY}
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout.strip()


def sources(root: Path = ROOT) -> str:
    """Digest of the files that measure: a parent and its workers must have the same."""
    hashed = hashlib.sha256()
    for name in MEASURING:
        for path in sorted((root / name).rglob("*.py")):
            hashed.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return hashed.hexdigest()[:16]


def processor(
    cpu: int | None = None, cpuinfo: Path = Path("/proc/cpuinfo"), system: Path = SYSTEM
) -> dict[str, str]:
    """Which processor this is: vendor, family, model, stepping, microcode, core type.

    The name alone does not tell: "AMD EPYC" is three generations. `cpu` is the one asked about, by default
    the one that this process runs on; a hybrid processor has two core types, and they are two machines.
    """
    text = read(cpuinfo)
    if not text:
        return {}
    number = current_cpu() if cpu is None else cpu
    facts: dict[str, str] = {}
    for block in text.split("\n\n"):
        pairs = (line.partition(":") for line in lines(block))
        fields = {name.strip(): value.strip() for name, _, value in pairs}
        if fields.get("processor") == str(number) or not facts:
            facts = {name: fields.get(field, "unknown") for name, field in IDENTITY.items()}
    return facts | {"cpu_core_type": core_type(number, system)}


def current_cpu() -> int:
    """Number of the CPU that this thread runs on at this moment."""
    return int(ctypes.CDLL(None).sched_getcpu())


def core_type(cpu: int, system: Path = SYSTEM) -> str:
    """`core` or `atom` of a hybrid Intel processor, else `only`."""
    for kind in ("core", "atom"):
        if cpu in cpus_in(read(system / f"cpu_{kind}" / "cpus")):
            return kind
    return "only"


def can_hold_loads() -> bool:
    """Whether `--store-bypass off` can be had here: a hypervisor may hide the switch of the CPU."""
    state = int(ctypes.CDLL(None).prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0))
    return state > 0 and bool(state & PR_SPEC_PRCTL)


def set_store_bypass(wanted: str) -> None:
    """Let loads pass older stores whose address is not known (`on`, as the CPU does), or make them wait.

    It holds for this process and the workers that it starts. The kernel of a task runs with the task's
    setting.

    Raises
    ------
    FreepathError
        Where the kernel or the CPU cannot switch it off.
    """
    if wanted == "on":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, 0, 0) != 0:
        raise FreepathError(
            f"--store-bypass off: this kernel or CPU refuses it ({os.strerror(ctypes.get_errno())}); "
            "measure with it on"
        )


class Watch:
    """How much of the machine others took between two moments.

    Reads /proc/stat and /proc/loadavg; where one is missing, its figures are left out.
    """

    def __init__(self) -> None:
        self._ticks = self._read()
        self._own = sum(os.times()[:2])
        self._load = _load()

    def metadata(self) -> dict[str, float]:
        """`busy_pct` (of all CPUs, by others), `steal_pct`, `load_before`, `load_after`."""
        loads = {"load_before": self._load, "load_after": _load()}
        facts = {name: round(load, 2) for name, load in loads.items() if load is not None}
        now = self._read()
        if self._ticks is None or now is None:
            return facts
        spent = [after - before for before, after in zip(self._ticks, now, strict=True)]
        total = sum(spent)
        if total > 0:
            idle, steal = spent[3] + spent[4], spent[7]
            own = (sum(os.times()[:2]) - self._own) * os.sysconf("SC_CLK_TCK")
            others = max(0.0, total - idle - steal - own)
            facts |= {"busy_pct": round(100 * others / total, 1), "steal_pct": round(100 * steal / total, 2)}
        return facts

    @staticmethod
    def _read() -> list[int] | None:
        fields = lines(read("/proc/stat"))[0].split()[1 : 1 + TICK_FIELDS]
        known = len(fields) == TICK_FIELDS and all(field.isdecimal() for field in fields)
        return [int(field) for field in fields] if known else None


def _load() -> float | None:
    """Processes that ran or wanted to, averaged over a minute; None where the system does not say."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None
