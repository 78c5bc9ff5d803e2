"""The ELF file inside: where its sections and segments lie."""

import io
from dataclasses import dataclass
from typing import Final

from model.common.errors import KernelFileError
from model.vmlinux.unpacking import WHAT_IS_NEEDED

LINK_BASE: Final = 0xFFFFFFFF80000000
"""Where physical address 0 is linked to (__START_KERNEL_map)."""
STRAY_ERRORS: Final = (ValueError, LookupError, OverflowError, AttributeError, TypeError)
"""What pyelftools raises on damaged headers, beside its own."""


@dataclass(frozen=True)
class Section:
    """A named part; `offset` and `size` in the file are in bytes, `stored` is False for .bss."""

    address: int
    offset: int
    size: int
    stored: bool


@dataclass(frozen=True)
class Segment:
    """What is loaded at a physical address; `size` bytes come from the file, the rest to `room` is zero."""

    address: int
    physical: int
    offset: int
    size: int
    room: int


@dataclass(frozen=True)
class Layout:
    """Tables of an ELF file.

    Attributes
    ----------
    end
        Bytes of the ELF file itself: what follows are the relocation lists.
    """

    sections: dict[str, Section]
    segments: tuple[Segment, ...]
    end: int


def read_layout(data: bytes) -> Layout:
    """Sections and loaded segments of an x86-64 kernel.

    Raises
    ------
    KernelFileError
        When this is another kind of ELF file, or a part of it lies outside.
    """
    from elftools.common.exceptions import ELFError
    from elftools.construct.core import ConstructError
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(io.BytesIO(data))
        _check_kind(elf)
        sections = {
            section.name: Section(
                section["sh_addr"],
                section["sh_offset"],
                section["sh_size"],
                section["sh_type"] != "SHT_NOBITS",
            )
            for section in elf.iter_sections()
        }
        segments = tuple(
            Segment(each["p_vaddr"], each["p_paddr"], each["p_offset"], each["p_filesz"], each["p_memsz"])
            for each in elf.iter_segments()
            if each["p_type"] == "PT_LOAD"
        )
        ends = [part.offset + part.size for part in sections.values() if part.stored]
        end = max([elf["e_shoff"] + elf["e_shnum"] * elf["e_shentsize"], *ends])
    except KernelFileError:
        raise
    except (ELFError, ConstructError, *STRAY_ERRORS) as error:
        raise KernelFileError(f"is cut off or damaged: its ELF headers cannot be read ({error})") from None
    if end > len(data) or any(part.offset + part.size > len(data) for part in segments):
        raise KernelFileError(f"is cut off: its ELF file ends behind byte {len(data):,}; copy it again")
    if ".text" not in sections or sections[".text"].address < LINK_BASE or not segments:
        raise KernelFileError(
            f"is an ELF file, but no kernel (its .text is not in the last 2 GiB): {WHAT_IS_NEEDED}"
        )
    return Layout(sections, segments, end)


def _check_kind(elf: object) -> None:
    header = elf.header  # type: ignore[attr-defined]
    machine = header["e_machine"]
    if machine == "EM_386":
        raise KernelFileError(f"is a 32-bit kernel or program: {WHAT_IS_NEEDED}")
    if machine != "EM_X86_64":
        name = str(machine).removeprefix("EM_")
        raise KernelFileError(f"is an ELF file for another architecture ({name}): {WHAT_IS_NEEDED}")
    if header["e_type"] == "ET_REL":
        raise KernelFileError(f"is a kernel module or an object file: {WHAT_IS_NEEDED}")
    if header["e_type"] == "ET_CORE":
        raise KernelFileError(f"is a core dump: {WHAT_IS_NEEDED}")
