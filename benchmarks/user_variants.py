"""User variants, before anything is measured: `--insert`, `--variant`, `--new-variant`."""

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.cases import BARE, DEFAULT_KERNEL
from model.common.errors import UsageError
from model.common.files import STANDARD, read_bounded, write_new
from model.kernels import VERSIONS, kernel_called, kernels
from model.kernels.user_variants import added
from model.kernels.user_variants.added import UserVariant
from model.kernels.user_variants.vetting import VariantError, vet, vet_values

MOST_BYTES: Final = 64 << 10
"""Largest size of a user variant in bytes: its text is sent to every worker."""
NAMED: Final = re.compile(r"([A-Za-z0-9_-]+)=(.*)", re.DOTALL)
KERNEL: Final = re.compile(r"""^KERNEL\s*=\s*["']([^"']*)["']""", re.MULTILINE)
INSERT: Final = "[NAME=]ASM"


def add_options(parser: Any) -> None:
    """`--insert` and `--variant`, for every command that measures, counts or lists."""
    parser.add_argument(
        "--insert",
        action="append",
        default=[],
        metavar=INSERT,
        help="insert this assembly at the patch point, as an arm of its own; may be repeated. AT&T syntax; "
        "$0 is the page's address, $$1 a number, 2f the end; it may change edx and the flags",
    )
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="FILE",
        help="a variant in your own file, named after it; may be repeated (--new-variant writes one)",
    )
    parser.add_argument(
        "--kernel",
        choices=VERSIONS,
        default="",
        help=f"kernel of --insert and --new-variant; default: {DEFAULT_KERNEL}",
    )


def add(args: argparse.Namespace) -> list[UserVariant]:
    """Add the user variants that the options name to this process.

    Raises
    ------
    UsageError, VariantError, OperationError, FileError
        With the option or the file, the line and what is allowed.
    """
    if args.vmlinux:
        return []  # what is put into a kernel file is no variant of a model (benchmarks.kernel_files)
    brought = [*_inserted(args.insert, args.kernel or DEFAULT_KERNEL), *map(_from_file, args.variant)]
    for variant in brought:
        added.add(variant)
    return brought


def _inserted(texts: Sequence[str], version: str) -> Iterator[UserVariant]:
    for name, operation in named(texts):
        yield added.inserted(name, operation, f"--insert {name}", version)


def named(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Name and assembly of what each `--insert` gives.

    Raises
    ------
    UsageError
        For what is no text, or no assembly.
    """
    for number, text in enumerate(texts, 1):
        match = NAMED.fullmatch(text)
        name, operation = match.groups() if match else ("insert" if number == 1 else f"insert-{number}", text)
        where = f"--insert {name}"
        if not _is_text(text):
            raise UsageError(f"{where}: it is not UTF-8 text")
        if not operation.strip():
            raise UsageError(f"{where}: no assembly: give {INSERT}, such as 'movl 48($0), %edx'")
        yield name, operation


def _is_text(argument: str) -> bool:
    """Whether an argument came as UTF-8; Python keeps other bytes as halves of surrogate pairs."""
    return not any("\ud800" <= char <= "\udfff" for char in argument)


def _from_file(name: str) -> UserVariant:
    path = Path(name)
    if path.suffix != ".py" or not path.is_file():
        raise UsageError(
            f"--variant {name}: not a Python file; python -m benchmarks --new-variant my-check "
            "-o my_check.py writes one"
        )
    try:
        text = read_bounded(path, MOST_BYTES).decode()
    except UnicodeDecodeError:
        raise VariantError(f"{name}: not UTF-8 text") from None
    named = KERNEL.search(text)
    version = named[1] if named else DEFAULT_KERNEL
    if version not in VERSIONS:
        line = text.count("\n", 0, named.start()) + 1 if named else 1
        raise VariantError(f"{name}:{line}: no kernel {version} is modelled; there are {', '.join(VERSIONS)}")
    return UserVariant(path.stem.replace("_", "-"), text, name, version)


def vet_checkout() -> None:
    """Apply the same rules to the variants of the checkout.

    Raises
    ------
    VariantError
    """
    for kernel in kernels():
        for name, variant in kernel.variants.items():
            path = getattr(variant.module, "__file__", None)
            if name not in BARE and not variant.digest and path:
                vet(Path(path).read_text(), path, kernel.offer)
                vet_values(vars(variant.module), path, kernel.offer)


def template(name: str, version: str) -> str:
    """A commented variant that runs as it is, of the usual kernel if no version is given.

    Raises
    ------
    UsageError
        For a name that no arm can have.
    """
    if not added.NAME.fullmatch(name.replace("_", "-")):
        raise UsageError(f"--new-variant {name}: give a name of lower-case letters, digits and hyphens")
    kernel = kernel_called(version or DEFAULT_KERNEL)
    fields = "\n".join(f"#   {field:12} offset {offset}" for field, offset in kernel.offer.fields.items())
    helpers = "\n".join(f"#   {helper:22} {what}" for helper, what in kernel.offer.helpers.items())
    text = kernel.template.read_text().replace("FIELDS", fields).replace("HELPERS", helpers)
    text = text.replace("VERSION", kernel.name)
    file = f"{name.replace('-', '_')}.py"
    return text.replace("NAME", name.replace("_", "-")).replace("FILE", file)


def write_template(name: str, version: str, output: str | None) -> int:
    """`--new-variant`: to standard output, or to a file that is not there yet."""
    text = template(name, version)
    if output is not None and Path(output).exists():
        raise UsageError(f"{output} exists: choose another name with -o")
    write_new(STANDARD if output is None else output, text)
    return 0
