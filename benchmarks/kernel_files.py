"""Kernel files of the user, before anything is counted or timed: `--vmlinux FILE`, `--boot CHANGES`.

Each file is read, loaded as booted, and a free of its usual scenario is run in the emulator. That tells which
functions run, so which are cut out, and which arms there are (`benchmarks.file_survey`); of other scenarios,
when they are chosen (`benchmarks.file_cases`).
"""

import argparse
import base64
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import user_variants
from benchmarks.emulator import EmulationError
from benchmarks.file_survey import survey
from model.common.errors import KernelFileError, UsageError
from model.kernels.kernel_file import known
from model.kernels.kernel_file.arms import Insert
from model.kernels.kernel_file.known import KnownFile
from model.kernels.kernel_file.places import places
from model.kernels.kernel_file.survey import Survey, way_of
from model.kernels.user_variants.added import check_name

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
    parser.add_argument("--files", default="", help=argparse.SUPPRESS)


def add(args: argparse.Namespace) -> list[KnownFile]:
    """Make the files known to this process, each with what one free executes.

    Raises
    ------
    UsageError, KernelFileError, EmulationError
        In one line that names the file.
    """
    check(args)
    kept = {kept["path"]: kept for kept in _from_plain(args.files)}
    for path in args.vmlinux:
        try:
            file = known.add(path, args.boot)
            file.inserts += inserts_of(args.insert, args.at)
            if path in kept:
                _take(file, kept[path])
            else:
                file.surveys[way_of(file.usual)] = survey(file, file.usual)
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
    inserts = [Insert(name, text, at) for name, text in user_variants.named(texts)]
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
    """What workers are given: the files with their surveys, as packed JSON (arguments have 128 KiB)."""
    files = [
        {
            "path": path,
            "sha256": file.kernel_file.origin.sha256,
            "surveys": {way: each.to_json() for way, each in file.surveys.items()},
        }
        for path, file in zip(paths, known.known_files(), strict=True)
    ]
    return base64.b64encode(zlib.compress(json.dumps(files).encode())).decode()


def _from_plain(text: str) -> list[dict[str, Any]]:
    """The same again; nothing in a process that is no worker."""
    return json.loads(zlib.decompress(base64.b64decode(text))) if text else []


def _take(file: KnownFile, kept: dict[str, Any]) -> None:
    if kept["sha256"] != file.kernel_file.origin.sha256:
        raise KernelFileError("is not the file that this run began with: it was replaced meanwhile")
    file.surveys |= {way: Survey.from_json(data) for way, data in kept["surveys"].items()}


def inserted() -> set[str]:
    """Names of the operations that the user put in."""
    return {insert.name for file in known.known_files() for insert in file.inserts}


def places_of() -> Iterator[tuple[str, str]]:
    """Kernel, and the name of each place where an operation can be put in."""
    for file in known.known_files():
        for place in places(file.loaded(), file.surveys[way_of(file.usual)]):
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
