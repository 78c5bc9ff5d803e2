"""Checks of a variant's text before it is run: what it may declare, and what its check may do.

Without them a misspelt name would be no error but another benchmark: a file without `patch_point` is base, a
key that is tested but not declared is always enabled, a `raise` removes the test.
"""

import ast
import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from model.common.errors import FreepathError
from model.kernels.offer import Offer

REFUSED: Final[Mapping[type[ast.AST], str]] = {
    ast.Raise: "raise",
    ast.Assert: "assert",
    ast.Try: "try",
    ast.With: "with",
    ast.Import: "import",
    ast.ImportFrom: "import",
    ast.Yield: "yield",
    ast.Await: "await",
    ast.Lambda: "lambda",
    ast.Global: "global",
    ast.Nonlocal: "nonlocal",
    ast.ListComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.FunctionDef: "a function inside it",
}
BUILTINS: Final = ("True", "False", "None", "bool", "range", "Any", "int")
KEY: Final = "memcg_kmem_enabled"


class VariantError(FreepathError):
    """A file is no valid variant; the message has file, line, and what is allowed."""


def vet(text: str, where: str, offer: Offer) -> None:
    """Refuse a text that is not a valid variant.

    Parameters
    ----------
    text
        Of the file.
    where
        Its name, for the message.
    offer
        What its kernel version offers.

    Raises
    ------
    VariantError
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise VariantError(f"{where}:{line}: no Python: {getattr(error, 'msg', error)}") from None
    if not ast.get_docstring(tree):
        raise VariantError(f"{where}:1: begins with no docstring: say what it checks and what you expect")
    defined = dict(_defined(tree, where, offer))
    _check_names(tree, defined, where, offer)
    imported = (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    known = {*defined, *(alias.asname or alias.name for node in imported for alias in node.names)}
    ways = [name for name in ("patch_point", "exact_operation") if name in defined]
    other = [name for name in (*offer.steps, *offer.switches) if name in defined]
    if len(ways) != 1 and not (other and not ways):
        has = "both patch_point and exact_operation" if ways else "neither patch_point nor exact_operation"
        raise VariantError(f"{where}:1: defines {has}: a variant has one of them")
    if "patch_point" in ways:
        asks = _vet_check(defined["patch_point"], "patch_point", 2, where, offer, known)
        said = getattr(defined.get("GATED"), "value", None)
        gated = isinstance(said, ast.Constant) and said.value is True
        if asks not in (None, gated):
            what = f"tests {KEY} but does not say GATED = True" if asks else f"is GATED but never tests {KEY}"
            raise VariantError(f"{where}:{defined['patch_point'].lineno}: {what}")
    for step in offer.steps:
        if step in defined:
            _vet_check(defined[step], step, 2, where, offer, known)
    if "release_uncharge" in defined:
        _vet_check(defined["release_uncharge"], "release_uncharge", 1, where, offer, known)


def vet_values(values: Mapping[str, Any], where: str, offer: Offer) -> None:
    """Refuse values of the wrong type, after the text was run.

    Raises
    ------
    VariantError
    """
    summary = values.get("SUMMARY")
    if not isinstance(summary, str) or not summary.strip() or "\n" in summary:
        raise VariantError(f"{where}: SUMMARY is {summary!r}: give one line of text for --list")
    for name in ("GATED", "NEEDS_MEMCG"):
        if not isinstance(values.get(name, False), bool):
            raise VariantError(f"{where}: {name} is {values[name]!r}: give True or False")
    if values.get("MARKS", "never") not in offer.marks:
        raise VariantError(f"{where}: MARKS is {values['MARKS']!r}: give one of {', '.join(offer.marks)}")
    for name in offer.switches.keys() & values.keys():
        _vet_choice(name, values[name], where, offer)
    slots = values.get("SLOTS")
    if slots is not None and (type(slots) is not int or not 0 <= slots <= 1000):
        raise VariantError(f"{where}: SLOTS is {slots!r}: give a number from 0 to 1000")
    if not isinstance(values.get("exact_operation", ""), str):
        raise VariantError(f"{where}: exact_operation is {values['exact_operation']!r}: give a text")


def _vet_choice(name: str, value: Any, where: str, offer: Offer) -> None:
    """Refuse a value that means nothing: the arm would be base under another name."""
    _, choices, several = offer.switches[name]
    if several and isinstance(value, tuple) and set(value) <= set(choices):
        return
    if not several and any(type(value) is type(each) and value == each for each in choices):
        return
    form = "a tuple of " if several else ""
    raise VariantError(f"{where}: {name} is {value!r}: give {form}{' or '.join(map(str, choices))}")


def _defined(tree: ast.Module, where: str, offer: Offer) -> Iterator[tuple[str, ast.stmt]]:
    """What the file defines at its top."""
    for statement in tree.body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name, statement
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield name, statement
            case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
                pass
            case _:
                raise VariantError(
                    f"{where}:{statement.lineno}: a variant declares; it may hold imports, constants and "
                    f"{', '.join(offer.declarations)}"
                )


def _check_names(tree: ast.Module, defined: Mapping[str, ast.stmt], where: str, offer: Offer) -> None:
    """Check that every name is known, or is a constant that is used."""
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    used = {name.id for name in names if isinstance(name.ctx, ast.Load)}
    for name, statement in defined.items():
        constant = not isinstance(statement, ast.FunctionDef) and name in used
        if name not in offer.declarations and not constant:
            raise VariantError(
                f"{where}:{statement.lineno}: nothing is called {name}{_meant(name, offer.declarations)}; a "
                f"variant may define {', '.join(offer.declarations)}, and constants that it uses"
            )


def _vet_check(
    statement: ast.stmt, name: str, arguments: int, where: str, offer: Offer, known: Collection[str]
) -> bool | None:
    """Check the function that is compiled; returns whether it tests the key, None if imported."""
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Attribute):
        return None
    takes = "the page and its order" if arguments == 2 else "the page"
    shape = f"{name}(kernel) defines one function of {takes}, and returns it"
    if not isinstance(statement, ast.FunctionDef) or len(statement.args.args) != 1:
        raise VariantError(f"{where}:{statement.lineno}: {shape}")
    body = statement.body[1:] if ast.get_docstring(statement) else statement.body
    match body:
        case [ast.FunctionDef() as check, ast.Return(value=ast.Name(id=returned))] if returned == check.name:
            pass
        case _:
            raise VariantError(f"{where}:{statement.lineno}: {shape}")
    if len(check.args.args) != arguments or check.args.vararg or check.args.kwonlyargs:
        raise VariantError(f"{where}:{check.lineno}: {shape}")
    kernel, page = statement.args.args[0].arg, check.args.args[0].arg
    names = set[str]()
    for node in (node for part in check.body for node in ast.walk(part)):
        _vet_node(node, where)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owned: Collection[str] = {kernel: offer.helpers, page: offer.fields}.get(node.value.id, ())
            if owned and node.attr not in owned:
                what = "kernel has no helper" if node.value.id == kernel else "struct page has no field"
                raise VariantError(
                    f"{where}:{node.lineno}: {what} {node.attr}{_meant(node.attr, owned)}; there are "
                    f"{', '.join(owned)}"
                )
            names |= {node.attr} if node.value.id == kernel else set()
    _check_known(check, {*known, kernel}, where)
    return KEY in names


def _check_known(check: ast.FunctionDef, known: Collection[str], where: str) -> None:
    """Check that every name is an argument, a constant of the file, or set before."""
    names = [node for node in ast.walk(check) if isinstance(node, ast.Name)]
    mine = {*known, *BUILTINS, *(argument.arg for argument in check.args.args)}
    mine |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
    for name in names:
        if name.id not in mine:
            raise VariantError(f"{where}:{name.lineno}: nothing is called {name.id}{_meant(name.id, mine)}")


def _vet_node(node: ast.AST, where: str) -> None:
    word = next((word for kind, word in REFUSED.items() if isinstance(node, kind)), None)
    line = getattr(node, "lineno", 1)
    if word:
        raise VariantError(f"{where}:{line}: {word} cannot be compiled into the free path")
    if isinstance(node, ast.Return) and node.value is not None:
        raise VariantError(f"{where}:{line}: a check returns nothing: the path goes on behind it")


def _meant(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, 1, 0.6)
    close = close or [word for word in known if word.lower() == name.lower()]
    return f" (did you mean {close[0]}?)" if close else ""
