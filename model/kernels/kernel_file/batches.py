"""What is given to entries that free several pages a call: an array of pages, or a batch of folios."""

from typing import Final

import numpy as np
import numpy.typing as npt

from model.common.errors import KernelFileError
from model.kernels.kernel_file.layout import FileMemory
from model.kernels.kernel_file.names import Part
from model.vmlinux.btf import Btf
from model.vocabulary.scenario import Scenario

FOLIOS: Final = 16
"""Pages per call, as the models' batches are timed; a batch of folios has up to 31 (15 up to v6.8)."""
BATCH: Final = "struct folio_batch"
BATCH_BYTES: Final = 256
"""Bytes of a batch of folios, which the timed loop steps by: with 31 folios (since v6.9)."""


def part_of(btf: Btf, scenario: Scenario, pages: int) -> Part:
    """The memory that the batches of so many pages need.

    Raises
    ------
    KernelFileError
        When the kernel's batch has another size than the timed loop knows.
    """
    if scenario.entry == "release_pages":
        return Part("batch", 0, 8 * pages)
    size, most = btf.size(BATCH), btf.array(btf.field(BATCH, "folios").type)[1]
    if size != BATCH_BYTES or most < FOLIOS:
        raise KernelFileError(f"has a {BATCH} of {size} bytes for {most} folios, not of {BATCH_BYTES}")
    return Part("batch", 0, size * (pages // FOLIOS), BATCH, array=True)


class Batches:
    """The batches of a scenario, filled.

    Parameters
    ----------
    memory
        With the part for them.
    addresses
        i8[pages]: of the struct pages, in the order in which they are freed.

    Attributes
    ----------
    words
        i8[words]: the part; the kernel changes a batch of folios, so it is given back between passes.
    """

    def __init__(self, memory: FileMemory, addresses: npt.NDArray[np.int64]) -> None:
        part = memory.parts["batch"]
        self._start, self._plain = part.start, not part.type
        self.words = memory.bytes_at(part.start, part.size).view(np.int64)
        if self._plain:
            self.words[:] = addresses
            return
        rows = self.words.reshape(-1, BATCH_BYTES // 8)
        first = memory.btf.offset(BATCH, "folios") // 8
        rows[:, first : first + FOLIOS] = addresses.reshape(-1, FOLIOS)
        for number in range(len(rows)):
            memory.write_field(part.start + BATCH_BYTES * number, BATCH, "nr", FOLIOS)

    def arguments(self, number: int) -> tuple[int, int]:
        """What the n-th call is given: an array and its length, or a batch, a reference of each folio."""
        if self._plain:
            return self._start + 8 * FOLIOS * number, FOLIOS
        return self._start + BATCH_BYTES * number, 0
