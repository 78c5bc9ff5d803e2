"""How functions of an image are compiled, each by itself, and put together."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from model.compiler import function
from model.compiler.emit import assembly, gather, link_ir
from model.compiler.function import Linkage
from model.compiler.intrinsics import I64_TYPE
from model.compiler.namespace import Namespace


def variable(linkage: Linkage) -> Any:
    """A step whose result is not known before it runs."""

    @linkage.kernel_function
    def step(x: int) -> int:
        return x

    return step


def constant(linkage: Linkage) -> Any:
    """Another form of it: nothing can fail."""

    @linkage.kernel_function
    def step(x: int) -> int:
        return 1

    return step


def asking(forms: Sequence[Callable[[Linkage], Any]], monkeypatch: pytest.MonkeyPatch) -> str:
    """The code of a function that asks for the step's result, of the last of several images."""
    monkeypatch.setattr(function, "_compiled", {})
    kernel = Namespace("kernel")
    linkage = Linkage(kernel)

    @linkage.kernel_function
    def asks(x: int) -> int:
        return x if kernel.step(x) == 0 else 0

    entries = {"asks": (I64_TYPE,)}
    for form in forms:
        form(linkage)
        functions = gather(linkage, entries)
    return assembly(link_ir(linkage, functions), entries, "x86-64")


def test_an_image_does_not_depend_on_what_was_compiled_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba gives a function that returns a constant the constant as its type, so a test of it was gone.

    Behind an image with another form of the step the caller was there already, with its test.
    """
    alone, behind = (asking(forms, monkeypatch) for forms in ([constant], [variable, constant]))
    assert alone == behind
    assert "testq" in alone
