"""What a layout of reached code needs to know: its bytes, insertion points and branches, as tables.

The compiled function that lays builds out (`model.kernels.lay_out`) reads these tables.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from model.machine_code.image import Code
from model.machine_code.x86 import JMP_REL8, TWO_BYTES

LONGEST: Final = 8
"""Bytes of the longest NOP that is inserted."""
MARK: Final = np.dtype(
    [
        ("at", "i8"),  # offset of a byte in the reached code
        ("points", "i8"),  # insertion points before it,
        ("branches", "i8"),  # branches,
        ("function", "i8"),  # the function that it lies in,
        ("padded", "i8"),  # and whether the NOPs of a phase stand before it
    ]
)
BRANCH: Final = np.dtype(
    [
        ("here", "i8"),  # address of the MARK of its first byte
        ("target", "i8"),  # and of the byte that it leads to
        ("size", "i8"),  # bytes as compiled
        ("opening", "i8"),  # bytes by which a short one grows when it becomes long
        ("short", "i8"),  # 1: of two bytes, which reach 127 bytes
        ("opcode", "i8"),  # first byte
    ]
)
EDGE: Final = np.dtype([("here", "i8"), ("length", "i8")])
"""A run of bytes that stay together: address of the first one's MARK, and how many."""
LAYOUT_RECORD: Final = np.dtype(
    [
        ("source", "i8"),  # address of u1[bytes]: the reached code
        ("keys", "i8"),  # address of u8[points]: what each draws its NOP by
        ("function", "i8"),  # address of MARK[functions],
        ("functions", "i8"),  # and how many
        ("branch", "i8"),  # address of BRANCH[branches],
        ("branches", "i8"),
        ("point", "i8"),  # address of MARK[points],
        ("points", "i8"),
        ("edge", "i8"),  # address of EDGE[edges],
        ("edges", "i8"),
        ("ask", "i8"),  # address of MARK[asked]: bytes whose places are told
        ("asked", "i8"),
        ("nop_bytes", "i8"),  # address of u1[length, place]
        ("builds", "i8"),
        ("phases", "i8"),  # address of i8[builds]
        ("seeds", "i8"),  # address of u8[builds]
        ("limit", "u8"),  # of 2**53: share of the points that get a NOP
        ("rows", "i8"),  # address of u1[builds, row_bytes]: where builds are written
        ("row_bytes", "i8"),
        ("places", "i8"),  # address of i8[builds, asked]: where these bytes lie in each build
        # Addresses of i8 arrays to work with: one element a point, branch or function, sums one more.
        ("nops", "i8"),
        ("nops_before", "i8"),
        ("growth_before", "i8"),
        ("gaps", "i8"),
        ("long", "i8"),
        ("distances", "i8"),
    ]
)
"""The argument of the compiled function `lay_out`."""

Ints = npt.NDArray[np.int64]
Table = npt.NDArray[np.void]

KEPT: Final[dict[tuple[int, str], tuple[Code, "Pieces"]]] = {}
"""Code, by identity, and entry -> what was found of it, for this process and those forked from it."""


def pieces_of(code: Code, entry: str, *, keep: bool = False) -> "Pieces":
    """The reached code, which is found once where it is kept."""
    if (code_id := (id(code), entry)) in KEPT:
        return KEPT[code_id][1]
    found = Pieces(code, entry)
    if keep:
        KEPT[code_id] = code, found
    return found


class Pieces:
    """Reached code: the part of an image that one entry reaches, with its insertion points.

    Parameters
    ----------
    code
        The image.
    entry
        Function that will be called from outside.

    Attributes
    ----------
    source
        uint8[bytes], the reached functions, one behind the other.
    starts
        int64[functions], where each begins in `source`; the last one is the out-of-line code.
    asked
        Name of a set of bytes -> which of the places are theirs that a layout tells.
    record
        LAYOUT_RECORD[1], what every plan shares.
    """

    def __init__(self, code: Code, entry: str) -> None:
        self.name = entry
        image = np.frombuffer(code.code, np.uint8)
        spans = self._reached(code, entry, len(image))
        sizes = np.array([end - start for start, end in spans])
        self.starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.source = np.concatenate([image[start:end] for start, end in spans])
        self._spans = spans
        self.entry = self._at(np.array([code.functions[entry][0]]))
        self.pad = self._at(np.array([code.functions[code.spec.patched][0]]))
        points = np.array(code.points, np.int64).reshape(-1, 2)
        points = points[self._holds(points[:, 0])]
        self.points = self._at(points[:, 0])
        self.keys = np.ascontiguousarray(points[:, 1]).view(np.uint64)
        branches = np.array(code.branches, np.int64).reshape(-1, 2)
        branches = branches[self._holds(branches[:, 0])]
        if not self._holds(np.array([code.functions[code.spec.patched][0], *branches[:, 1]])).all():
            raise ValueError(f"{entry} does not reach {code.spec.patched}, or leads out of what it reaches")
        self.branches, self.targets = self._at(branches[:, 0]), self._at(branches[:, 1])
        sites = np.array([(s.code, s.target, s.key) for s in code.sites], np.int64).reshape(-1, 3)
        sites = sites[self._holds(sites[:, 0])]
        self.sites, self.site_targets, self.site_keys = (
            self._at(sites[:, 0]),
            self._at(sites[:, 1]),
            sites[:, 2],
        )
        outside = np.array(code.references, np.int64).reshape(-1, 3)
        outside = outside[self._holds(outside[:, 0])]
        self.fields, self.field_ends = self._at(outside[:, 0]), self._at(outside[:, 1] - 1) + 1
        self.addresses = outside[:, 2]
        self._tables()

    def _tables(self) -> None:
        """Make the tables, and the part of `lay_out`'s argument that every plan shares."""
        opened = [self.points, self.branches + 1, self.starts, self.pad]
        edges: Ints = np.unique(np.concatenate(opened))
        edges = edges[edges < len(self.source)]
        self._labels = self._marks([self.entry, self.site_targets, self.starts, self.targets], label=True)
        last = np.array([len(self.source) - 1])
        self._bytes = self._marks([self.sites, self.fields, last, self.points, self.branches, edges])
        entry, site_targets, starts, targets = self._labels
        sites, fields, end, points, branches, edge_marks = self._bytes
        asked = {"entry": entry, "site_targets": site_targets, "sites": sites, "fields": fields, "end": end}
        ends = np.cumsum([len(table) for table in asked.values()]).tolist()
        self.asked = {
            name: slice(end - len(table), end) for (name, table), end in zip(asked.items(), ends, strict=True)
        }
        runs = np.zeros(len(edges), EDGE)
        runs["here"], runs["length"] = _addresses(edge_marks), np.diff(edges, append=len(self.source))
        self._kept = {
            "function": starts,
            "branch": self._branches(branches, targets),
            "point": points,
            "edge": runs,
            "ask": np.concatenate([*asked.values()]),
        }
        self.record = np.zeros(1, LAYOUT_RECORD)
        counts = ("functions", "branches", "points", "edges", "asked")
        for (name, table), count in zip(self._kept.items(), counts, strict=True):
            self.record[name], self.record[count] = table.ctypes.data, len(table)
        self.record["source"], self.record["keys"] = self.source.ctypes.data, self.keys.ctypes.data

    def _branches(self, here: Table, target: Table) -> Table:
        """BRANCH[branches], from the marks of their first bytes and of where they lead."""
        table = np.zeros(len(here), BRANCH)
        table["here"], table["target"] = _addresses(here), _addresses(target)
        opcodes = self.source[self.branches].astype(np.int64)
        short = ((opcodes & 0xF0) == 0x70) | (opcodes == JMP_REL8)
        table["opcode"], table["short"] = opcodes, short
        table["opening"] = np.where(opcodes == JMP_REL8, 3, 4)
        table["size"] = np.where(short, 2, np.where(opcodes == TWO_BYTES, 6, 5))
        return table

    def _marks(self, sets: list[Ints], *, label: bool = False) -> list[Table]:
        """MARK[bytes] of each set. A label is where a jump leads, in front of NOPs; else the byte itself."""
        at = np.concatenate(sets)
        table = np.zeros(len(at), MARK)
        table["at"] = at
        table["function"] = np.searchsorted(self.starts, at, side="right") - 1
        table["branches"] = np.searchsorted(self.branches, at, side="left")
        table["points"] = np.searchsorted(self.points, at, side="left" if label else "right")
        table["padded"] = at > self.pad[0] if label else at >= self.pad[0]
        ends = np.cumsum([len(each) for each in sets])
        return np.split(table, ends[:-1])

    @staticmethod
    def _reached(code: Code, entry: str, size: int) -> list[tuple[int, int]]:
        """Spans of the functions that the entry calls or jumps to, and of the out-of-line part behind all."""
        names = sorted(code.functions, key=lambda name: code.functions[name])
        spans = np.array([(at, at + length) for at, length in map(code.functions.__getitem__, names)])
        ends = np.array(code.branches, np.int64).reshape(-1, 2)
        function = np.searchsorted(spans[:, 0], ends, side="right") - 1
        inside = ((function >= 0) & (ends < spans[function, 1])).all(axis=1)
        leads = set(map(tuple, np.unique(function[inside], axis=0).tolist()))
        wanted = [names.index(entry)]
        reached = {*wanted}
        while wanted:
            at = wanted.pop()
            called = {to for here, to in leads if here == at} - reached
            wanted += called
            reached |= called
        return [*sorted(tuple(spans[number].tolist()) for number in reached), (int(spans[:, 1].max()), size)]

    def _holds(self, offsets: Ints) -> npt.NDArray[np.bool_]:
        starts, ends = np.array(self._spans).T
        span = np.searchsorted(starts, offsets, side="right") - 1
        result: npt.NDArray[np.bool_] = (span >= 0) & (offsets < ends[span])
        return result

    def _at(self, offsets: Ints) -> Ints:
        """Offsets in the image as offsets in `source`."""
        begins = np.array([start for start, _ in self._spans])
        span = np.searchsorted(begins, offsets, side="right") - 1
        moved: Ints = offsets - begins[span] + self.starts[span]
        return moved


def _addresses(table: Table) -> Ints:
    """int64[records]: where each lies."""
    return table.ctypes.data + table.itemsize * np.arange(len(table))
