"""What else the machine was doing, and which machine and commit it was."""

import ctypes
import hashlib
import os
import subprocess
from pathlib import Path
from typing import Final

from benchmarks.core_types import SYSTEM, core_type
from model.common.errors import FreepathError
from model.common.system_files import lines, read

ROOT: Final = Path(__file__).parent.parent
MEASURING: Final = ("model", "benchmarks")
"""Folders whose sources shape a figure."""
IMPORTED: Final = (".py", ".pyc", ".so")
"""Suffixes of files that Python imports; a .so comes before a .py of the same name."""
OF_GIT: Final = ("GIT_CONFIG", "GIT_EXEC_PATH")
"""Prefixes of variables that git is given: its configuration (safe.directory, say), not its repository."""
SHA256_DIGITS: Final = 64
"""Digits of an object id in a repository with --object-format=sha256; elsewhere 40, of SHA-1."""
UNKNOWN: Final = "unknown"
DIRTY: Final = "-dirty"
MARK: Final = ".freepath-commit"
"""File with commit and digest of sources that were unpacked from an archive (`benchmarks.fleet.remote`)."""
# include/uapi/linux/prctl.h
PR_GET_SPECULATION_CTRL: Final = 52
PR_SET_SPECULATION_CTRL: Final = 53
PR_SPEC_STORE_BYPASS: Final = 0
PR_SPEC_PRCTL: Final = 1
PR_SPEC_DISABLE: Final = 4
PR_SPEC_FORCE_DISABLE: Final = 8
PR_SPEC_DISABLE_NOEXEC: Final = 16
# include/uapi/linux/personality.h
ADDR_NO_RANDOMIZE: Final = 0x0040000
ASK: Final = 0xFFFFFFFF
"""Argument of personality(2) that reads the personality and changes nothing."""
IDENTITY: Final = {
    "cpu_model_name": "model name",
    "cpu_vendor": "vendor_id",
    "cpu_family": "cpu family",
    "cpu_model": "model",
    "cpu_stepping": "stepping",
    "cpu_microcode": "microcode",
}
"""Metadata name -> name in /proc/cpuinfo."""
TICK_FIELDS: Final = 8
"""Fields in the first line of /proc/stat: user nice system idle iowait irq softirq steal."""


def commit(root: Path = ROOT) -> str:
    """Commit of the checkout; `-dirty` where a measuring source differs from it, `unknown` outside of git.

    Git's index is not used: it can be set to overlook a file, and an ignored variant is measured all the
    same. Sources that a fleet unpacked have a file that names their commit and digest.
    """
    if (root / MARK).is_file():
        known, _, digest = (root / MARK).read_text().strip().partition(" ")
        return known if digest == sources(root) else f"{known}{DIRTY}"
    try:
        # A tarball that was unpacked inside of some other checkout has no commit.
        if not Path(os.fsdecode(git(root, "rev-parse", "--show-toplevel")).rstrip("\n")).samefile(root):
            return UNKNOWN
        known = git(root, "rev-parse", "--short=12", "HEAD").decode().strip()
        objects = _committed(root, known)
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    here = {name: _object_id(content, objects.get(name, "")) for name, content in _measuring(root).items()}
    return known if here == objects else f"{known}{DIRTY}"


def git(root: Path, *arguments: str) -> bytes:
    """Output of git for this checkout, also where GIT_DIR or the like names another repository.

    Raises
    ------
    OSError, subprocess.CalledProcessError
        Without git, and where it fails.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    kept |= {name: value for name, value in os.environ.items() if name.startswith(OF_GIT)}
    command = ["git", "--no-replace-objects", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, check=True, env=kept).stdout


def _committed(root: Path, known: str) -> dict[str, str]:
    """Path -> object id of each file that measures, in a commit."""
    listed = os.fsdecode(git(root, "ls-tree", "-r", "-z", known, "--", *MEASURING)).split("\0")
    entries = (line.partition("\t") for line in listed if line)
    return {path: of.split()[2] for of, _, path in entries if _is_imported(path)}


def _object_id(content: bytes, like: str) -> str:
    """Git's object id of a content, by the hash function of another id."""
    hashed = hashlib.sha256() if len(like) == SHA256_DIGITS else hashlib.sha1(usedforsecurity=False)
    hashed.update(b"blob %d\0" % len(content) + content)
    return hashed.hexdigest()


def sources(root: Path = ROOT) -> str:
    """Digest of the files that measure: a parent and its workers must have the same."""
    hashed = hashlib.sha256()
    for name, content in sorted(_measuring(root).items()):
        hashed.update(os.fsencode(name) + b"\0" + content + b"\0")
    return hashed.hexdigest()[:16]


def _measuring(root: Path) -> dict[str, bytes]:
    """Every file that can be imported and shapes a figure, by its path; also through links to folders."""
    files: dict[str, bytes] = {}
    above = len(os.path.join(root, ""))  # noqa: PTH118 (each worker does this: pathlib takes five times as long)
    for name in MEASURING:
        for folder, _, names in os.walk(root / name, followlinks=True):
            named = ((f"{folder}/{file}"[above:], file) for file in names)
            found = {path: Path(folder, file) for path, file in named if _is_imported(path)}
            files |= {path: file.read_bytes() for path, file in found.items() if file.is_file()}
    return files


def _is_imported(path: str) -> bool:
    """Whether Python would import it; its caches of sources do not count."""
    return path.endswith(IMPORTED) and "/__pycache__/" not in path


def processor(
    cpu: int | None = None, cpuinfo: Path = Path("/proc/cpuinfo"), system: Path = SYSTEM
) -> dict[str, str]:
    """Which processor this is: name, vendor, family, model, stepping, microcode, core type.

    The name alone is not enough: "AMD EPYC" is three generations. `cpu` is by default the one that this
    process runs on; a hybrid processor has two core types, which count as two machines.
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


def can_hold_loads() -> bool:
    """Whether `--store-bypass off` works here: a hypervisor may hide the CPU's SSBD switch."""
    state = int(ctypes.CDLL(None).prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0))
    return state > 0 and bool(state & PR_SPEC_PRCTL)


def loads_wait() -> bool:
    """Whether SSBD is on: for this process, by seccomp, or for the whole machine."""
    state = int(ctypes.CDLL(None).prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0))
    return state > 0 and bool(state & (PR_SPEC_DISABLE | PR_SPEC_FORCE_DISABLE | PR_SPEC_DISABLE_NOEXEC))


def addresses_fixed() -> bool:
    """Whether address randomisation is off for this process and its children: `setarch -R`, a debugger."""
    persona = int(ctypes.CDLL(None).personality(ASK))
    return persona > 0 and bool(persona & ADDR_NO_RANDOMIZE)


def set_store_bypass(wanted: str) -> None:
    """Store bypass `on` (default): loads may pass older stores with unknown addresses. `off`: SSBD.

    It holds for this process and the workers that it starts. The kernel runs with the setting of the task
    that calls it.

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
    """Load average over a minute; None where the system does not say."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None
