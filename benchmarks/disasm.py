"""python -m benchmarks.disasm ARM: the machine code of one free, annotated with its accesses.

Marks: `>` not in base (the patch point, and code around it that the compiler laid out anew), `.` not
executed in this state. Behind each instruction: the fields it accessed, or the state of a static key.

For example:
  python -m benchmarks.disasm v1
  python -m benchmarks.disasm keyfirst --memcg on-active --function free_pages_prepare
  python -m benchmarks.disasm memcg-off --kernel v6.18
"""

import ctypes
import difflib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from model.common.command import Parser, console, guard, leave, run

if __name__ == "__main__":
    guard("python -m benchmarks.disasm")

from model.common.errors import FreepathError
from model.vocabulary.scenario import AXES, GATES, Arm, Scenario, base_of

if TYPE_CHECKING:
    from benchmarks.emulator import Trace
    from model.code.placement import Placement

WIDE: Final = 140
"""Columns when the output is no terminal."""


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    return run("python -m benchmarks.disasm", lambda: _command(argv))


def _command(argv: Sequence[str]) -> int:
    """What takes long to import is imported where it is used, so that Ctrl-C is met at any time."""
    from benchmarks import kernel_files, own
    from benchmarks.cases import DEFAULT_KERNEL
    from benchmarks.census.counting import check_one_kind, traced
    from model.kernels import kernel_called, path_of
    from model.kernels.store import Store

    args = _parser().parse_args(argv)
    own.add(args)
    files = kernel_files.add(args)
    scenario = kernel_called(files[0].name if files else args.kernel or DEFAULT_KERNEL).usual.but(
        page_kind=args.page_kind
    )
    scenario = scenario.but(memcg=args.memcg or scenario.memcg)
    check_one_kind(scenario)
    arm = _arm(scenario, args.arm, args.gate)
    store = Store(cpu=args.cpu)
    path = path_of(scenario)
    base = base_of(arm, path.arms(scenario))
    store.ensure([path.image(scenario, arm), path.image(scenario, base)])
    placement, (trace,) = traced(scenario, arm, store)
    reference, _ = traced(scenario, base, store)
    _show(Listing(placement, trace, reference), args.function, f"{arm.name}, {scenario.name}")
    return 0


def _parser() -> Parser:
    from benchmarks.kernel_files import add_options as add_file_options
    from benchmarks.own import add_options
    from model.kernels.store import DEFAULT_CPU

    parser = Parser(prog="python -m benchmarks.disasm", description=__doc__)
    parser.add_argument("arm", metavar="ARM", help="variant, or variant/gate")
    add_options(parser)
    add_file_options(parser)
    parser.add_argument("--gate", choices=GATES, help="jump-label where there is one")
    parser.add_argument("--memcg", choices=AXES["memcg"], help="the usual state of the kernel's time")
    parser.add_argument("--page-kind", choices=AXES["page_kind"], default="plain")
    parser.add_argument("--function", help="show only this function")
    parser.add_argument("--cpu", default=DEFAULT_CPU, help="LLVM's name of the CPU to compile for")
    return parser


def _arm(scenario: Scenario, name: str, gate: str | None) -> Arm:
    variant, _, wanted = name.partition("/")
    from model.kernels import path_of

    wanted = gate or wanted
    arms = [
        arm for arm in path_of(scenario).arms(scenario) if arm.variant == variant and wanted in ("", arm.gate)
    ]
    if not arms:
        from benchmarks.cases import SelectionError

        names = ", ".join(arm.name for arm in path_of(scenario).arms(scenario))
        raise SelectionError(f"no arm {name} in {scenario.name}; there are {names}")
    return arms[0]


class Listing:
    """Instructions of the functions that one free executed, each with its marks."""

    def __init__(self, placement: "Placement", trace: "Trace", reference: "Placement") -> None:
        import capstone

        from model.kernels import kernel_called

        self.placement, self.trace, self.reference = placement, trace, reference
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
        listing, reference = self._decoded(self.placement, function), self._decoded(self.reference, function)
        changed = _changed(list(map(self._shape, reference)), list(map(self._shape, listing)))
        sites = {site.code: site for site in self.placement.sites}
        for number, instruction in enumerate(listing):
            remark = ", ".join(dict.fromkeys(self.touched.get(instruction.address, [])))
            if instruction.address in sites:
                site = sites[instruction.address]
                state = "JMP" if instruction.mnemonic.startswith("jmp") else "NOP"
                remark = f"static key {self._keys[site.key]}: {state}, target {self._name(site.target)}"
            ran = instruction.address in self.trace.executed
            mark = ">" if number in changed else " "
            yield mark, f"{instruction.mnemonic:7} {self._operands(instruction)}", remark, ran

    def _decoded(self, placement: "Placement", function: str) -> list[Any]:
        from model.kernels.instructions import shown

        offset, size = placement.code.functions.get(function, (0, 0))
        start = placement.base + offset
        code = ctypes.string_at(start, size)
        instructions = list(self._decoder.disasm(code, start))
        if (read := sum(instruction.size for instruction in instructions)) < size:
            raise FreepathError(f"{function}+{read:#x}: the disassembler does not know {shown(code[read:])}")
        return instructions

    def _operands(self, instruction: Any) -> str:
        if self._calls & set(instruction.groups):
            return self._name(int(instruction.op_str, 16))
        return str(instruction.op_str)

    def _name(self, at: int) -> str:
        """Address as function+offset."""
        inside = at - self.placement.base
        for name, (offset, size) in self.placement.code.functions.items():
            if offset <= inside < offset + size:
                return f"{name}+{inside - offset:#x}" if inside > offset else name
        return f"out of line+{inside:#x}"

    def _shape(self, instruction: Any) -> str:
        """The instruction as it is compared, without jump targets: these depend on the layout."""
        if self._calls & set(instruction.groups):
            return str(instruction.mnemonic)
        return f"{instruction.mnemonic} {instruction.op_str}"


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
