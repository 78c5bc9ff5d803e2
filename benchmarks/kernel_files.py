"""Kernel files of the user, before anything is counted or timed: `--vmlinux FILE`, `--boot CHANGES`.

Each file is read, loaded as booted, and one free through each of its entries is run in the emulator. That
tells which functions run, so which are cut out, and which arms there are. An entry that executes what user
space cannot (cli, an indirect call) is refused with that reason.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import unicorn
from unicorn import x86_const as x86

from benchmarks import own
from benchmarks.cases import Case, SelectionError, case_of
from benchmarks.emulator import EmulationError, Emulator, Trace
from benchmarks.privileged import refuse_privileged
from model.common.command import note
from model.common.errors import KernelFileError, UsageError
from model.kernels.kernel_file import known
from model.kernels.kernel_file.arms import KEPT, Insert
from model.kernels.kernel_file.known import KnownFile
from model.kernels.kernel_file.machine import FileMachine
from model.kernels.kernel_file.places import places
from model.kernels.kernel_file.start import template
from model.kernels.kernel_file.survey import Survey
from model.kernels.own import check_name

WARM: Final = 3
"""Frees until the lists are in use and the former head of the list is a page, too."""
LIMIT: Final = 20_000
"""Instructions of one free: a world that is ill made leads into printk, which does not return."""
OF_MODELS: Final = ("variant", "sweep", "memory", "kernel", "calibrate", "new_variant", "on")
"""Options that choose what a kernel file does not have."""
ENTRIES: Final = ("__free_pages", "put_page")
"""Entries of a price list, the usual one first."""


def add_options(parser: Any) -> None:
    """`--vmlinux` and `--boot`, for every command that measures, counts or lists."""
    parser.add_argument(
        "--vmlinux",
        action="append",
        default=[],
        metavar="FILE",
        help="a kernel file (vmlinuz or vmlinux), never booted: its own free path instead of the models'; a "
        "second one is measured beside it. Its code runs with your rights, in a worker (docs/your-kernel.md)",
    )
    parser.add_argument(
        "--boot",
        default="",
        metavar="NAME=VALUE,...",
        help="change what is assumed of its boot: memcg=off, check_pages=on, thunk=retbleed, guest=no",
    )
    parser.add_argument(
        "--at",
        default="",
        metavar="PLACE",
        help="where --insert goes in a kernel file, as --list --vmlinux FILE names it; by default where the "
        "memcg key is tested",
    )
    parser.add_argument("--files", default="[]", help=argparse.SUPPRESS)


def add(args: argparse.Namespace) -> list[KnownFile]:
    """Make the files known to this process, each with what one free executes.

    Raises
    ------
    UsageError, KernelFileError, EmulationError
        In one line that names the file.
    """
    check(args)
    kept = {kept["path"]: kept for kept in json.loads(args.files)}
    for path in args.vmlinux:
        try:
            file = known.add(path, args.boot)
            file.inserts += inserts_of(args.insert, args.at)
            if path in kept:
                _take(file, kept[path])
            else:
                survey(file)
        except (KernelFileError, EmulationError) as error:
            raise UsageError(f"--vmlinux {path}: {_sentence(error, path)}") from None
    return known.known_files()


def check(args: argparse.Namespace) -> None:
    """Refuse options that do not go together, before a file is read.

    Raises
    ------
    UsageError
    """
    if not args.vmlinux:
        for option in ("boot", "at"):
            if getattr(args, option):
                raise UsageError(f"--{option} is about a kernel file: name it with --vmlinux FILE")
        return
    for option in OF_MODELS:
        if getattr(args, option, None):
            name = option.replace("_", "-")
            raise UsageError(f"--{name} is for the models: leave it out with --vmlinux")
    if args.at and not args.insert:
        raise UsageError(f"--at {args.at} is where --insert goes: give --insert NAME=ASM, too")


def _sentence(error: Exception, path: str) -> str:
    """What is wrong with a file: its errors begin with a verb, or with its path."""
    if isinstance(error, KernelFileError):
        return f"the kernel file {str(error).removeprefix(f'{path} ')}"
    return str(error)


def inserts_of(texts: Sequence[str], at: str) -> list[Insert]:
    """What `--insert` brings.

    Raises
    ------
    UsageError
        For a name without assembly, or no name for an arm.
    """
    inserts = [Insert(name, text, at) for name, text in own.named(texts)]
    for insert in inserts:
        check_name(insert.name, f"--insert {insert.name}")
    return inserts


def for_worker(args: argparse.Namespace) -> list[str]:
    """Options that a worker needs to know the same files."""
    named = [f"--vmlinux={path}" for path in args.vmlinux]
    texts = [f"--insert={text}" for text in args.insert] if named else []
    more = [f"--boot={args.boot}", f"--at={args.at}", f"--files={as_plain(args.vmlinux)}"]
    return [*named, *texts, *more] if named else []


def without_folders(argv: Sequence[str]) -> list[str]:
    """A command line that names kernel files without the folders that they lie in."""
    words: list[str] = []
    for word in argv:
        if words[-1:] == ["--vmlinux"]:
            word = Path(word).name
        elif word.startswith("--vmlinux="):
            word = f"--vmlinux={Path(word.partition('=')[2]).name}"
        words.append(word)
    return words


def as_plain(paths: Sequence[str]) -> str:
    """What workers are given: the files, each with its surveys, as JSON."""
    files = [
        {
            "path": path,
            "sha256": file.kernel_file.origin.sha256,
            "surveys": {entry: each.to_json() for entry, each in file.surveys.items()},
        }
        for path, file in zip(paths, known.known_files(), strict=True)
    ]
    return json.dumps(files, separators=(",", ":"))


def _take(file: KnownFile, kept: dict[str, Any]) -> None:
    if kept["sha256"] != file.kernel_file.origin.sha256:
        raise KernelFileError("is not the file that this run began with: it was replaced meanwhile")
    file.surveys |= {entry: Survey.from_json(data) for entry, data in kept["surveys"].items()}


def survey(file: KnownFile) -> None:
    """Run one free through each entry in the emulator, and keep what it executed.

    Raises
    ------
    EmulationError
        When the usual entry does not run; of another one, a note is printed and it is left out.
    """
    for entry in (entry for entry in ENTRIES if entry in file.entries):
        try:
            file.surveys[entry] = _survey(file, entry)
        except EmulationError as error:
            if entry == ENTRIES[0]:
                raise
            note(f"{file.name}: {entry} is left out: {error}")


def _survey(file: KnownFile, entry: str) -> Survey:
    loaded = file.loaded()
    machine = FileMachine(loaded, WARM)
    machine.memory.fill(template(machine, entry))
    emulator = Emulator(machine, [])
    registers = _Registers(emulator)
    name = file.entry_name(entry)
    for number in range(WARM):
        page = machine.memory.page_address(number)
        registers.look_for(page)
        trace = run(emulator, loaded.symbol(name), page)
    refuse_privileged(emulator, trace)
    if machine.memory.listed()[:1] != [WARM - 1] or machine.report():
        raise EmulationError(
            f"{name} did not put the page on its list: {machine.report() or 'it is elsewhere'}"
        )
    stores: dict[str, set[int]] = {}
    for at, access in trace.sequence:
        if access.op == "store" and access.object == "page":
            stores.setdefault(access.field, set()).add(at)
    return Survey(
        name,
        tuple(trace.path),
        dict(registers.found),
        {field: tuple(sorted(places)) for field, places in stores.items()},
    )


def run(emulator: Emulator, address: int, page: int) -> Trace:
    """Free one page in the emulator; what it meets that it cannot run names the function.

    Raises
    ------
    EmulationError
    """
    try:
        return emulator.call(address, page, 0, page=page, limit=LIMIT)
    except EmulationError as error:
        where = emulator.where(emulator.cpu.reg_read(x86.UC_X86_REG_RIP))
        raise EmulationError(f"{error}; it was in {where}") from None


class _Registers:
    """Which register holds the freed page before each instruction."""

    def __init__(self, emulator: Emulator) -> None:
        self.found: dict[int, str] = {}
        self._page = 0
        self._numbers = {name: getattr(x86, f"UC_X86_REG_{name.upper()}") for name in KEPT}
        emulator.cpu.hook_add(unicorn.UC_HOOK_CODE, self._look)

    def look_for(self, page: int) -> None:
        """Begin again, with another page."""
        self._page = page
        self.found.clear()

    def _look(self, cpu: Any, at: int, _: int, __: Any) -> None:
        for name, number in self._numbers.items():
            if cpu.reg_read(number) == self._page:
                self.found.setdefault(at, name)
                return


def select(args: argparse.Namespace) -> list[Case]:
    """The scenarios of a price list; of two files the first one's, with the second one as an arm.

    Raises
    ------
    SelectionError
    """
    files = known.known_files()
    cases = [case_of(scenario) for scenario in _scenarios(files, quick=args.quick or not args.only)]
    wanted = [term.strip() for term in args.only.split(",") if term.strip()]
    if wanted:
        cases = [replace(case, arms=_chosen(case, wanted)) for case in cases]
        cases = [case for case in cases if len(case.arms) > len(BARE)]
    if not cases:
        names = ", ".join(dict.fromkeys(name for file in files for name in file.variants))
        raise SelectionError(f"--only '{args.only}' selects no arm of the kernel file; there are {names}")
    return cases


BARE: Final = frozenset({"base", "base-twin"})


def _scenarios(files: Iterable[KnownFile], *, quick: bool) -> list[Any]:
    return [
        scenario
        for file in files
        for scenario in (file.as_kernel.quick if quick else file.as_kernel.scenarios)
    ]


def _chosen(case: Case, wanted: Sequence[str]) -> tuple[Any, ...]:
    return tuple(
        arm
        for arm in case.arms
        if arm.variant in BARE or any(fnmatchcase(arm.variant, glob) for glob in wanted)
    )


def inserted() -> set[str]:
    """Names of the operations that the user put in."""
    return {insert.name for file in known.known_files() for insert in file.inserts}


def places_of() -> Iterator[tuple[str, str]]:
    """Kernel, and the name of each place where an operation can be put in."""
    for file in known.known_files():
        for place in places(file.loaded(), file.surveys[ENTRIES[0]]):
            yield file.name, place.name


def facts() -> dict[str, str]:
    """What a run says of its kernel files: never where they lie."""
    said = []
    for file in known.known_files():
        origin = file.kernel_file.origin
        said.append(
            f"{file.name} sha256 {origin.sha256} {origin.size} bytes {origin.compression}, kallsyms "
            f"{origin.kallsyms_layout}: {file.kernel_file.banner}"
        )
    boots = [f"{file.name}: {file.boot}" for file in known.known_files()]
    return {"kernel_files": " | ".join(said), "boot": " | ".join(boots)} if said else {}
