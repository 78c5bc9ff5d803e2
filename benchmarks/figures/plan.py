"""What the documents quote: a name and the options of `python -m benchmarks` for each run.

A sweep of fewer processes and values than usual has intervals a third wider, and two seeds of all of them fit
an hour. `results.filing` keeps a finished run under its name, with core, date and seed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

SEEDS: Final = (1, 2)
SWEEP: Final = "-p 12 -n 6"
BOOT: Final = "--boot thunk=none,retpoline=off"
"""Mitigations whose price is far above that of a check, and which differ between machines."""
RC: Final = "--insert 'rc=movl 52($0), %edx; testl %edx, %edx; jne 2f' --insert 'rcload=movl 52($0), %edx'"
OTHERS: Final = (
    "--insert 'map=movl 24($0), %edx; testl %edx, %edx; jne 2f' "
    "--insert 'mcg=movl 56($0), %edx; testl %edx, %edx; jne 2f' "
    "--insert 'flag=movl 0($0), %edx; testl $$0x14e123, %edx; jne 2f'"
)
ARGUMENTS: Final = (
    "memcg=on-idle,page_kind=plain,depth=pcp,checks=on,checks=deferred,entry=__free_pages,"
    "v1,v1-unlikely,single-branch,no-check,keyfirst,nop"
)


@dataclass(frozen=True)
class Entry:
    """One run, measured with each of its seeds.

    Attributes
    ----------
    name
        Begins with the kind of run: `run`, `sweep-between`, `kernel-6.12.117_deb12`, `files-pair-6.1`.
    options
        Of `python -m benchmarks`, as a shell has them, without seed and output.
    """

    name: str
    options: str
    seeds: tuple[int, ...] = SEEDS


PLAN: Final = (
    Entry("run", "--quick --only kernel=v4.3,kernel=v6.18 -p 16"),
    Entry("v7-1-quick", "--quick --only kernel=v7.1 -p 16"),
    Entry("v7-1-drains", "--only 'kernel=v7.1,memcg=on-active,depth=full' -p 12"),
    Entry("sweep-v7-1-stock", f"--sweep v7.1/stock {SWEEP}"),
    Entry("v7-1-blocks", f"--only 'kernel=v7.1,memcg=on-active,check-pages' {SWEEP}"),
    Entry("sweep-between", f"--sweep between {SWEEP}"),
    Entry("sweep-memory", f"--sweep memory {SWEEP}"),
    Entry("sweep-share", f"--sweep share {SWEEP}"),
    Entry("sweep-block", f"--sweep block {SWEEP}"),
    Entry("sweep-threads", f"--sweep threads {SWEEP}"),
    Entry("sweep-v6-18-entry", f"--sweep v6.18/entry {SWEEP}"),
    Entry("sweep-v6-18-stock", f"--sweep v6.18/stock {SWEEP}"),
    Entry("sweep-v6-18-block", f"--sweep v6.18/block {SWEEP}"),
    Entry("sweep-v6-18-between", f"--sweep v6.18/between {SWEEP}"),
    Entry("sweep-kernel", f"--sweep kernel {SWEEP}"),
    Entry("today-refcount", f"--kernel v6.18 {RC} {OTHERS} -p 12"),
    Entry("today-refcount-v4-3", "--kernel v4.3 --insert 'rcload=movl 28($0), %edx' -p 12"),
    Entry(
        "run-store-bypass-off", "--quick --only 'kernel=v4.3,v1,v1-ifdef,keyfirst' --store-bypass off -p 16"
    ),
    Entry("arguments", f"--only '{ARGUMENTS}' -p 16"),
    Entry("sweep-checks", f"--sweep checks {SWEEP}"),
    Entry("sweep-entry", f"--sweep entry {SWEEP}"),
    Entry("sweep-depth", f"--sweep depth {SWEEP}"),
    Entry("sweep-levels", f"--sweep levels {SWEEP}"),
    Entry("sweep-backing", f"--sweep backing {SWEEP}"),
    Entry("sweep-v6-18-depth", f"--sweep v6.18/depth {SWEEP}"),
    Entry("sweep-v6-18-levels", f"--sweep v6.18/levels {SWEEP}"),
    Entry("calibration", "--calibrate", (1,)),
)
"""In the order of measuring: what README and the first tables quote comes first."""
FILES: Final = (
    ("kernel-{name}", "--vmlinux {file} {boot} --quick -p 16"),
    ("files-thunks-{number}", "--vmlinux {file} --quick -p 16 --only 'base*'"),
)
"""Of the newest file of a series, and (the last line) only of the newest file of all."""
PAIRS: Final = {
    False: ("files-pair-{series}", "--vmlinux {old} --vmlinux {file} {boot} --quick -p 16"),
    True: ("files-rt-{number}", "--vmlinux {file} --vmlinux {old} {boot} --quick -p 16 --only '[0-9]*'"),
}
"""Of two files of one series: two builds; or a kernel and (True) its real-time build."""


@dataclass(frozen=True)
class File:
    """A kernel file: its release `6.12.117+deb12-cloud-amd64`, and where it lies, quoted for a shell."""

    release: str
    path: str

    @property
    def version(self) -> tuple[int, ...]:
        """Its numbers, the last one that of the distribution's build: `6.1.0-57` is (6, 1, 0, 57)."""
        return tuple(map(int, re.findall(r"\d+", self.release.partition("+")[0])))

    @property
    def series(self) -> tuple[int, ...]:
        """`(6, 12)`."""
        return self.version[:2]

    @property
    def realtime(self) -> bool:
        """Whether its name says PREEMPT_RT."""
        return "-rt" in self.release

    @property
    def name(self) -> str:
        """`6.12.117_deb12`: as the kept runs have it."""
        return re.sub(r"-(cloud|rt|amd64|generic).*", "", self.release).replace("+", "_")


def of_files(files: Sequence[File]) -> Iterator[Entry]:
    """The runs of kernel files: a price list of each series, pairs of two in one series, return thunks."""
    newest = _newest(files)
    for at, file in enumerate(newest.values()):
        for name, options in FILES[: 1 + (at == len(newest) - 1)]:
            yield _entry(name, options, file, file)
    pairs = {}
    for file in sorted(files, key=lambda file: file.version):
        plain = newest[file.series]
        if file is not plain:
            entry = _entry(*PAIRS[file.realtime], plain, file)
            pairs[entry.name] = entry  # of several the one next to the newest
    yield from pairs.values()


def _newest(files: Sequence[File]) -> Mapping[tuple[int, ...], File]:
    """Of each series, oldest first, its newest kernel; a real-time one where there is no other."""
    ordered = sorted(files, key=lambda file: (not file.realtime, file.version))
    return dict(sorted({file.series: file for file in ordered}.items()))


def _entry(name: str, options: str, file: File, old: File) -> Entry:
    number = file.release.partition("+")[0].partition("-")[0]
    series = ".".join(map(str, file.series))
    named = name.format(name=file.name, number=number, series=series)
    return Entry(named, options.format(file=file.path, old=old.path, boot=BOOT))
