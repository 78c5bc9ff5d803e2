"""Relocation lists, which stand behind the ELF file, and moving a kernel by them."""

from typing import Final

import numpy as np
import numpy.typing as npt

from model.common.errors import KernelFileError
from model.vmlinux.elf import LINK_BASE
from model.vmlinux.memory import Memory

WORDS_64, WORDS_32, INVERSE_32 = "64", "32", "inverse 32"
LEAST_PLACES: Final = 1000
"""Places of 32-bit words that any kernel has; the kernels looked at have 70,000 and more."""
PHYSICAL_SHARE: Final = 0.01
"""Share of 32-bit words that may be no address in the kernel: code that runs before paging has physical ones,
21 of 70,777 in a 6.1."""
NO_RELOCATIONS: Final = (
    "has no relocations behind it (CONFIG_RELOCATABLE is off, or a vmlinux that was copied without them): "
    "name the bzImage (/boot/vmlinuz-VERSION, arch/x86/boot/bzImage)"
)
Places = npt.NDArray[np.int64]


def read_relocations(tail: bytes) -> dict[str, Places]:
    """Linked places of the words to relocate, by kind; an int64 of each, as the kernel sign-extends it.

    The lists are read from the end as a booting kernel does: each is words of four bytes before a word that
    is zero. First places of 32-bit words, then (up to v6.14) those of 32-bit words that count the
    other way, as per-CPU offsets from the code do, then places of 64-bit words.

    Raises
    ------
    KernelFileError
        When there are none.
    """
    words = np.frombuffer(tail, "<i4", len(tail) // 4)
    zeros = np.flatnonzero(words == 0)
    lists, end = [], len(words)
    for zero in zeros[::-1].tolist():
        lists.append(words[zero + 1 : end].astype(np.int64))
        end = zero
        if len(lists) == 3:
            break
    names = (WORDS_32, INVERSE_32, WORDS_64)
    if len(lists) == 2:
        names = (WORDS_32, WORDS_64, "")
    if len(lists) < 2 or len(lists[0]) < LEAST_PLACES or any(np.any(each >= 0) for each in lists):
        raise KernelFileError(NO_RELOCATIONS)
    return dict(zip(names, lists, strict=False))


def relocate(memory: Memory, relocations: dict[str, Places], delta: int) -> None:
    """Move a kernel that lies where it was linked to, by a distance; `memory.start` moves with it.

    Raises
    ------
    KernelFileError
        When a list leads outside, or to 32-bit words that are no addresses in the kernel.
    """
    first = memory.start - (1 << 64)
    for kind, linked in relocations.items():
        places = linked - first
        if kind == WORDS_64:
            words = memory.words_at(places, "<u8")
            memory.set_words(places, words + np.uint64(delta & (1 << 64) - 1))
            continue
        words = memory.words_at(places, "<u4")
        if kind == WORDS_32 and np.mean(words < LINK_BASE & 0xFFFFFFFF) > PHYSICAL_SHARE:
            raise KernelFileError("is damaged: its relocations lead to words that are no addresses in it")
        step = delta if kind == WORDS_32 else -delta
        memory.set_words(places, words + np.uint32(step & 0xFFFFFFFF))
    memory.start += delta
