"""What containers, ulimit and hardened systems leave of a machine is respected, and named when too little."""

import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import doctor
from model.common import limits
from model.common.errors import OutOfMemoryError, UnsupportedCPUError
from model.kernels import arrays
from model.kernels.v4_3.machine import Machine
from model.machine_code import gs
from tests.command import ROOT

MIB = 1 << 20


class Tree:
    """A made-up /proc/self beside made-up control groups.

    Parameters
    ----------
    version
        Of control groups.
    root
        The group that is mounted as the topmost one, as the host calls it; a container's is its own.
    own
        The process's group, as the host calls it.
    """

    def __init__(self, folder: Path, version: int, root: str = "/", own: str = "/outer/inner") -> None:
        self.proc, self.top, self.version = folder / "proc", folder / "groups", version
        self.proc.mkdir()
        groups, mounts = f"0::{own}\n", f"30 1 0:1 {root} {self.top} rw - cgroup2 cgroup2 rw\n"
        if version == 1:
            groups = f"3:cpu,cpuacct:{own}\n2:memory:{own}\n1:name=systemd:/\n0::/\n"
            mounts = "".join(
                f"3{number} 1 0:{number} {root} {self.top}/{name} rw,nosuid - cgroup cgroup rw,{options}\n"
                for number, (name, options) in enumerate((("cpu", "cpu,cpuacct"), ("memory", "memory")))
            )
        (self.proc / "cgroup").write_text(groups)
        (self.proc / "mountinfo").write_text("20 1 0:0 / / rw - ext4 /dev/vda rw\n" + mounts)

    def cpu(self, group: str, quota: int, period: int = 100_000) -> None:
        """Give a group a quota in microseconds; -1 for none."""
        if self.version == 2:
            self._write(group, "cpu.max", f"{'max' if quota < 0 else quota} {period}")
            return
        self._write(f"cpu/{group}", "cpu.cfs_quota_us", str(quota))
        self._write(f"cpu/{group}", "cpu.cfs_period_us", str(period))

    def memory(self, group: str, limit: int | None, used: int, files: int = 0) -> None:
        """Give a group a memory limit; of what it uses, files could be dropped."""
        if self.version == 2:
            self._write(group, "memory.max", "max" if limit is None else str(limit))
            self._write(group, "memory.current", str(used))
            self._write(group, "memory.stat", f"anon {used - files}\ninactive_file {files}")
            return
        none = 0x7FFFFFFFFFFFF000
        self._write(f"memory/{group}", "memory.limit_in_bytes", str(none if limit is None else limit))
        self._write(f"memory/{group}", "memory.usage_in_bytes", str(used))
        self._write(f"memory/{group}", "memory.stat", f"cache {files}\ntotal_inactive_file {files}")

    def _write(self, group: str, name: str, text: str) -> None:
        folder = self.top / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n")


@pytest.fixture(params=[1, 2], ids=["version 1", "version 2"])
def version(request: pytest.FixtureRequest) -> int:
    """Of control groups."""
    return int(request.param)


def cpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let the affinity be so many CPUs."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(count)))


def test_the_smallest_quota_on_the_way_up_counts(
    tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`docker --cpus 2.5` on 64 CPUs gives two compilers, not 64."""
    cpus(monkeypatch, 64)
    tree = Tree(tmp_path, version)
    assert limits.cpu_quota(tree.proc) is None and limits.usable_cpus(tree.proc) == 64
    tree.cpu("outer/inner", -1)
    assert limits.usable_cpus(tree.proc) == 64
    tree.cpu("outer", 250_000)
    assert limits.cpu_quota(tree.proc) == 2.5 and limits.usable_cpus(tree.proc) == 2
    tree.cpu("outer/inner", 25_000, 50_000)
    assert limits.usable_cpus(tree.proc) == 1
    cpus(monkeypatch, 1)
    tree.cpu("outer/inner", 800_000)
    tree.cpu("outer", 800_000)
    assert limits.usable_cpus(tree.proc) == 1


def test_a_containers_top_group_is_its_own(
    tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the host calls it, and if the name leads out of what can be seen."""
    cpus(monkeypatch, 64)
    for number, (root, own) in enumerate(
        (("/docker/1", "/docker/1"), ("/docker/1", "/"), ("/", "/../..")), 1
    ):
        (tmp_path / str(number)).mkdir()
        tree = Tree(tmp_path / str(number), version, root, own)
        tree.cpu(".", 100_000 * number)
        assert limits.usable_cpus(tree.proc) == number


def test_the_tightest_memory_limit_is_named(
    tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's, the group's or the address space's; files that can be dropped are free."""
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=900 * MIB))
    tree = Tree(tmp_path, version)
    tree.memory("outer/inner", None, 50 * MIB)
    assert limits.group_memory(tree.proc) is None
    tree.memory("outer", 1000 * MIB, 400 * MIB, 100 * MIB)
    assert limits.memory_limit(tree.proc).free == 700 * MIB
    tree.memory("outer/inner", 60 * MIB, 50 * MIB)
    monkeypatch.setattr(arrays, "memory_limit", lambda: limits.memory_limit(tree.proc))
    words = r"64 MiB .*, 10 MiB are free under the memory limit of the control group.*--memory or raise"
    with pytest.raises(OutOfMemoryError, match=words):
        arrays.check_available(MIB)
    (tree.proc / "statm").write_text("1024 1 1 1 0 1 0\n")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (6 * MIB, 6 * MIB))
    with pytest.raises(
        OutOfMemoryError, match=r", 2 MiB are free under the address-space limit \(ulimit -v\)"
    ):
        arrays.check_available(MIB)


def test_nothing_to_read_is_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc, or with groups that are not mounted."""
    cpus(monkeypatch, 3)
    assert limits.usable_cpus(tmp_path) == 3 and limits.group_memory(tmp_path) is None
    assert limits.memory_limit(tmp_path).under == ""


LIMITED = """
import ctypes, resource, sys
from pathlib import Path
import psutil
from model.common.command import run
from model.kernels.v4_3.image import Image
from model.kernels.v4_3.memory import Memory
from model.kernels.store import Store
from model.machine_code.region import Region
IMAGE = Image("v1", "jump-label", memcg=True)
def limit(which, more):
    used = {{resource.RLIMIT_AS: psutil.Process().memory_info().vms, resource.RLIMIT_DATA: 0}}[which]
    resource.setrlimit(which, (used + (more << 20),) * 2)
def deny():
    if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE: as systemd's MemoryDenyWriteExecute
        sys.exit(77)
def command():
    {0}
    return 0
sys.exit(run("python -m test", command))
"""


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("limit(resource.RLIMIT_AS, 100); Memory(1 << 22)", "free under the address-space limit (ulimit -v)"),
        ("limit(resource.RLIMIT_DATA, 0); Memory(1 << 22)", "the page array needs 258 MiB"),
        ("limit(resource.RLIMIT_DATA, 0); Region(64 << 20)", "no memory for 65536 KiB of code"),
        ("limit(resource.RLIMIT_AS, 100); Store(Path('{}')).load(IMAGE)", "compiling needs 768 MiB"),
        ("deny(); Region(1).seal()", "allow it for this command (SELinux: execmem; systemd: MemoryDeny"),
        ("deny(); Store(Path('{}')).load(IMAGE)", "allow it for this command (SELinux: execmem; systemd:"),
    ],
)
def test_a_limit_is_one_line(tmp_path: Path, lines: str, words: str) -> None:
    """Met for real, in a process of its own: exit status 2, what is the cause, and no traceback."""
    script = LIMITED.format(lines.format(tmp_path / "cache"))
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip("this kernel cannot deny write and execute")
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert words in line
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("status", [0, -1], ids=["only says so", "refuses"])
def test_a_kernel_that_does_not_set_gs_is_refused(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """Before anything runs: the free path would read its per-CPU data at a wild address."""
    ours = Machine(1024, "on-idle")
    ours.activate()
    monkeypatch.setattr(gs, "_libc", SimpleNamespace(syscall=lambda *_: status))
    with pytest.raises(UnsupportedCPUError, match=r"does not set %gs.*measure on Linux itself"):
        ours.activate()


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """/sys/devices of four CPUs, two threads per core; of kinds of cores the CPUs themselves say nothing."""
    monkeypatch.setattr("benchmarks.core_types.kind_of", lambda ask: "unknown")
    cpu = tmp_path / "devices" / "system" / "cpu"
    for number in range(4):
        (cpu / f"cpu{number}" / "topology").mkdir(parents=True)
        (cpu / f"cpu{number}" / "cpufreq").mkdir()
        (cpu / f"cpu{number}" / "cpufreq" / "scaling_governor").write_text("performance\n")
        first = number // 2 * 2
        (cpu / f"cpu{number}" / "topology" / "thread_siblings_list").write_text(f"{first}-{first + 1}\n")
    (cpu / "smt").mkdir()
    (cpu / "smt" / "active").write_text("1\n")
    monkeypatch.setattr(doctor, "SYS", cpu)
    return tmp_path / "devices"


def found(name: str) -> doctor.Finding:
    """A row of the doctor's about this machine."""
    known = doctor.facts()
    rows = [*doctor._frequency(known), *doctor._cores(known), *doctor._limits()]
    return next(row for row in rows if row.name == name)


def test_the_doctor_describes_a_uniform_machine_by_its_first_cpu(devices: Path) -> None:
    """What runs have always stored, so that machines are told apart as before."""
    facts = doctor.facts()
    assert facts["governor"] == "performance" and facts["smt"] == "on, siblings of cpu0: 0-1"
    assert not found("frequency governor").disturbs and found("smt").disturbs
    assert found("core types") == doctor.Finding("core types", "unknown", False, found("core types").advice)


def test_the_doctor_looks_at_every_cpu(devices: Path) -> None:
    """CPU 0 is not the others; a hybrid is several machines; what is switched off does not count."""
    cpu = devices / "system" / "cpu"
    (cpu / "cpu3" / "cpufreq" / "scaling_governor").write_text("powersave\n")
    assert found("frequency governor").value == "performance: CPUs 0-2; powersave: CPUs 3"
    assert found("frequency governor").disturbs
    (cpu / "cpu3" / "online").write_text("0\n")
    assert not found("frequency governor").disturbs
    (cpu / "cpu3" / "online").write_text("1\n")
    for number in (2, 3):
        (cpu / f"cpu{number}" / "topology" / "thread_siblings_list").write_text(f"{number}\n")
    assert doctor.facts()["smt"] == "on, siblings of cpu0: 0-1 (shared: CPUs 0-1; alone: CPUs 2-3)"
    for number in (0, 1):
        (cpu / f"cpu{number}" / "topology" / "thread_siblings_list").write_text(f"{number}\n")
    assert not found("smt").disturbs
    for kind, listed in (("core", "0-1\n"), ("atom", "2-3\n")):
        (devices / f"cpu_{kind}").mkdir()
        (devices / f"cpu_{kind}" / "cpus").write_text(listed)
    assert found("core types").value == "core: CPUs 0-1; atom: CPUs 2-3"
    assert found("core types").disturbs and "counts as a machine" in found("core types").advice


@pytest.mark.parametrize(
    ("clock", "slow"),
    [("tsc", False), ("kvm-clock", False), ("hyperv_clocksource_tsc_page", False), ("hpet", True)],
)
def test_the_doctor_knows_fast_clocks(monkeypatch: pytest.MonkeyPatch, clock: str, slow: bool) -> None:
    """Hyper-V's page is the time stamp counter, scaled."""
    known = doctor.facts() | {"clocksource": clock}
    monkeypatch.setattr(doctor, "facts", lambda: known)
    monkeypatch.setattr(doctor, "STEAL_S", 0.0)
    (row,) = [row for row in doctor.findings() if row.name == "clock source"]
    assert row.disturbs == slow


def test_the_doctor_names_what_limits_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU quota, memory limit, address space, executable memory."""
    assert found("executable memory").value == "yes"
    monkeypatch.setattr(doctor, "cpu_quota", lambda: 1.5)
    monkeypatch.setattr(doctor, "usable_cpus", lambda: 1)
    monkeypatch.setattr(doctor, "group_memory", lambda: limits.Limit(100 * MIB, "", ""))
    monkeypatch.setattr(doctor, "address_space_limit", lambda: 500 * MIB)
    assert found("CPUs usable").value.startswith("1 of ") and "1.5" in found("CPUs usable").value
    assert found("memory limit").value.startswith("100 MiB")
    assert found("address-space limit").value == "500 MiB"
    for name in ("CPUs usable", "memory limit", "address-space limit"):
        assert found(name).disturbs and found(name).advice
