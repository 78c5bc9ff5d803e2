"""Structures as data: where the fields of a kernel's structures lie, one file for each configuration.

A file is JSON, in the shape in which BTF gives a layout: of each structure its size and its fields, each with
offset and size in bytes. A field that is an array or a structure says `of` what (`u8`, `s64`, `struct
page_counter`). Its name is the model's; `path` is the kernel's where that is another (`css.flags`). `like`
names a file whose structures hold where this one has no other.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np

from model.common.errors import FreepathError
from model.vocabulary.scenario import Config

NUMBERS: Final = {"u8": "u1", "s8": "i1", "s16": "i2", "s32": "i4", "s64": "i8", "u64": "u8"}
"""Element of an array -> NumPy's type. Addresses, links and flags are signed: Numba turns uint64 + int into a
float."""
OF_SIZE: Final = {1: "u1", 2: "i2", 4: "i4", 8: "i8"}


class LayoutError(FreepathError):
    """A layout file does not say what is needed, or says what cannot be."""


@dataclass(frozen=True)
class Field:
    """A field: offset and size in bytes, what an array or structure is of, and its path in the kernel."""

    offset: int
    size: int
    of: str
    path: str


class Layout:
    """The structures of one kernel in one configuration.

    Parameters
    ----------
    file
        JSON as above.

    Raises
    ------
    LayoutError
        When it is none, or two fields of a structure overlap, or one lies outside of it.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            document = json.loads(file.read_text())
            self._own: dict[str, Any] = document["structures"]
            for name, described in self._own.items():
                self._check(name, described)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise LayoutError(f"{file} is no layout: {error!r}") from None
        self._base = Layout(file.parent / document["like"]) if "like" in document else None

    def _check(self, name: str, described: Mapping[str, Any]) -> None:
        fields = sorted(
            (at["offset"], at["offset"] + at["size"], key) for key, at in described["fields"].items()
        )
        for (_, end, before), (start, _, key) in pairwise(fields):
            if start < end:
                raise LayoutError(
                    f"{self.file}: {name}.{key} at {start} overlaps {before}, which ends at {end}"
                )
        if fields and max(end for _, end, _ in fields) > described["size"]:
            raise LayoutError(
                f"{self.file}: {name}.{fields[-1][2]} ends behind its {described['size']} bytes"
            )

    @cached_property
    def structures(self) -> dict[str, Any]:
        """Name -> size and fields; this file's, else those of the file that it is like."""
        return {**(self._base.structures if self._base else {}), **self._own}

    def size(self, name: str) -> int:
        """Bytes of a structure."""
        return int(self._of(name)["size"])

    def fields(self, name: str) -> dict[str, Field]:
        """The fields of a structure, in the file's order."""
        return {
            key: Field(at["offset"], at["size"], at.get("of", ""), at.get("path", key))
            for key, at in self._of(name)["fields"].items()
        }

    def offset(self, name: str, field: str) -> int:
        """Bytes from a structure's beginning to a field."""
        return self._field(name, field).offset

    def record(self, name: str, *needed: str) -> np.dtype[Any]:
        """A structure as NumPy's record.

        Parameters
        ----------
        needed
            Its fields, in this order; without any, all in the file's order.

        Raises
        ------
        LayoutError
            When a field is missing.
        """
        names = needed or tuple(self.fields(name))
        found = [self._field(name, each) for each in names]
        return np.dtype(
            {
                "names": [each.replace(".", "_") for each in names],
                "formats": [self._format(name, each) for each in found],
                "offsets": [each.offset for each in found],
                "itemsize": self.size(name),
            }
        )

    def _format(self, name: str, field: Field) -> Any:
        if not field.of:
            if field.size not in OF_SIZE:
                raise LayoutError(
                    f"{self.file}: {name}.{field.path} has {field.size} bytes, and says not of what"
                )
            return OF_SIZE[field.size]
        element = np.dtype(NUMBERS[field.of]) if field.of in NUMBERS else self.record(field.of)
        count = field.size // element.itemsize
        return element if count == 1 else (element, count)

    def _of(self, name: str) -> Any:
        if name not in self.structures:
            raise LayoutError(f"{self.file} has no {name}; it has {', '.join(self.structures)}")
        return self.structures[name]

    def _field(self, name: str, field: str) -> Field:
        fields = self.fields(name)
        if field not in fields:
            raise LayoutError(f"{self.file} has no {name}.{field}; it has {', '.join(fields)}")
        return fields[field]


def layouts_of(folder: Path) -> dict[Config, Layout]:
    """The layouts of a kernel, by configuration: `FOLDER/layout/CONFIGURATION.json`."""
    return {config: Layout(folder / "layout" / f"{config}.json") for config in get_args(Config)}
