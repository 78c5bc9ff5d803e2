"""What runs on a host of a fleet: this file is sent there, so it uses nothing but Python and Dask.

The measurement is a child process outside of Dask's worker: the worker's heartbeats, its event loop and its
garbage collection are not inside of what is timed.
"""

import io
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("numba", "llvmlite", "numpy", "pyperf", "psutil", "capstone", "pyelftools", "unicorn")
COMPLETE = re.compile(r"plan\.json|\d+-\d+(\.plain)?\.json")
POLL_S = 0.3
GRACE_S = 20
MARK = ".freepath-commit"
CHILD = """
import sys
from model.common.process import end_with_parent
end_with_parent(int(sys.argv[1]))
from benchmarks.__main__ import start
from model.common.command import leave
leave(start(sys.argv[2:]))
"""


def describe(identity: dict[str, str]) -> dict[str, Any]:
    """Facts by which hosts are chosen, as plain data.

    Parameters
    ----------
    identity
        Facts that identify a processor -> their names in /proc/cpuinfo.
    """
    cpus = sorted(os.sched_getaffinity(0))
    fields: dict[str, str] = {}
    for block in _read("/proc/cpuinfo").split("\n\n"):
        pairs = (line.partition(":") for line in block.split("\n"))
        found = {name.strip(): value.strip() for name, _, value in pairs}
        if not fields or found.get("processor") == str(cpus[0]):
            fields = found
    return {
        "name": socket.gethostname(),
        "boot": _read("/proc/sys/kernel/random/boot_id") or socket.gethostname(),
        "cpus": cpus,
        "architecture": platform.machine(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "packages": {name: _version(name) for name in PACKAGES},
        **{name: fields.get(field, "unknown") for name, field in identity.items()},
    }


def _read(path: str) -> str:
    """As `model.common.system_files.read`, which is not here yet."""
    try:
        return Path(path).read_bytes().decode(errors="replace").strip()
    except OSError:
        return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def has_checkout(digest: str) -> bool:
    """Whether the sources with this digest lie here from an earlier run."""
    return (_checkout(digest) / MARK).is_file()


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Run a job, and send each complete process as soon as it is there.

    Parameters
    ----------
    job
        `digest`, `commit`, `archive` (bytes of a tar file, or None), `id`, `argv`, `files` (of a run that
        goes on: name -> bytes), `queue`, `stop`, `host`.

    Returns
    -------
    `status`: the command's exit status, `said`: its last stderr, and `run`: bytes of the file, or None.
    """
    from distributed import Event, Queue

    checkout = _unpacked(job["digest"], job["commit"], job["archive"])
    queue, stop = Queue(job["queue"]), Event(job["stop"])
    work = _cache() / "fleet" / job["id"]
    partial = work / "run.json.partial"
    partial.mkdir(parents=True, exist_ok=True)
    for name, content in job["files"].items():
        (partial / name).write_bytes(content)
    resumes = (partial / "plan.json").exists()
    if not resumes:
        shutil.rmtree(partial)
    argv = ["--resume", str(work / "run.json")] if resumes else [*job["argv"], "-o", str(work / "run.json")]
    environment = {**os.environ, "PYTHONPATH": _python_path(checkout)}
    with (work / "said.txt").open("wb") as said:
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(os.getpid()), *argv],
            cwd=checkout,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        sent = dict.fromkeys(job["files"], b"")
        while child.poll() is None:
            time.sleep(POLL_S)
            _send(partial, sent, queue, job["host"])
            if stop.is_set():
                child.terminate()
                child.wait(GRACE_S)
    _send(partial, sent, queue, job["host"])
    words = (work / "said.txt").read_text(errors="replace").strip().splitlines()
    whole = (work / "run.json").read_bytes() if (work / "run.json").is_file() else None
    # Everything complete has been sent; what the worker's own end leaves here is found by the job's name.
    shutil.rmtree(work, ignore_errors=True)
    return {"status": child.returncode, "said": words[-1] if words else "", "run": whole}


def _python_path(first: Path) -> str:
    """As `model.common.process.python_path`: this Dask worker's packages may come by it."""
    users = os.environ.get("PYTHONPATH")
    more = [str(Path(entry).absolute()) for entry in users.split(os.pathsep)] if users else []
    return os.pathsep.join([str(first), *more])


def _send(partial: Path, sent: dict[str, bytes], queue: Any, host: int) -> None:
    """What is new in the folder of complete processes; the plan again when it changed."""
    try:
        names = sorted(path.name for path in partial.iterdir() if COMPLETE.fullmatch(path.name))
    except OSError:
        return  # just renamed: the run is done
    for name in names:
        if name in sent and name != "plan.json":
            continue
        try:
            content = (partial / name).read_bytes()
        except OSError:
            continue
        if sent.get(name) != content:
            queue.put({"host": host, "name": name, "content": content})
            sent[name] = content


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "freepath"


def _checkout(digest: str) -> Path:
    return _cache() / "checkouts" / digest


def _unpacked(digest: str, commit: str, archive: bytes | None) -> Path:
    """The checkout, from the archive where it is not here; whole or not at all."""
    place = _checkout(digest)
    if archive is None or has_checkout(digest):
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=place.parent))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(new, filter="data")
    (new / MARK).write_text(f"{commit} {digest}\n")
    try:
        new.rename(place)
    except OSError:  # another job made it first
        shutil.rmtree(new)
    return place
