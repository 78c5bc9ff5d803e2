"""A kernel in memory as it lies there after booting: relocated, patched, its static keys set."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from model.common.errors import KernelFileError
from model.vmlinux import alternatives, patching
from model.vmlinux.boot import Boot
from model.vmlinux.elf import LINK_BASE
from model.vmlinux.features import FIRST_REGISTER, Features, read_features
from model.vmlinux.kernel_file import KernelFile
from model.vmlinux.memory import Int64s, Memory
from model.vmlinux.patches import Nops, Patches
from model.vmlinux.patching import BUG, NOTHING, Patching
from model.vmlinux.relocation import relocate
from model.vmlinux.symbols import Symbol
from model.vmlinux.tables import (
    Alternatives,
    JumpLabels,
    Span,
    read_alternatives,
    read_fentry,
    read_jump_labels,
    read_paravirt,
    read_sites,
    read_static_calls,
)

DEFAULT_BASE: Final = 0x4000_0000
"""Stands for LINK_BASE: below 2 GiB, so that 32-bit addresses that are sign-extended still lead there."""
HIGHEST: Final = 1 << 31
INLINE_CALLS: Final = (
    ("__static_call_return0", "xor5rax"),
    ("__raw_callee_save___native_queued_spin_unlock", "unlockinsn"),
)
"""Functions, and where a kernel keeps the five bytes that it writes in place of a static call of each
(arch/x86/kernel/static_call.c v6.1, the second one in 7.3)."""


@dataclass(frozen=True)
class JumpLabel:
    """A site of a static key: addresses, and its size, 2 or 5 bytes; `branch` as in JumpLabels."""

    code: int
    target: int
    key: int
    branch: bool
    size: int


@dataclass(frozen=True)
class PerCpuArea:
    """Initial values of the per-CPU variables, which each CPU has a copy of.

    Attributes
    ----------
    template, size
        Where they lie in the loaded kernel, and their bytes.
    linked
        Address that the first of them was linked to: 0 up to v6.14, one in the kernel from v6.15 on.
    """

    template: int
    size: int
    linked: int

    def gs_base(self, copy: int) -> int:
        """Base of gs for the copy at an address; not negative only if the copy lies above the kernel."""
        return copy - self.template if self.linked else copy


@dataclass
class LoadedKernel:
    """A kernel in memory.

    Attributes
    ----------
    kernel
        The file.
    boot
        What it was booted as.
    memory
        Its bytes, and the address of the first one.
    delta
        Distance from an address as linked to the same in this memory.
    """

    kernel: KernelFile
    boot: Boot
    memory: Memory
    delta: int

    @cached_property
    def patches(self) -> Patches:
        """What was patched, beside relocation and static keys."""
        return Patches(lambda address: found.name if (found := self.name(address)) else "?")

    def symbol(self, *names: str) -> int:
        """Address of the first of these names that there is; not for per-CPU variables.

        Raises
        ------
        KernelFileError
            When there is none, or it is ambiguous.
        """
        return self.kernel.symbols.one(*names) + self.delta

    def has(self, name: str) -> bool:
        """Whether the kernel has a symbol of this name."""
        return self.kernel.symbols.has(name)

    def name(self, address: int) -> Symbol | None:
        """The symbol that an address lies in, with addresses in this memory."""
        found = self.kernel.symbols.at(address - self.delta) if self.memory.holds(address) else None
        return found and Symbol(found.name, found.start + self.delta, found.end + self.delta, found.letter)

    @cached_property
    def per_cpu(self) -> PerCpuArea:
        """Initial values of the per-CPU variables."""
        begin, end = (self.kernel.symbols.one(f"__per_cpu_{each}") for each in ("start", "end"))
        if begin >= LINK_BASE:
            return PerCpuArea(begin + self.delta, end - begin, begin)
        for each in self.kernel.layout.segments:
            if each.address == begin and each.room >= end - begin:
                return PerCpuArea(each.physical + LINK_BASE + self.delta, end - begin, begin)
        raise KernelFileError(
            "has per-CPU variables in no segment of its own: another form than is known here"
        )

    def per_cpu_address(self, name: str, copy: int) -> int:
        """Where the copy of the per-CPU variables at an address has this one."""
        return copy + self.kernel.symbols.one(name) - self.per_cpu.linked

    @cached_property
    def labels(self) -> JumpLabels:
        """All sites of static keys, as places in the memory's bytes."""
        begin, end = self.kernel.jump_table()
        return read_jump_labels(self.memory, (begin + self.delta, end + self.delta))

    def key(self, *names: str) -> int:
        """Address of a static key.

        Raises
        ------
        KernelFileError
            When it does not exist, or no code tests it.
        """
        address = self.symbol(*names)
        if not np.any(self.labels.key == address - self.memory.start):
            raise KernelFileError(f"has no static key {names[0]}: no jump label belongs to it")
        return address

    def key_is_on(self, key: int) -> bool:
        """State of the static key at an address."""
        return self.memory.s32(key) > 0

    def set_key(self, key: int, on: bool) -> tuple[JumpLabel, ...]:
        """Set the static key at an address, and all its sites; returns these."""
        self.memory.set_u32(key, int(on))
        labels = self._labels(np.flatnonzero(self.labels.key == key - self.memory.start))
        for label in labels:
            self.memory.write(label.code, self.label_code(label, on))
        return labels

    def label_code(self, label: JumpLabel, on: bool) -> bytes:
        """Bytes of a site when its key is on or off."""
        return patching.jump_label_code(label.code, label.target, label.size, on != label.branch)

    def labels_in(self, begin: int, end: int) -> tuple[JumpLabel, ...]:
        """Sites of static keys between two addresses, in order."""
        code = self.labels.code + self.memory.start
        inside = np.flatnonzero((code >= begin) & (code < end))
        return self._labels(inside[np.argsort(code[inside], kind="stable")])

    def labels_of(self, key: int) -> tuple[JumpLabel, ...]:
        """Sites of the static key at an address."""
        return self._labels(np.flatnonzero(self.labels.key == key - self.memory.start))

    def _labels(self, numbers: Int64s) -> tuple[JumpLabel, ...]:
        start, data, table = self.memory.start, self.memory.data, self.labels
        return tuple(
            JumpLabel(
                start + code, start + target, start + key, branch, 2 if data[code] in (0xEB, 0x66) else 5
            )
            for code, target, key, branch in zip(
                table.code[numbers].tolist(),
                table.target[numbers].tolist(),
                table.key[numbers].tolist(),
                table.branch[numbers].tolist(),
                strict=True,
            )
        )

    @cached_property
    def alternatives(self) -> Alternatives:
        """All alternatives, as places in the memory's bytes."""
        return read_alternatives(self.memory, self.span(".altinstructions"), self.kernel.btf)

    @cached_property
    def features(self) -> Features:
        """Names and numbers of the CPU's features in this kernel."""
        registers = self.symbol(FIRST_REGISTER) if self.has(FIRST_REGISTER) else 0
        return read_features(
            self.kernel, self.memory, self.alternatives, self.symbol("x86_cap_flags"), registers
        )

    def span(self, section: str, begin: str = "", end: str = "") -> Span:
        """Addresses of a table; an empty span where the kernel has none."""
        found = self.kernel.span(section, begin, end)
        return (found[0] + self.delta, found[1] + self.delta) if found else (self.memory.start,) * 2


def load(kernel: KernelFile, boot: Boot, base: int = DEFAULT_BASE) -> LoadedKernel:
    """Load a kernel: relocate it, patch it, set its static keys.

    Parameters
    ----------
    base
        Address that stands for LINK_BASE; the whole kernel lies below 2 GiB.

    Raises
    ------
    KernelFileError
        When the kernel lacks a table, or something that `boot` asks for.
    """
    memory = kernel.memory()
    delta = base - LINK_BASE
    relocate(memory, kernel.relocations, delta)
    if memory.end > HIGHEST:
        raise KernelFileError(f"does not fit below 2 GiB from {base:#x} on: choose a lower base")
    loaded = LoadedKernel(kernel, boot, memory, delta)
    _ = loaded.labels, loaded.features  # read before code is changed that tells them
    _patch(loaded)
    for name, on in boot.keys.items():
        loaded.set_key(loaded.key(name), on)
    return loaded


def _patch(loaded: LoadedKernel) -> None:
    boot, memory = loaded.boot, loaded.memory
    nothing = frozenset(loaded.symbol(name) for name in NOTHING if loaded.has(name))
    work = Patching(memory, _nops(loaded), nothing, loaded.patches)
    thunk = loaded.symbol(boot.thunk_function) if boot.thunk_function else None
    if loaded.kernel.span(".parainstructions"):
        table = read_paravirt(memory, loaded.span(".parainstructions"))
        rows = list(zip(*(table[name].tolist() for name in ("site", "kind", "length")), strict=True))
        bug = loaded.symbol(BUG) if loaded.has(BUG) else 0
        patching.paravirt_calls(work, rows, loaded.symbol("pv_ops"), bug)
    if loaded.has(FIRST_REGISTER) and not boot.retpoline:
        sites = read_sites(memory, loaded.span(".retpoline_sites"))
        patching.indirect_calls(work, sites, loaded.symbol(FIRST_REGISTER))
    patching.returns(work, read_sites(memory, loaded.span(".return_sites")), thunk)
    numbers = loaded.features.of(boot.flags, retpoline=boot.retpoline)
    alternatives.apply(work, loaded.alternatives, loaded.kernel.operands, numbers, loaded.features)
    patching.endbr_seals(work, read_sites(memory, loaded.span(".ibt_endbr_seal")))
    calls = loaded.span("", "__start_static_call_sites", "__stop_static_call_sites")
    patching.static_calls(work, read_static_calls(memory, calls), _inline_calls(loaded), thunk)
    fentry = read_fentry(memory, loaded.span("", "__start_mcount_loc", "__stop_mcount_loc"))
    patching.fentry_calls(work, fentry)


def _nops(loaded: LoadedKernel) -> Nops:
    if not loaded.has("x86_nops"):
        return Nops()
    found = loaded.kernel.symbols.at(loaded.kernel.symbols.one("x86_nops"))
    count = (found.end - found.start) // 8 if found else 0
    return Nops(loaded.memory, loaded.symbol("x86_nops"), count)


def _inline_calls(loaded: LoadedKernel) -> dict[int, bytes]:
    return {
        loaded.symbol(function): loaded.memory.read(loaded.symbol(code), 5)
        for function, code in INLINE_CALLS
        if loaded.has(function) and loaded.has(code)
    }
