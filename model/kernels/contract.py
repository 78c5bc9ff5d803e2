"""What a kernel provides beside its path (`model.kernels.kernel.Path`): a machine, its memory, their names.

The modelled versions and a kernel file satisfy it, so that measuring, counting and proving need one way.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy.typing as npt

from model.machine_code.image import Code
from model.machine_code.placement import Placement
from model.machine_code.static_keys import StaticKeys


class Names(Protocol):
    """Which object and field an address belongs to."""

    page: int
    """Address of the struct page that is followed; others are neighbours."""

    def of(self, at: int, size: int) -> tuple[str, str, int] | None:
        """Object, field and offset within the object; None for what is none of the memory."""


class Memory(Protocol):
    """Everything that the path reads and writes."""

    mem_map: npt.NDArray[Any]
    """The struct pages, a record each."""

    @property
    def arena(self) -> npt.NDArray[Any]:
        """Everything else that is written: zone, per-CPU lists, counters, cgroups."""

    def page_address(self, number: int) -> int:
        """Address of the n-th struct page."""

    def regions(self) -> Mapping[str, tuple[int, int]]:
        """Name -> first address and bytes of each piece."""

    def names(self) -> Names:
        """Names of what lies there."""


class Machine(Protocol):
    """The CPUs of one kernel, with its memory."""

    keys: StaticKeys
    """Its static keys, and the code that follows them."""

    @property
    def memory(self) -> Memory:
        """What its path works on."""

    @property
    def cpus(self) -> int:
        """CPUs that free pages at once."""

    @property
    def gs_base(self) -> int:
        """Base of %gs: this CPU's per-CPU area."""

    def place(self, code: Code, offsets: Iterable[int] = (0,)) -> list[Placement]:
        """Put an image's code where it can run, once for each offset from a line."""

    def activate(self, cpu: int = 0) -> None:
        """Let this thread be one of its CPUs."""

    def report(self) -> str | None:
        """What the kernel would have reported, or what is not as it was before a free; or None."""

    def check(self) -> None:
        """Refuse the state that `report` describes.

        Raises
        ------
        KernelReportError
        """
