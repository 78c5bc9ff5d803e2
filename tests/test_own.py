"""Checks that users bring: refused where they do not mean what they seem to, measured where they do."""

import json
import re
import shlex
from pathlib import Path

import pytest

from benchmarks.user_variants import vet_checkout
from model.kernels import kernel_called, kernels
from model.kernels.instructions import slots
from model.kernels.user_variants.operation import OperationError, check, with_end
from model.kernels.user_variants.vetting import VariantError, vet, vet_values
from tests.command import ROOT, drawn, refused, run

TUTORIAL = ROOT / "docs/price-your-check.md"
CHECK = '''"""A check."""
SUMMARY = "a check"
{declared}

def patch_point(kernel):
    def check(page, order):
        {body}

    return check
'''
SMALL = ("-p", "1", "-n", "1")


def text_of(body: str, declared: str = "") -> str:
    """A variant with this body, and these declarations."""
    return CHECK.format(body=body.replace("\n", "\n        "), declared=declared)


TEXTS = {
    "no python": ('"""A check."""\ndef patch_point(kernel)\n', ":2: no Python"),
    "no story": ('SUMMARY = "a"\nexact_operation = ""\n', "no docstring"),
    "no patch point": ('"""A."""\nSUMMARY = "a"\n', "neither patch_point nor exact_operation"),
    "misspelt": (text_of("pass").replace("patch_point", "patchpoint"), "(did you mean patch_point?)"),
    "misspelt declaration": (text_of("pass", "GATE = True"), "GATE (did you mean GATED?)"),
    "runs something": (text_of("pass", "print(1)"), "a variant declares"),
    "raise": (text_of("if page.flags & 1:\n    raise ValueError"), ":8: raise cannot be compiled"),
    "unknown helper": (text_of("if kernel.PageKmen(page): pass"), "PageKmen (did you mean PageKmem?)"),
    "unknown field": (text_of("if page.mapcount: pass"), "mapcount (did you mean _mapcount?)"),
    "unknown name": (text_of("if flagz: pass"), "nothing is called flagz"),
    "returns a value": (text_of("return page.flags"), "a check returns nothing"),
    "key, not gated": (text_of("if kernel.memcg_kmem_enabled(): pass"), "does not say GATED = True"),
    "gated, no key": (text_of("pass", "GATED = True"), "is GATED but never tests"),
    "two arguments": (text_of("pass").replace("page, order", "page"), "defines one function of the page and"),
}


@pytest.mark.parametrize(("text", "words"), TEXTS.values(), ids=TEXTS)
def test_a_text_that_means_something_else_is_refused(text: str, words: str) -> None:
    """With the file, the line, and what is allowed."""
    with pytest.raises(VariantError, match=re.escape(words)) as error:
        vet(text, "my.py", kernels()[0].offer)
    assert re.match(r"my\.py:\d+: ", str(error.value))


CHOICES = {
    "guard": ("v6.18", "GUARD", "irq_off", "GUARD is 'irq_off': give trylock or irq-off or preempt"),
    "checks": ("v6.18", "CHECKS", "allways", "CHECKS is 'allways': give always"),
    "left out": ("v6.18", "LEFT_OUT", ("whipe",), "LEFT_OUT is ('whipe',): give a tuple of wipe or cpupid"),
    "no tuple": ("v6.18", "LEFT_OUT", "wipe", "LEFT_OUT is 'wipe': give a tuple of wipe or cpupid"),
    "checks of v4.3": ("v4.3", "CHECKS", "always", "CHECKS is 'always': give on or deferred or off"),
    "number": ("v4.3", "SINGLE_CHECK", 1, "SINGLE_CHECK is 1: give True or False"),
}


@pytest.mark.parametrize(("kernel", "name", "value", "words"), CHOICES.values(), ids=CHOICES)
def test_a_misspelt_choice_is_refused(kernel: str, name: str, value: object, words: str) -> None:
    """Else the arm would be base under another name."""
    with pytest.raises(VariantError, match=re.escape(words)):
        vet_values({"SUMMARY": "x", name: value}, "my.py", kernel_called(kernel).offer)


def test_the_checkout_keeps_the_same_rules() -> None:
    """Every variant that is there is one that a user may bring."""
    vet_checkout()


OPERATIONS = {
    "movl $1, %edx": "a number is written $$1",
    "movl $$1, %ebx": "'movl $1, %ebx' writes ebx: only edx and the flags are yours",
    "addq $$8, $0": "writes rdi",
    "pushq %rdx": "writes rsp",
    ".byte 1": "is a directive",
    "1: .long 7": "is a directive",
    "ret": "'retq' leaves the operation",
    "jmp *%rdx": "jumps out of the operation",
    "call foo": "the code refers to foo outside of itself",
    "frob %edx": "invalid instruction mnemonic 'frob'",
    "int3": "leaves the operation",
}


@pytest.mark.parametrize(("text", "words"), OPERATIONS.items(), ids=OPERATIONS)
def test_an_operation_keeps_to_itself(text: str, words: str) -> None:
    """No register but edx, no way out, no directive."""
    with pytest.raises(OperationError, match=re.escape(words)):
        check(with_end(text), "--insert mine")


def test_a_mistake_is_pointed_at() -> None:
    """The assembler's message, the line, and a caret below the place."""
    done = run("benchmarks", "--insert", "movl 48($0), %edq", "--list")
    message, line, caret = done.stderr.splitlines()
    assert done.returncode == 2 and "--insert insert: the assembler says: invalid register name" in message
    assert line[caret.index("^") :] == "%edq"


@pytest.mark.parametrize(
    ("text", "end", "expected"),
    [
        ("movl 48($0), %edx; testl %edx, %edx; js 2f", "2:", 2),
        ("testl %edx, %edx; js 1f; 1: nop", "nop", 2),
        ("nop", "nop", 1),
        ("movl %edx, 24($0)", "24($0)", None),
    ],
)
def test_the_end_is_supplied_and_slots_are_counted(text: str, end: str, expected: int | None) -> None:
    """A forward label that is not there is the end; a comparison and its branch are one slot."""
    assert with_end(text).endswith(end)
    assert slots(check(with_end(text), "mine")) == expected


MISBEHAVING = {
    "endless": ("while True:\n    kernel.count_event(1)", "did not return within 20,000 instructions"),
    "writes": ("page.private = 7", "leaves page.private in another state than base does"),
    "types": ("if page.flags + 'x':\n    kernel.count_event(1)", "No implementation of function"),
}


@pytest.mark.parametrize(("body", "words"), MISBEHAVING.values(), ids=MISBEHAVING)
def test_what_a_check_does_is_tried_first(body: str, words: str, tmp_path: Path) -> None:
    """In the emulator, beside base; nothing is measured, and no file is left."""
    file = tmp_path / "my_check.py"
    file.write_text(text_of(body))
    done = run("benchmarks", "--variant", str(file), *SMALL, "-o", str(tmp_path / "run.json"))
    assert done.returncode == 2 and words in done.stderr and "my_check.py" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".py"] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--insert", "movl $$1, 0x100000($0)"), "Invalid memory write"),
        (("--insert", "v1=nop"), "there is a variant called v1"),
        (("--insert", "a=nop", "--insert", "a=nop"), "there is a variant called a"),
        (("--insert", "My_Check=nop"), "is no variant name"),
        (("--insert", "a="), "no assembly"),
        (("--variant", "nowhere.py"), "not a Python file"),
        (("--new-variant", "No Name"), "give a name of lower-case letters"),
    ],
)
def test_bad_options(options: tuple[str, ...], words: str) -> None:
    """One line, exit status 2."""
    refused(run("benchmarks", *options, *SMALL), words)


def blocks(language: str) -> list[str]:
    """Code of the tutorial."""
    return re.findall(rf"```{language}\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)


def test_the_tutorial_runs_as_printed(tmp_path: Path) -> None:
    """Its files, its commands in their order, with fewer processes; every check gets a verdict."""
    for text in blocks("python"):
        name = text.splitlines()[0].removeprefix("# ")
        (tmp_path / name).write_text(text.partition("\n")[2])
    for line in (line for block in blocks("sh") for line in block.splitlines()):
        _, _, module, *words = shlex.split(line)
        small = SMALL if module == "benchmarks" else ()
        done = run(module, *words, *small, cwd=tmp_path)
        assert done.returncode == 0, (line, done.stderr)
        if module == "benchmarks":
            assert re.search(r"(second|second-flag|count-types|behind-key)/\S+ [-+]\d", done.stdout), line
    document = json.loads(run("results", "show", "count.json", "--format", "json", cwd=tmp_path).stdout)
    assert {cell["variant"] for cell in document["cells"]} == {"base-twin", "count-types", "second-flag"}
    assert drawn("results", "report", "key.json", "-o", "key.html", cwd=tmp_path).returncode == 0
    assert (
        "The second flag, tested only while the static key is enabled." in (tmp_path / "key.html").read_text()
    )
    again = run("benchmarks", "--insert", "second=nop", "--append", "second.json", *SMALL, cwd=tmp_path)
    refused(again, "own_variants")


def test_a_new_variant_runs_as_it_is_written(tmp_path: Path) -> None:
    """What --new-variant writes; and the file is not overwritten."""
    assert run("benchmarks", "--new-variant", "my-check", "-o", "my_check.py", cwd=tmp_path).returncode == 0
    refused(run("benchmarks", "--new-variant", "my-check", "-o", "my_check.py", cwd=tmp_path), "exists")
    done = run("benchmarks", "--variant", "my_check.py", *SMALL, cwd=tmp_path)
    assert done.returncode == 0 and "my-check/none" in done.stdout, done.stderr
    listed = run("benchmarks", "--variant", "my_check.py", "--list", "--quick", cwd=tmp_path)
    assert listed.stdout.count("my-check/none") == 5, "every scenario of the headline with plain pages"
