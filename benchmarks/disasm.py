"""python -m benchmarks.disasm ARM: the machine code of one free, annotated with its accesses.

Marks: `>` not in base (the patch point, and code around it that the compiler laid out anew), `.` not
executed in this state. Behind each instruction: the fields it accessed, or the state of a static key.
Of a kernel file also what booting patched; the names are those of its symbols.

For example:
  python -m benchmarks.disasm v1
  python -m benchmarks.disasm keyfirst --memcg on-active --function free_pages_prepare
  python -m benchmarks.disasm memcg-off --kernel v6.18
  python -m benchmarks.disasm --vmlinux FILE
  python -m benchmarks.disasm free_unref_page --vmlinux FILE --only entry=put_page
"""

import argparse
import ctypes
import difflib
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from model.common.command import guard, leave, run
from model.common.parser import Parser
from model.common.tables import console

if __name__ == "__main__":
    guard("python -m benchmarks.disasm")

from model.common.errors import FreepathError, UsageError
from model.vocabulary.scenario import AXES, GATES, Arm, Scenario, base_of

if TYPE_CHECKING:
    from benchmarks.emulator import Trace
    from model.kernels.kernel_file.notes import FileNotes
    from model.machine_code.placement import Placement

WIDE: Final = 140
"""Columns when the output is no terminal."""
RELATIVE: Final = re.compile(r"-?(0x)?[0-9a-f]+\(%rip\)")
"""Data that an instruction refers to by its distance from it."""


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    return run("python -m benchmarks.disasm", lambda: _command(argv))


def _command(argv: Sequence[str]) -> int:
    """What takes long to import is imported where it is used, so that Ctrl-C is met at any time."""
    from benchmarks import kernel_files, user_variants
    from benchmarks.cases import DEFAULT_KERNEL
    from benchmarks.census.counting import check_one_kind, traced
    from model.kernels import kernel_called, path_of
    from model.kernels.store import Store

    args = _parser().parse_args(argv)
    user_variants.add(args)
    files = kernel_files.add(args)
    _check(args)
    if files:
        scenario = _scenario_of_file(args)
    else:
        kernel = kernel_called(args.kernel or DEFAULT_KERNEL)
        scenario = kernel.usual.but(page_kind=args.page_kind or "plain")
        scenario = scenario.but(memcg=args.memcg or scenario.memcg)
    check_one_kind(scenario)
    arm, function = _arm(scenario, args.arm or "base", args.gate)
    store = Store(cpu=args.cpu)
    path = path_of(scenario)
    base = base_of(arm, path.arms(scenario))
    store.ensure([path.image(scenario, arm), path.image(scenario, base)])
    placement, (trace,) = traced(scenario, arm, store)
    reference, _ = traced(scenario, base, store)
    listing = Listing(placement, trace, reference, *(_notes(scenario, each) for each in (arm, base)))
    _show(listing, args.function or function, f"{arm.name}, {scenario.name}")
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if not args.vmlinux:
        if args.arm is None:
            raise UsageError("the following arguments are required: ARM")
        if args.only:
            raise UsageError("--only is about a kernel file: name it with --vmlinux FILE")
    for option in ("memcg", "page_kind"):
        if args.vmlinux and getattr(args, option):
            name = option.replace("_", "-")
            instead = "--boot memcg=off" if option == "memcg" else f"--only page_kind={args.page_kind}"
            raise UsageError(f"--{name} is for the models: with --vmlinux give {instead}")


def _scenario_of_file(args: argparse.Namespace) -> Scenario:
    """The usual one of the first file, or the only one that --only names."""
    from benchmarks import file_cases

    args.quick, args.sweep, args.memory = False, "", ""
    cases = file_cases.countable(file_cases.select(args))
    first = [case.scenario for case in cases if case.scenario.kernel == cases[0].scenario.kernel]
    if len(first) > 1:
        ways = ", ".join(f"entry={each.entry} block={each.block}" for each in first)
        raise UsageError(f"--only '{args.only}' selects {len(first)} scenarios, one is listed: {ways}")
    return first[0]


def _notes(scenario: Scenario, arm: Arm) -> "FileNotes | None":
    """Remarks on an arm of a kernel file; None on the code of a model."""
    from model.kernels.kernel_file.known import file_called
    from model.kernels.kernel_file.survey import way_of

    file = file_called(scenario.kernel)
    if file is None:
        return None
    from model.kernels.kernel_file.notes import FileNotes

    other = file.other(arm.variant)
    return FileNotes(other or file, way_of(scenario), "base" if other else arm.variant)


def _parser() -> Parser:
    from benchmarks.kernel_files import add_options as add_file_options
    from benchmarks.user_variants import add_options
    from model.kernels.store import DEFAULT_CPU

    parser = Parser(prog="python -m benchmarks.disasm", description=__doc__)
    about = (
        "variant, or variant/gate; of a kernel file also a function of its path; there base is the default"
    )
    parser.add_argument("arm", metavar="ARM", nargs="?", help=about)
    add_options(parser)
    add_file_options(parser)
    parser.add_argument("--gate", choices=GATES, help="jump-label where there is one")
    parser.add_argument("--memcg", choices=AXES["memcg"], help="the usual state of the kernel's time")
    parser.add_argument("--page-kind", choices=AXES["page_kind"], help="plain where it is not given")
    parser.add_argument(
        "--only", default="", metavar="EXPR", help="another way to free in a kernel file: entry=put_page"
    )
    parser.add_argument("--function", help="show only this function")
    parser.add_argument("--cpu", default=DEFAULT_CPU, help="LLVM's name of the CPU to compile for")
    return parser


def _arm(scenario: Scenario, name: str, gate: str | None) -> tuple[Arm, str | None]:
    """The arm of a name; or base, with the function of a kernel file that has this name."""
    from benchmarks.cases import SelectionError
    from model.kernels import kernels, path_of
    from model.kernels.kernel_file.known import file_called
    from model.kernels.kernel_file.survey import way_of

    variant, _, wanted = name.partition("/")
    wanted = gate or wanted
    there = path_of(scenario).arms(scenario)
    for arm in there:
        if arm.variant == variant and wanted in ("", arm.gate):
            return arm, None
    file, names = file_called(scenario.kernel), ", ".join(arm.name for arm in there)
    functions = [function.name for function in file.functions(way_of(scenario))] if file else []
    if name in functions:
        return there[0], name
    more = f"; functions that run there are {', '.join(functions)}" if functions else ""
    known = [kernel.name for kernel in kernels() if not file and variant in kernel.variants]
    others = [version for version in known if version != scenario.kernel]
    more += f"; {variant} is a variant of {', '.join(others)}: choose by --kernel" if others else ""
    raise SelectionError(f"no arm {name} in {scenario.name}; there are {names}{more}")


class Listing:
    """Instructions of the functions that one free executed, each with its marks."""

    def __init__(
        self,
        placement: "Placement",
        trace: "Trace",
        reference: "Placement",
        notes: "FileNotes | None" = None,
        notes_of_reference: "FileNotes | None" = None,
    ) -> None:
        import capstone

        from model.kernels import kernel_called

        self.placement, self.trace, self.reference = placement, trace, reference
        self._notes, self._notes_of_reference = notes, notes_of_reference
        self._decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        self._decoder.syntax = capstone.CS_OPT_SYNTAX_ATT
        self._decoder.detail = True
        self._calls = frozenset({capstone.CS_GRP_JUMP, capstone.CS_GRP_CALL})
        sites = placement.code.sites  # of a kernel file none: there a key's state is part of the arm
        keys = kernel_called(placement.code.spec.kernel).keys if sites else {}
        self._keys = {number: name for name, number in keys.items()}
        self.touched: dict[int, list[str]] = {}
        for at, access in trace.sequence:
            if access.object != "stack":
                self.touched.setdefault(at, []).append(f"{access.object}.{access.field}".rstrip("."))

    def functions(self) -> list[str]:
        """Functions with an instruction that ran, in the order of their first."""
        first: dict[str, int] = {}
        for place, at in enumerate(self.trace.path):
            for name, (offset, size) in self.placement.code.functions.items():
                if offset <= at - self.placement.base < offset + size:
                    first.setdefault(name, place)
        return sorted(first, key=lambda name: first[name])

    def ran(self, function: str) -> int:
        """Instructions of one function that ran, repetitions counted."""
        offset, size = self.placement.code.functions[function]
        return sum(offset <= at - self.placement.base < offset + size for at in self.trace.path)

    def lines(self, function: str) -> Iterator[tuple[str, str, str, bool]]:
        """Mark, text, remark, and whether it ran, of every instruction."""
        listing = self._read(self.placement, function, self._notes)
        reference = self._read(self.reference, function, self._notes_of_reference)
        changed = _changed([shape for *_, shape in reference], [shape for *_, shape in listing])
        sites = {site.code: site for site in self.placement.sites}
        for number, (instruction, operands, said, _) in enumerate(listing):
            remark = ", ".join(dict.fromkeys([*self.touched.get(instruction.address, []), *said]))
            if instruction.address in sites:
                site = sites[instruction.address]
                state = "JMP" if instruction.mnemonic.startswith("jmp") else "NOP"
                remark = f"static key {self._keys[site.key]}: {state}, target {self._name(site.target)}"
            ran = instruction.address in self.trace.executed
            mark = ">" if number in changed else " "
            yield mark, f"{instruction.mnemonic:7} {operands}", remark, ran

    def _read(
        self, placement: "Placement", function: str, notes: "FileNotes | None"
    ) -> list[tuple[Any, str, list[str], str]]:
        """Instructions with operands, remarks, and the shape by which two arms are compared.

        The shape has no jump target, and of a kernel file's data the name: distances depend on the layout.
        """
        decoded = self._decoded(placement, function)
        known = notes.of(function) if notes else []
        read = []
        for instruction, each in zip_longest(decoded, known):
            leads = self._calls & set(instruction.groups)
            operands = self._name(int(instruction.op_str, 16)) if leads else str(instruction.op_str)
            said = notes.remark(each, instruction.mnemonic) if notes and each else ""
            if notes and each and each.distance and (name := notes.data(each)):
                operands = RELATIVE.sub(f"{name}(%rip)", operands)
            shape = instruction.mnemonic if leads else f"{instruction.mnemonic} {operands}"
            read.append((instruction, operands, [said] if said else [], shape))
        return read

    def _decoded(self, placement: "Placement", function: str) -> list[Any]:
        from model.kernels.instructions import shown

        offset, size = placement.code.functions.get(function, (0, 0))
        start = placement.base + offset
        code = ctypes.string_at(start, size)
        instructions = list(self._decoder.disasm(code, start))
        if (read := sum(instruction.size for instruction in instructions)) < size:
            raise FreepathError(f"{function}+{read:#x}: the disassembler does not know {shown(code[read:])}")
        return instructions

    def _name(self, at: int) -> str:
        """Address as function+offset."""
        inside = at - self.placement.base
        for name, (offset, size) in self.placement.code.functions.items():
            if offset <= inside < offset + size:
                return f"{name}+{inside - offset:#x}" if inside > offset else name
        return (self._notes.name(at) if self._notes else "") or f"out of line+{inside:#x}"


def _changed(reference: list[str], listing: list[str]) -> set[int]:
    """Indices of our instructions that base does not have."""
    changed: set[int] = set()
    for tag, _, _, start, end in difflib.SequenceMatcher(
        None, reference, listing, autojunk=False
    ).get_opcodes():
        if tag in ("replace", "insert"):
            changed.update(range(start, end))
    return changed


def _show(listing: Listing, only: str | None, title: str) -> None:
    from rich.text import Text

    names = listing.functions()
    if only and only not in names:
        from benchmarks.cases import SelectionError

        raise SelectionError(f"function {only} was not executed; these were: {', '.join(names)}")
    with console(WIDE) as page:
        page.print(f"{title}; {listing.trace.instructions} instructions ran", style="bold")
        for name in [only] if only else names:
            page.print(f"\n{name}: {listing.ran(name)} instructions ran", style="bold")
            for mark, text, remark, ran in listing.lines(name):
                line = f"{mark}{' ' if ran else '.'} {text}"
                styled = Text(f"{line:60}  # {remark}" if remark else line)
                styled.stylize("dim" if not ran else "bold" if mark == ">" else "")
                page.print(styled)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
