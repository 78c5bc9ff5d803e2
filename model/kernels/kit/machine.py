"""A machine of a modelled kernel: its memory, its static keys, and its placed code."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy.typing as npt

from model.common.errors import KernelReportError
from model.kernels.arrays import address_of
from model.kernels.kit.memory import ArenaMemory
from model.kernels.kit.reason import Reason
from model.kernels.loop_record import PAGE_BYTES
from model.machine_code.gs import set_gs
from model.machine_code.image import Code
from model.machine_code.placement import Placement
from model.machine_code.static_keys import StaticKeys
from model.vocabulary.scenario import PageKind


class ModelMachine(ABC):
    """CPUs of one kernel, the memory that it has set up, and the static keys of its code.

    Parameters
    ----------
    memory
        What its path works on.
    keys
        Name of each static key, also of its count in the %gs area -> its number in the jump table.
    """

    bad: ClassVar[type[Reason]]
    """Why the kernel calls a page bad."""

    def __init__(self, memory: ArenaMemory, keys: Mapping[str, int]) -> None:
        self.memory = memory
        self.keys = StaticKeys(keys, self._set_key)

    @property
    def cpus(self) -> int:
        """How many CPUs it has."""
        return len(self.memory.arenas)

    def place(self, code: Code, offsets: Iterable[int] = (0,)) -> list[Placement]:
        """Copy an image to fresh pages, once per offset from a page's start, and let it follow the keys."""
        placements = [Placement(code, offset) for offset in offsets]
        self.keys.register(placements)
        return placements

    def activate(self, cpu: int = 0) -> None:
        """Point this thread's %gs at a CPU of this machine. Call before any placed function.

        Raises
        ------
        UnsupportedCPUError
            Where that is not possible.
        ValueError
            When the machine has no such CPU.
        """
        if cpu >= self.cpus:
            raise ValueError(f"this machine has {self.cpus} CPUs, none with number {cpu}")
        set_gs(self.memory.field_address("cpu", cpu))

    @property
    def gs_base(self) -> int:
        """Base of %gs of the first CPU."""
        return self.memory.field_address("cpu")

    def report(self) -> str | None:
        """What the kernel would have printed since boot, on any CPU, or unmodelled code; or None."""
        return next(filter(None, map(self._report, self.memory.cpus)), None)

    def _report(self, cpu: Any) -> str | None:
        """The same of one CPU, by its %gs area."""
        if not cpu["bad_pages"]:
            return self._other_report(cpu)
        page = (int(cpu["bad_page"]) - address_of(self.memory.mem_map)) // PAGE_BYTES
        reason = next(reason for reason in self.bad if reason == cpu["bad_reason"])
        return f"{cpu['bad_pages']} bad page(s), the last one number {page}: {reason.text}"

    @abstractmethod
    def template(self, kind: PageKind, variant: str) -> npt.NDArray[Any]:
        """A page as its owner holds it just before the free: struct page[1]."""

    @abstractmethod
    def _other_report(self, cpu: Any) -> str | None:
        """What this version reports beside bad pages."""

    def check(self) -> None:
        """Fail if the kernel printed anything.

        Raises
        ------
        KernelReportError
        """
        if report := self.report():
            raise KernelReportError(f"the modelled kernel reports {report}")

    def walk(self, head: int) -> list[int]:
        """Numbers of the pages on a list, from its head's `next` on."""
        return self.memory.walk(head, self.memory.lru)

    def _set_key(self, name: str, count: int) -> None:
        for cpu in self.memory.cpus:
            cpu[name] = count
