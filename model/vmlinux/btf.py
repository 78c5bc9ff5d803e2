"""Layouts of a kernel's structures, out of its .BTF section.

A type is named as in C: `struct page`, `union kernfs_node_id`, `enum zone_stat_item`, `typedef pte_t`; or
by its number. A field is named by its path: `lru.next`, `free_area[3].nr_free`; the names of unnamed members
are left out of it, as they are in C.
"""

import struct
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from model.common.errors import KernelFileError
from model.vmlinux.btf_types import (
    ARRAY,
    DATASEC,
    DEEPEST,
    ENUM,
    KINDS,
    OTHER_VERSION,
    STRUCT,
    UNION,
    Type,
    TypeTable,
)


@dataclass(frozen=True)
class Field:
    """A member; `offset` in bytes, `bits` and `shift` (from the offset) of a bit field, else 0."""

    name: str
    type: int
    offset: int
    bits: int = 0
    shift: int = 0


@dataclass(frozen=True)
class Variable:
    """A per-CPU variable, the only ones that a kernel's BTF lists; `offset` in its section."""

    type: int
    size: int
    offset: int


class Btf(TypeTable):
    """Structures, enumerations, per-CPU variables and functions of one .BTF section.

    Types are not read again and again: what was asked once is kept.
    """

    def fields(self, name: str | int) -> tuple[Field, ...]:
        """Members of a structure or union, in order; unnamed ones have an empty name."""
        number = self.strip(name)
        found = self._members.get(number)
        if found is None:
            parent = self.type(number)
            count = parent.count if parent.kind in (STRUCT, UNION) else 0
            found = self._members[number] = tuple(self._field(parent, index) for index in range(count))
        return found

    @cached_property
    def _members(self) -> dict[int, tuple[Field, ...]]:
        return {}

    def _field(self, parent: Type, index: int) -> Field:
        name, kind, offset = struct.unpack_from("<III", self._data, parent.at + 12 * index)
        bits = offset >> 24 if parent.flag else 0
        start = offset & 0xFFFFFF if parent.flag else offset
        return Field(self.text(name), kind, start // 8, bits, start % 8)

    def field(self, name: str | int, path: str) -> Field:
        """A field by its path; its offset counts from the type's beginning.

        Raises
        ------
        KernelFileError
            When the type has no such field.
        """
        known = self._by_path.get((name, path))
        if known is None:
            known = self._by_path[name, path] = self._along(name, path)
        return known

    @cached_property
    def _by_path(self) -> dict[tuple[str | int, str], Field]:
        return {}

    def _along(self, name: str | int, path: str) -> Field:
        number, offset = self.strip(name), 0
        found = Field("", number, 0)
        for part in path.replace("[", ".[").removeprefix(".").split("."):
            if part.startswith("["):
                element, _ = self.array(number)
                found = Field(part, element, int(part[1:-1]) * self.size(element))
            else:
                inner = self._member(number, part)
                if inner is None:
                    spoken = name if isinstance(name, str) else self.type(number).name
                    raise KernelFileError(f"has no field {path} of {spoken} in its BTF: {OTHER_VERSION}")
                found = inner
            offset += found.offset
            number = self.strip(found.type)
        return Field(found.name, found.type, offset, found.bits, found.shift)

    def _member(self, number: int, name: str, depth: int = 0) -> Field | None:
        """A member, also of an unnamed member."""
        for each in self.fields(number):
            if each.name == name:
                return each
            if not each.name and depth < DEEPEST:
                inner = self._member(self.strip(each.type), name, depth + 1)
                if inner is not None:
                    return Field(name, inner.type, each.offset + inner.offset, inner.bits, inner.shift)
        return None

    def offset(self, name: str | int, path: str) -> int:
        """Bytes from a type's beginning to a field."""
        return self.field(name, path).offset

    def field_size(self, name: str | int, path: str) -> int:
        """Bytes of a field."""
        return self.size(self.field(name, path).type)

    def has_field(self, name: str, path: str) -> bool:
        """Whether there are both the type and the field."""
        try:
            self.field(name, path)
        except KernelFileError:
            return False
        return True

    def require(self, *paths: str) -> None:
        """Check fields at once, each as `struct page.lru.next`, alternatives with `|` between.

        Raises
        ------
        KernelFileError
            With the names of all that are missing.
        """
        missing = [
            each
            for each in paths
            if not any(self.has_field(*one.partition(".")[::2]) for one in each.split("|"))
        ]
        if missing:
            raise KernelFileError(
                f"lacks in its BTF {', '.join(missing)}: the path is known with these fields only"
            )

    def enumerator(self, *names: str) -> int:
        """Value of the first of these enumerators that there is, whichever enumeration it is in.

        Raises
        ------
        KernelFileError
            When there is none of them.
        """
        for name in names:
            value = self._enumerators.get(name)
            if value is not None:
                return value
        raise KernelFileError(f"has no enumerator {' or '.join(names)} in its BTF")

    def enumerators(self, name: str | int) -> dict[str, int]:
        """Names and values of one enumeration."""
        found = self.type(self.strip(name))
        signed = found.flag
        if found.kind == ENUM:
            form, step = "<Ii" if signed else "<II", 8
            pairs = [struct.unpack_from(form, self._data, found.at + step * i) for i in range(found.count)]
            return {self.text(text): value for text, value in pairs}
        triples = [struct.unpack_from("<III", self._data, found.at + 12 * i) for i in range(found.count)]
        values = {self.text(text): low | high << 32 for text, low, high in triples}
        return {text: value - (1 << 64 if signed and value >> 63 else 0) for text, value in values.items()}

    @cached_property
    def _enumerators(self) -> dict[str, int]:
        _, kinds = self._heads
        values: dict[str, int] = {}
        for number in np.flatnonzero(np.isin(kinds, KINDS["enum"])).tolist():
            for name, value in self.enumerators(number).items():
                values.setdefault(name, value)
        return values

    @cached_property
    def _variables(self) -> dict[str, Variable]:
        _, kinds = self._heads
        variables = {}
        for number in np.flatnonzero(kinds == DATASEC).tolist():
            section = self.type(number)
            for index in range(section.count):
                each, offset, size = struct.unpack_from("<III", self._data, section.at + 12 * index)
                variable = self.type(each)
                variables[variable.name] = Variable(variable.size, size, offset)
        return variables

    def variable(self, name: str) -> Variable:
        """A per-CPU variable.

        Raises
        ------
        KernelFileError
            When there is none of this name.
        """
        if name not in self._variables:
            raise KernelFileError(f"has no per-CPU variable {name} in its BTF")
        return self._variables[name]

    def has_variable(self, name: str) -> bool:
        """Whether there is a per-CPU variable of this name."""
        return name in self._variables

    def arguments(self, function: str) -> tuple[str, ...] | None:
        """Names of a function's arguments; None where BTF does not have the function, or has several."""
        numbers = self.all(f"func {function}")
        if len(numbers) != 1:
            return None
        prototype = self.type(self.type(numbers[0]).size)
        return tuple(
            self.text(struct.unpack_from("<I", self._data, prototype.at + 8 * index)[0])
            for index in range(prototype.count)
        )

    def name_at(self, name: str | int, offset: int, size: int = 0) -> str:
        """Path of what lies at an offset of a type.

        Of a union's members it is the first of this size, else the first.
        """
        path, number = "", self.strip(name)
        for _ in range(DEEPEST):
            found = self.type(number)
            if found.kind == ARRAY:
                element, _count = self.array(number)
                step = self.size(element) or 1
                path, number, offset = f"{path}[{offset // step}]", self.strip(element), offset % step
                continue
            if found.kind not in (STRUCT, UNION):
                return f"{path}+{offset}" if offset else path
            member = self._at(number, offset, size)
            if member is None:
                return f"{path}(padding {offset})"
            dot = "." if path and member.name else ""
            path, number = path + dot + member.name, self.strip(member.type)
            offset -= member.offset
        raise KernelFileError("is damaged: its BTF has a structure inside of itself")

    def _at(self, number: int, offset: int, size: int) -> Field | None:
        """The member that covers an offset; one of this size that begins there, if there is one."""
        inside = [
            each
            for each in self.fields(number)
            if each.offset <= offset < each.offset + max(self.size(each.type), 1)
        ]
        exact = (each for each in inside if each.offset == offset and self.size(each.type) == size)
        return next(exact, inside[0] if inside else None)
