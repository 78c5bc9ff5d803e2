"""Places that are not as usual: files of /proc hidden or in no known encoding, CPUs that are not ours."""

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import doctor, machine_load
from benchmarks.core_types import listed
from benchmarks.fleet import remote
from benchmarks.machine_load import Watch
from benchmarks.processor import IDENTITY, processor
from benchmarks.selection import select
from benchmarks.timing.affinity import one_kind
from model.common import limits
from model.common.command import BAD_INPUT
from model.common.command import run as run_command
from model.common.system_files import cpu_list, cpus_in, read
from model.kernels.arrays import aligned, huge_share
from model.kernels.lay_out.image import LAY_OUT
from model.kernels.store import Store
from model.machine_code.cpu_caches import USUAL, sizes
from results.reading.load import load
from tests.command import run
from tests.places import PIDS_ONLY, instead, run_where

NOT_UTF8 = b"\xff\xfe"
ONLY = "base,memcg=off,page_kind=plain,depth=pcp,checks=on,entry=__free*"
ONE = ("-p", "1", "-n", "1", "-l", "96", "--only", ONLY)
CPUINFO = (
    b"processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel name\t: X " + NOT_UTF8 + b" Y\n\n"
)


def groups(proc: Path, top: bytes, *more: bytes, own: bytes = b"/mine") -> None:
    """A /proc/self whose control group is below the mount `top`; `more` are the lines of other mounts."""
    proc.mkdir(exist_ok=True)
    mount = b"30 1 0:1 / " + top + b" rw - cgroup2 cgroup2 rw\n"
    (proc / "cgroup").write_bytes(b"0::" + own + b"\n")
    (proc / "mountinfo").write_bytes(b"".join(more) + mount)


OTHER_MOUNTS = {
    "empty source": b"41 30 0:39 / /mnt rw,relatime - tmpfs  rw\n",
    "no UTF-8": b"41 30 0:39 / /mnt/" + NOT_UTF8 + b" rw - tmpfs " + NOT_UTF8 + b" rw\n",
    "vertical tab": b"41 30 0:39 / /mnt/a\x0bb rw - tmpfs none rw\n",
    "next line": "41 30 0:39 / /mnt/a\x85b rw - tmpfs none rw\n".encode(),
    "hard blank": "41 30 0:39 / /mnt/a\xa0b rw - tmpfs a\xa0b rw\n".encode(),
    "cut short": b"41 30\n\n - \n",
}


@pytest.mark.parametrize("other", OTHER_MOUNTS)
def test_other_mounts_do_not_matter(tmp_path: Path, other: str) -> None:
    """Whatever they are called, the limit of our control group is found."""
    proc, top = tmp_path / "proc", tmp_path / "groups"
    groups(proc, str(top).encode(), OTHER_MOUNTS[other])
    (top / "mine").mkdir(parents=True)
    (top / "mine" / "cpu.max").write_text("150000 100000\n")
    assert limits.cpu_quota(proc) == 1.5


@pytest.mark.parametrize("name", [b"my groups", b"a\\b", NOT_UTF8, b"tab\there"])
def test_control_groups_are_found_under_any_name(tmp_path: Path, name: bytes) -> None:
    r"""A blank is `\040` in mountinfo, and a blank in the name of the folder; also of our own group."""
    proc, top = tmp_path / "proc", Path(str(tmp_path)) / name.decode(errors="surrogateescape")
    escaped = re.sub(rb"[ \\\t]", lambda found: b"\\%03o" % found[0][0], name)
    groups(proc, str(tmp_path).encode() + b"/" + escaped, own=b"/" + name)
    group = top / name.decode(errors="surrogateescape")
    group.mkdir(parents=True)
    (group / "memory.max").write_text("1000\n")
    (group / "memory.current").write_text("400\n")
    limit = limits.group_memory(proc)
    assert limit is not None and limit.free == 600


def test_groups_that_say_something_else(tmp_path: Path) -> None:
    """A line of another form is passed over; so is a quota of one word."""
    proc, top = tmp_path / "proc", tmp_path / "groups"
    groups(proc, str(top).encode())
    (top / "mine").mkdir(parents=True)
    (top / "mine" / "cpu.max").write_text("150000\n")
    (top / "mine" / "memory.max").write_text("1000\n")
    (top / "mine" / "memory.stat").write_bytes(b"anon\n\n" + NOT_UTF8 + b"\ninactive_file 100\n")
    assert limits.cpu_quota(proc) is None
    limit = limits.group_memory(proc)
    assert limit is not None and limit.free == 1100
    (proc / "cgroup").write_bytes(b"nothing\n" + NOT_UTF8)
    assert limits.group_memory(proc) is None


def test_without_meminfo_no_limit_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hidden by subset=pid; or it is there and says something else."""
    for error in (FileNotFoundError("/proc/meminfo"), KeyError(b"MemTotal:"), ValueError("no number")):

        def hidden(error: Exception = error) -> None:
            raise error

        monkeypatch.setattr("psutil.virtual_memory", hidden)
        monkeypatch.setattr(limits, "address_space", lambda proc: None)
        assert limits.memory_limit(tmp_path).free == limits.NO_LIMIT


def test_what_is_no_utf8_is_replaced(tmp_path: Path) -> None:
    """In every file that is read; and a list of CPUs of another form is none."""
    file = tmp_path / "file"
    file.write_bytes(NOT_UTF8 + b"\n")
    assert read(file) == "\ufffd\ufffd" and read(tmp_path / "no") == "" and read(tmp_path) == ""
    assert processor(0, file, tmp_path)["cpu_vendor"] == "unknown"
    assert huge_share(aligned("u1", 4096), file) is None
    assert doctor.read(file) == "\ufffd\ufffd"
    (tmp_path / "index0").mkdir()
    for name in ("level", "type", "size"):
        (tmp_path / "index0" / name).write_bytes(NOT_UTF8)
    assert sizes(tmp_path) == USUAL
    (tmp_path / "cpu_core").mkdir()
    (tmp_path / "cpu_core" / "cpus").write_bytes(b"(null)," + NOT_UTF8)
    assert listed(0, tmp_path) == "unknown"
    assert cpus_in("0-2, 5,x,-,3-,-4,") == [0, 1, 2, 5, 3]


def test_a_processor_of_any_name(tmp_path: Path) -> None:
    """Its other facts are those of its lines, also where a name holds what ends a line elsewhere."""
    file = tmp_path / "cpuinfo"
    file.write_bytes(CPUINFO.replace(b"X ", b"X\x0bvendor_id : other "))
    facts = processor(0, file, tmp_path)
    assert (facts["cpu_vendor"], facts["cpu_family"]) == ("GenuineIntel", "6")


@pytest.mark.parametrize("stat", [b"", NOT_UTF8, b"cpu 1 2 3\n", b"cpu a b c d e f g h\n"])
def test_a_load_that_is_unknown_is_left_out(monkeypatch: pytest.MonkeyPatch, stat: bytes) -> None:
    """A sandbox may hide /proc/stat and /proc/loadavg, or make them up."""

    def unobtainable() -> None:
        raise OSError("Load averages are unobtainable")

    monkeypatch.setattr("os.getloadavg", unobtainable)
    monkeypatch.setattr(machine_load, "read", lambda path: stat.decode(errors="replace"))
    assert Watch().metadata() == {}
    monkeypatch.setattr(doctor, "STEAL_S", 0.0)
    assert next(doctor.findings()).value.startswith("unknown")


def test_a_host_of_a_fleet_says_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its boot it goes by its name; hosts would be taken for one otherwise."""
    monkeypatch.setattr(remote, "Path", lambda path: SimpleNamespace(read_bytes=lambda: NOT_UTF8))
    assert remote.describe(IDENTITY)["cpu_vendor"] == "unknown"

    def hidden() -> bytes:
        raise FileNotFoundError

    monkeypatch.setattr(remote, "Path", lambda path: SimpleNamespace(read_bytes=hidden))
    monkeypatch.setattr("socket.gethostname", lambda: "alpha")
    assert remote.describe(IDENTITY)["boot"] == "alpha"


def compiled() -> None:
    """Let the code of `ONE` be in the cache."""
    Store().ensure([LAY_OUT, *(image for case in select(ONLY) for image in case.images())])


def test_a_run_where_proc_has_only_processes(tmp_path: Path) -> None:
    """A run that every reader takes, with what is hidden left out."""
    done = run_where(PIDS_ONLY, "-m", "benchmarks", *ONE, "-o", str(tmp_path / "run.json"))
    assert done.returncode == 0, done.stderr
    assert load(tmp_path / "run.json").scenarios
    assert run("results", "show", str(tmp_path / "run.json")).returncode == 0
    facts = json.loads((tmp_path / "run.json").read_text())["metadata"]
    assert "hostname" in facts and "boot_time" not in facts


def test_a_run_on_a_processor_whose_name_is_no_utf8(tmp_path: Path) -> None:
    """The name is kept as far as it can be; the doctor and the census are asked as well."""
    compiled()
    mounts = instead({"/proc/cpuinfo": CPUINFO}, tmp_path)
    done = run_where(mounts, "-m", "benchmarks", *ONE, "-o", str(tmp_path / "run.json"))
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "run.json").read_text())["metadata"]
    assert facts["cpu_model_name"] == "X \ufffd\ufffd Y" and facts["cpu_vendor"] == "GenuineIntel"
    assert run("results", "answer", str(tmp_path / "run.json")).returncode == 0
    assert run_where(mounts, "-m", "benchmarks", "--doctor").returncode == 0


@pytest.mark.usefixtures("one_cpu")
def test_numba_that_cannot_read_cpuinfo_says_what_helps(tmp_path: Path) -> None:
    """It is Numba's own reading; one line, and what it says to do helps: the code is the same."""
    mounts = instead({"/proc/cpuinfo": CPUINFO}, tmp_path)
    words = ("-m", "benchmarks", *ONE, "-o", str(tmp_path / "run.json"))
    done = run_where(mounts, *words, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 2 and "set NUMBA_ENABLE_AVX=0" in done.stderr, done.stderr
    cache = str(tmp_path / "cache")
    done = run_where(mounts, *words, XDG_CACHE_HOME=cache, NUMBA_ENABLE_AVX="0")
    assert done.returncode == 0, done.stderr
    assert run("benchmarks", *ONE, "-o", str(tmp_path / "usual.json")).returncode == 0
    first, second = (load(tmp_path / name).scenarios[0] for name in ("run.json", "usual.json"))
    assert first.processes[0].facts["code_digest"] == second.processes[0].facts["code_digest"]


@pytest.mark.parametrize(
    ("isolated", "ours", "pinned", "said"),
    [
        ("", {0, 1, 2}, "0-2", ""),
        ("2-3", {0, 1, 2}, "2", ""),
        (
            "3,8-9",
            {0, 2},
            "0,2",
            "the isolated CPUs (3,8-9) are not among those that this process may use (0,2)",
        ),
        (" (null)", {5}, "5", ""),
    ],
)
def test_workers_run_on_isolated_cpus_that_are_ours(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    isolated: str,
    ours: set[int],
    pinned: str,
    said: str,
) -> None:
    """A cpuset or taskset may leave out some or all of them; what the user asks for is not changed."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: ours)
    monkeypatch.setattr("benchmarks.core_types.core_type", lambda cpu, system: "only")
    (tmp_path / "system" / "cpu").mkdir(parents=True)
    (tmp_path / "system" / "cpu" / "isolated").write_text(isolated + "\n")
    assert one_kind(None, tmp_path) == pinned
    assert said in capsys.readouterr().err
    assert one_kind("1", tmp_path) == "1"
    assert one_kind(None, tmp_path / "none") == cpu_list(ours)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("/sys/devices/system/cpu/isolated", b"4000\n"),
        ("/proc/cmdline", b"isolcpus=managed_irq,4000\n"),
        ("/sys/devices/system/cpu/isolated", NOT_UTF8),
    ],
)
def test_a_run_beside_isolated_cpus(tmp_path: Path, file: str, content: bytes) -> None:
    """None of them is ours, or what is isolated cannot be read: that is no reason not to measure."""
    compiled()
    mounts = instead({file: content}, tmp_path)
    done = run_where(mounts, "-m", "benchmarks", *ONE, "-o", str(tmp_path / "run.json"))
    assert done.returncode == 0, done.stderr
    assert ("the isolated CPUs (4000)" in done.stderr) == (content == b"4000\n")
    assert run("results", "show", str(tmp_path / "run.json")).returncode == 0


def test_what_the_system_refuses_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """No file is blamed for a call that has none."""

    def refused() -> int:
        os.sched_setaffinity(0, {4000})
        return 0

    assert run_command("a command", refused) == BAD_INPUT
    assert re.fullmatch(
        r"a command: the system refuses refused \(test_places.py:\d+\): Invalid argument\n",
        capsys.readouterr().err,
    )
