"""Kernel files of the user, before anything is counted or timed: `--vmlinux FILE`, `--boot CHANGES`.

Each file is read, loaded as booted, and a free of its usual scenario is run in the emulator. That tells which
functions run, so which are cut out, and which arms there are (`benchmarks.file_survey`); of other scenarios,
when they are chosen (`benchmarks.file_cases`). Most commands are given none, so what reads and emulates them
is imported for the first one.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import user_variants
from model.common.errors import KernelFileError, UsageError
from model.kernels.kernel_file.given import known_files
from model.kernels.user_variants.added import check_name

if TYPE_CHECKING:
    from model.kernels.kernel_file.arms import Insert
    from model.kernels.kernel_file.known import KnownFile

OF_MODELS: Final = ("variant", "kernel", "calibrate", "new_variant", "on")
"""Options that choose what a kernel file does not have."""


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


def add(args: argparse.Namespace) -> list["KnownFile"]:
    """Make the files known to this process, each with what one free executes.

    Raises
    ------
    UsageError, KernelFileError, EmulationError
        In one line that names the file.
    """
    check(args)
    if not args.vmlinux:
        return []
    from benchmarks.file_survey import survey
    from model.kernels.kernel_file import known
    from model.kernels.kernel_file.survey import way_of

    for path in args.vmlinux:
        with _named(path):
            file = known.add(path, args.boot)
            file.inserts += inserts_of(args.insert, args.at)
            file.surveys[way_of(file.usual)] = survey(file, file.usual)
    return known_files()


def as_plain(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The same as plain data, for workers."""
    return [
        {
            "path": path,
            "boot": args.boot,
            "sha256": file.kernel_file.origin.sha256,
            "inserts": [asdict(insert) for insert in file.inserts],
            "surveys": {way: each.to_json() for way, each in file.surveys.items()},
        }
        for path, file in zip(args.vmlinux, known_files(), strict=True)
    ]


def add_again(files: Sequence[Mapping[str, Any]]) -> None:
    """Make files known that another process has surveyed.

    Raises
    ------
    UsageError
        When a file cannot be read any more, or is another one.
    """
    if not files:
        return
    from model.kernels.kernel_file import known
    from model.kernels.kernel_file.arms import Insert
    from model.kernels.kernel_file.survey import Survey

    for kept in files:
        with _named(kept["path"]):
            file = known.add(kept["path"], kept["boot"])
            if kept["sha256"] != file.kernel_file.origin.sha256:
                raise KernelFileError("is not the file that this run began with: it was replaced meanwhile")
            file.inserts += [Insert(**insert) for insert in kept["inserts"]]
            file.surveys |= {way: Survey.from_json(data) for way, data in kept["surveys"].items()}
        for way in file.surveys:
            file.arms(way)  # a process assembles what is put in, and a confined worker starts none


def import_all() -> None:
    """Import what a worker of a kernel file needs, for workers that are forked from this process."""
    import benchmarks.file_cases
    import benchmarks.gate  # noqa: F401


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


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Say which file is wrong: errors of one begin with a verb, or with its path."""
    from benchmarks.emulator import EmulationError

    try:
        yield
    except KernelFileError as error:
        said = str(error).removeprefix(f"{path} ")
        raise UsageError(f"--vmlinux {path}: the kernel file {said}") from None
    except EmulationError as error:
        raise UsageError(f"--vmlinux {path}: {error}") from None


def inserts_of(texts: Sequence[str], at: str) -> list["Insert"]:
    """What `--insert` brings.

    Raises
    ------
    UsageError
        For a name without assembly, or no name for an arm.
    """
    from model.kernels.kernel_file.arms import Insert

    inserts = [Insert(name, text, at) for name, text in user_variants.named(texts)]
    for insert in inserts:
        check_name(insert.name, f"--insert {insert.name}")
    return inserts


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


def inserted() -> set[str]:
    """Names of the operations that the user put in."""
    return {insert.name for file in known_files() for insert in file.inserts}


def places_of() -> Iterator[tuple[str, str]]:
    """Kernel, and the name of each place where an operation can be put in."""
    files = known_files()
    if not files:
        return
    from model.kernels.kernel_file.places import places
    from model.kernels.kernel_file.survey import way_of

    for file in files:
        for place in places(file.loaded(), file.surveys[way_of(file.usual)]):
            yield file.name, place.name


def facts() -> dict[str, str]:
    """What a run says of its kernel files: never where they lie."""
    said = []
    for file in known_files():
        origin = file.kernel_file.origin
        said.append(
            f"{file.name} sha256 {origin.sha256} {origin.size} bytes {origin.compression}, kallsyms "
            f"{origin.kallsyms_layout}: {file.kernel_file.banner}"
        )
    boots = [f"{file.name}: {file.boot}" for file in known_files()]
    return {"kernel_files": " | ".join(said), "boot": " | ".join(boots)} if said else {}
