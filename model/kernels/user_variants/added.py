"""User variants: a file anywhere, or an operation on the command line.

They become variants of their kernel in this process. Processes that it starts get their texts, since a file
may be edited while it is measured; compiled code of a text is named after the text's digest.
"""

import hashlib
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any, Final

from model.kernels import kernel_called
from model.kernels.instructions import slots
from model.kernels.user_variants.operation import check, with_end
from model.kernels.user_variants.vetting import VariantError, vet, vet_values
from model.kernels.variants import Variant

NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME: Final = 40
_added: list["UserVariant"] = []


@dataclass(frozen=True)
class UserVariant:
    """A user variant.

    Attributes
    ----------
    name
        Name of the variant in arms.
    text
        Content of its file.
    where
        Its name in messages: the file, or the option.
    kernel
        The version that it is a variant of.
    """

    name: str
    text: str
    where: str
    kernel: str

    @property
    def digest(self) -> str:
        """Digest of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]


def added() -> list[UserVariant]:
    """The user variants of this process."""
    return list(_added)


def as_plain() -> list[dict[str, str]]:
    """The same as plain data, for processes that this one starts."""
    return [asdict(variant) for variant in _added]


def inserted(name: str, text: str, where: str, kernel: str) -> UserVariant:
    """A variant that holds one operation, checked.

    Raises
    ------
    OperationError
    """
    operation = with_end(text)
    predicted = slots(check(operation, where))
    declared = "" if predicted is None else f"SLOTS = {predicted}\n"
    story = f'"""Inserted: {text!r}."""\nSUMMARY = {f"exact: {text}"!r}\n'
    return UserVariant(name, f"{story}{declared}exact_operation = {operation!r}\n", where, kernel)


def check_name(name: str, where: str) -> None:
    """Refuse what no arm can be called.

    Raises
    ------
    VariantError
    """
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise VariantError(
            f"{where}: '{name}' is no variant name: give lower-case letters, digits and hyphens, "
            f"up to {LONGEST_NAME}, as in my-check"
        )


def add(variant: UserVariant) -> None:
    """Check it, and make it a variant of its kernel.

    Raises
    ------
    VariantError, OperationError
    """
    kernel = kernel_called(variant.kernel)
    check_name(variant.name, variant.where)
    if variant.name in kernel.variants or variant.name in kernel.calibration:
        raise VariantError(f"{variant.where}: there is a variant called {variant.name}: choose another name")
    vet(variant.text, variant.where, kernel.offer)
    module = _run(variant)
    vet_values(vars(module), variant.where, kernel.offer)
    if operation := vars(module).get("exact_operation"):
        check(with_end(operation), variant.where)
    _register(variant, module)


def add_again(texts: Iterable[dict[str, str]]) -> None:
    """Add the variants that another process has checked and added."""
    for plain in texts:
        variant = UserVariant(**plain)
        _register(variant, _run(variant))


def _register(variant: UserVariant, module: ModuleType) -> None:
    declared = vars(module)
    if "exact_operation" in declared:
        declared["exact_operation"] = with_end(declared["exact_operation"])
    kernel_called(variant.kernel).variants[variant.name] = Variant(
        variant.name, module, digest=variant.digest
    )
    _added.append(variant)


def _run(variant: UserVariant) -> ModuleType:
    module = ModuleType(f"user_variants.{variant.name}")
    # So that an error in it shows its lines, and Numba finds them.
    module.__file__ = variant.where
    sys.modules[module.__name__] = module
    try:
        exec(compile(variant.text, variant.where, "exec"), vars(module))
    except Exception as error:  # a user's file may raise anything
        frames: list[Any] = [
            f for f in traceback.extract_tb(error.__traceback__) if f.filename == variant.where
        ]
        line = frames[-1].lineno if frames else 1
        raise VariantError(f"{variant.where}:{line}: {type(error).__name__}: {error}") from None
    return module
