"""What a listing says of a kernel file's code: symbols, static keys, and what booting or an arm changed."""

from typing import Final

from model.kernels.kernel_file.cutting import Instruction
from model.kernels.kernel_file.known import KnownFile
from model.vmlinux.loading import JumpLabel

GS: Final = 0x65
"""The prefix of an access to a per-CPU variable."""


class FileNotes:
    """Remarks on the functions of one arm.

    Parameters
    ----------
    file
        The kernel file whose code the arm runs.
    way
        The way to free.
    variant
        The arm.
    """

    def __init__(self, file: KnownFile, way: str, variant: str) -> None:
        self._loaded = file.loaded()
        self._change = file.arms(way)[variant].change
        self._functions = {function.name: function for function in file.functions(way)}

    def of(self, function: str) -> list[Instruction]:
        """The function's instructions as the arm has them; none of a loop, which is no code of the file."""
        found = self._functions.get(function)
        return list(self._change.of(found)) if found else []

    def remark(self, each: Instruction, mnemonic: str) -> str:
        """Where its bytes come from, where that is not the file as it lies on disk; else nothing."""
        if each.landing:
            return "put in by the arm"
        labels = self._loaded.labels_in(each.address, each.address + 1)
        if labels:
            return self._label(labels[0], jumps=mnemonic.startswith("jmp"))
        patch = self._loaded.patches.at(each.address)
        said = f"patched, {patch.kind}: {patch.what}" if patch else ""
        return "replaced by the arm" if each.address in self._change.instead else said

    def _label(self, label: JumpLabel, *, jumps: bool) -> str:
        """As the listing of a model says it, and the state of the key that this is for."""
        site, state = ("JMP" if jumps else "NOP"), ("on" if jumps != label.branch else "off")
        return f"static key {self.name(label.key)} {state}: {site}, target {self.name(label.target)}"

    def data(self, each: Instruction) -> str:
        """Name of what an instruction refers to by its distance from it; empty where it has none."""
        refers = each.refers or 0
        if each.code[0] == GS and not self._loaded.per_cpu.linked:
            start, name = [(0, ""), *self._loaded.kernel.symbols.between(0, refers + 1)][-1]
            return _inside(name, refers - start) if name else ""
        return self.name(refers)

    def name(self, address: int) -> str:
        """An address in the loaded kernel as symbol+offset; empty where no symbol is."""
        symbol = self._loaded.name(address)
        return _inside(symbol.name, address - symbol.start) if symbol else ""


def _inside(name: str, offset: int) -> str:
    return f"{name}+{offset:#x}" if offset else name
