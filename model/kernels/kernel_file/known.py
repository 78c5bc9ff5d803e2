"""Kernel files that a command was given, each as a kernel beside the modelled versions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from model.common.errors import KernelFileError
from model.kernels.kernel_file.arms import FileArm, Insert, arms_of, place_of_memcg
from model.kernels.kernel_file.cutting import Cut, Function
from model.kernels.kernel_file.given import FILES, known_files
from model.kernels.kernel_file.image import FileImage, Loops, boot_digest, joined
from model.kernels.kernel_file.survey import Survey, way_of
from model.kernels.variants import Variant
from model.machine_code.image import Spec
from model.vmlinux.boot import Boot, as_booted
from model.vmlinux.kernel_file import KernelFile
from model.vmlinux.loading import LoadedKernel, load
from model.vmlinux.reading import read
from model.vocabulary.scenario import RELEASE, Entry, Scenario

ENTRIES: Final[Mapping[Entry, tuple[str, ...]]] = {
    "__free_pages": ("__free_pages",),
    "put_page": ("__folio_put", "__put_page"),
    "release_pages": ("release_pages",),
    "folios_put_refs": ("folios_put_refs",),
}
"""Entry -> functions of the kernel, of which the first one that it has is called."""
SPACING: Final = 0x0800_0000
FIRST_BASE: Final = 0x4000_0000
"""Where the first file lies, and bytes from one to the next: several are measured side by side."""


@dataclass
class KnownFile:
    """A kernel file as this process has it.

    Attributes
    ----------
    kernel_file, boot
        What was read, and how it is taken to be booted.
    number
        Which of the command's files it is, from 0.
    suffix
        What tells it from an earlier file of the same release: two builds of one tree often have one.
    surveys
        Way to free -> what it executes, once the emulator has found it; the usual one comes first.
    beside
        Files that are measured as arms beside this one's.
    inserts
        Operations that the user puts in.
    """

    kernel_file: KernelFile
    boot: Boot
    number: int
    suffix: str = ""
    surveys: dict[str, Survey] = field(default_factory=dict)
    beside: "list[KnownFile]" = field(default_factory=list)
    inserts: list[Insert] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The kernel's release: `6.12.117+deb12-cloud-amd64`, of a second such file with `-file2`."""
        return self.kernel_file.release + self.suffix

    @property
    def entries(self) -> list[Entry]:
        """Entries that it has."""
        return [entry for entry, names in ENTRIES.items() if any(map(self.kernel_file.symbols.has, names))]

    def can(self, way: str, *, counted: bool) -> bool:
        """Whether pages can be freed so here: natively, or if it is only to be counted, in the emulator."""
        return way in self.surveys and (counted or not self.surveys[way].unfit)

    def entry_name(self, entry: str) -> str:
        """The function that an entry calls."""
        names = ENTRIES[entry]  # type: ignore[index]
        return next(name for name in names if self.kernel_file.symbols.has(name))

    def loaded(self) -> LoadedKernel:
        """The kernel in memory, as booted; its variables are the caller's to set."""
        return self._loaded

    @cached_property
    def _loaded(self) -> LoadedKernel:
        return load(self.kernel_file, self.boot, FIRST_BASE + SPACING * self.number)

    def functions(self, way: str) -> list[Function]:
        """The functions that run."""
        if way not in self._functions:
            self._functions[way] = self.surveys[way].functions(self._loaded)
        return self._functions[way]

    @cached_property
    def _functions(self) -> dict[str, list[Function]]:
        return {}

    def arms(self, way: str) -> dict[str, FileArm]:
        """What is measured, by name."""
        if way not in self._arms:
            usual = way == way_of(self.usual)
            arguments = self._loaded, self.surveys[way], self.functions(way), self.inserts
            self._arms[way] = arms_of(*arguments, usual=usual)
        return self._arms[way]

    @cached_property
    def _arms(self) -> dict[str, dict[str, FileArm]]:
        return {}

    @property
    def variants(self) -> dict[str, Variant]:
        """Every arm of every way that was surveyed as a variant."""
        own = {name: arm.variant for way in self.surveys for name, arm in self.arms(way).items()}
        beside = (FileArm(other.name, f"the kernel file {other.name}, as booted") for other in self.beside)
        return own | {arm.name: arm.variant for arm in beside}

    def other(self, variant: str) -> "KnownFile | None":
        """The file beside this one that an arm is."""
        return next((other for other in self.beside if other.name == variant), None)

    def image(self, way: str, variant: str) -> FileImage:
        """What an arm runs."""
        texts = "".join(f"\0{each.text} at {each.at}" for each in self.inserts if each.name == variant)
        digest = boot_digest(f"{self.boot}\0{self.number}{texts}")
        return FileImage(self.kernel_file.origin.sha256, digest, way, variant, self._patched(way))

    def _patched(self, way: str) -> str:
        """The function in which the memcg key is tested, or the first one."""
        functions = self.functions(way)
        place = place_of_memcg(self._loaded, self.surveys[way], functions)
        held = (f.name for f in functions if any(each.address == place for each in f.instructions))
        return next(held, functions[0].name)

    def make(self, image: FileImage, loops: Any) -> dict[str, Any]:
        """An arm's image from the file, as the cache keeps it."""
        cut = Cut(self.functions(image.way), self.arms(image.way)[image.variant].change)
        return joined(loops, cut, self.surveys[image.way].entry)

    @cached_property
    def usual(self) -> Scenario:
        """Where a price list is measured."""
        checks = "on" if self.boot.value("check_pages") == "on" else "off"
        memcg = "on-active" if self.boot.value("memcg") == "on" else "on-idle"
        hvo = "on" if self.boot.value("hvo") == "on" else "off"
        axes = {"checks": checks, "config": "distribution", "hvo": hvo, "cgroup": "v2", "kernel": self.name}
        return Scenario("on-active").but(memcg=memcg, **axes)


def add(path: str, changes: str = "") -> KnownFile:
    """Read a kernel file and know it from now on.

    Parameters
    ----------
    changes
        Of what is assumed of its boot, as `model.vmlinux.boot.as_booted` takes them.

    Raises
    ------
    KernelFileError, UsageError
    """
    kernel_file = read(path)
    if any(kernel_file.origin.sha256 == known.kernel_file.origin.sha256 for known in known_files()):
        raise KernelFileError("is given twice: the two files have one SHA-256, so nothing differs")
    if not RELEASE.fullmatch(kernel_file.release):
        raise KernelFileError(f"is of release {kernel_file.release!r}, which is no version of Linux")
    again = sum(kernel_file.release == known.kernel_file.release for known in known_files())
    suffix = f"-file{again + 1}" if again else ""
    known = KnownFile(kernel_file, as_booted(kernel_file, changes), len(FILES), suffix)
    for first in known_files()[:1]:
        first.beside.append(known)
    FILES[known.name] = known
    return known


def file_called(name: str) -> KnownFile | None:
    """A kernel file by its release."""
    return FILES.get(name)


def make(image: Spec, loops: Any) -> dict[str, Any]:
    """An image of one of the files.

    Raises
    ------
    KernelFileError
        When none of them is the image's.
    """
    files: list[KnownFile] = known_files()
    for known in files:
        if isinstance(image, FileImage) and known.kernel_file.origin.sha256 == image.file:
            return known.make(image, loops)
    raise KernelFileError(f"{image.name} is of a kernel file that this command was not given")


LOOPS: Final = Loops()
