"""Builds: an image as other compilations of the same source might have left it.

The instructions before the patch point, and their lengths, have nothing to do with the question and decide
the answer: the same test costs nothing or a cycle (docs/decisions/0004). A build therefore differs from the
image in NOPs alone:

phase      a number of one-byte NOPs at the entry of the function that holds the patch point, before its first
           instruction: the straight run that leads to the patch point begins there
incidental NOPs of 1 to 8 bytes in front of a share of all other instructions of the path, drawn anew for
           each build

The draw depends on the build's seed and on the place (`insertion_points`), so base and every arm of a build
have the same NOPs. Nothing is compiled: the bytes are laid out again, branches are given their new distances,
and the short ones that no longer reach become long ones, as an assembler would make them. Functions stay
aligned; a loop head inside a function moves along with what stands before it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from model.machine_code.image import LINE, Code
from model.machine_code.region import Region
from model.machine_code.x86 import JMP_REL32, NOP5, SITE_BYTES

FUNCTION_ALIGNMENT: Final = 16
SHARE: Final = 0.15
"""Share of the insertion points that get a NOP: enough to change every distance, few beside the path's
instructions. docs/decisions/0004 has the figures with 5, 15 and 30 %."""
LONGEST: Final = 8
NOPS: Final = (
    b"",
    b"\x90",
    b"\x66\x90",
    b"\x0f\x1f\x00",
    b"\x0f\x1f\x40\x00",
    b"\x0f\x1f\x44\x00\x00",
    b"\x66\x0f\x1f\x44\x00\x00",
    b"\x0f\x1f\x80\x00\x00\x00\x00",
    b"\x0f\x1f\x84\x00\x00\x00\x00\x00",
)
"""The recommended NOP of each length; one instruction, one dispatch slot."""
NOP_BYTES: Final = np.array([list(nop.ljust(LONGEST, b"\0")) for nop in NOPS], np.uint8)
"""uint8[length, place]: the same as a table."""

Ints = npt.NDArray[np.int64]
Side = Literal["left", "right"]


@dataclass(frozen=True)
class Plan:
    """What the builds of one process are: the same for base and every arm.

    Attributes
    ----------
    phases
        int64[builds], NOPs before the patch point.
    seeds
        uint64[builds], from which the incidental NOPs are drawn.
    offsets
        int64[builds], bytes from a line's start at which the image begins, below 64; or int64[builds,
        copies], for as many copies of each build.
    share
        Share of the insertion points that get an incidental NOP; 0 for none.
    """

    phases: Ints
    seeds: npt.NDArray[np.uint64]
    offsets: Ints
    share: float = SHARE


def mixed(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Spread bits as SplitMix64 does (Steele, Lea, Flood 2014): neighbouring seeds become unlike numbers."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: npt.NDArray[np.uint64] = value ^ (value >> np.uint64(31))
    return result


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
    marks
        Name of a set of bytes -> what a layout needs to tell their places.
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
        self.points, self.keys = self._at(points[:, 0]), points[:, 1].astype(np.uint64)
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
        self.marks = self._marks()

    def _marks(self) -> dict[str, "Marks"]:
        """Every set of bytes whose places a layout asks for, by name."""
        opened = [self.points, self.branches + 1, self.starts, self.pad]
        edges: Ints = np.unique(np.concatenate(opened))
        edges = edges[edges < len(self.source)]
        lengths = np.diff(edges, append=len(self.source))
        self.edge_of = np.repeat(np.arange(len(edges)), lengths)
        self.behind_edge = np.arange(len(self.source)) - np.repeat(edges, lengths)
        labels = {"starts": self.starts, "targets": self.targets, "site_targets": self.site_targets}
        labels |= {"entry": self.entry}
        bytes_ = {"branches": self.branches, "points": self.points, "sites": self.sites}
        bytes_ |= {"edges": edges, "fields": self.fields, "end": np.array([len(self.source) - 1])}
        marks = {name: Marks(self, at, "left") for name, at in labels.items()}
        return marks | {name: Marks(self, at, "right") for name, at in bytes_.items()}

    @staticmethod
    def _reached(code: Code, entry: str, size: int) -> list[tuple[int, int]]:
        """Spans of the functions that the entry calls or jumps to, and of the out-of-line part behind all."""
        spans = {name: (at, at + length) for name, (at, length) in code.functions.items()}
        outside = max(end for _, end in spans.values())
        wanted, reached = [entry], {entry}
        while wanted:
            start, end = spans[wanted.pop()]
            leads = [target for at, target in code.branches if start <= at < end]
            called = {name for name, (a, b) in spans.items() for target in leads if a <= target < b} - reached
            wanted += called
            reached |= called
        return [*sorted(spans[name] for name in reached), (outside, size)]

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

    @cached_property
    def opcodes(self) -> Ints:
        """int64[branches], first byte of each."""
        return self.source[self.branches].astype(np.int64)

    @cached_property
    def short(self) -> npt.NDArray[np.bool_]:
        """bool[branches]: those of two bytes, which reach 127 bytes."""
        conditional = (self.opcodes & 0xF0) == 0x70
        result: npt.NDArray[np.bool_] = conditional | (self.opcodes == 0xEB)
        return result

    @cached_property
    def opening(self) -> Ints:
        """int64[branches], bytes by which a short one grows when it becomes long."""
        return np.where(self.opcodes == 0xEB, 3, 4)

    @cached_property
    def sizes(self) -> Ints:
        """int64[branches], bytes of each as compiled."""
        return np.where(self.short, 2, np.where(self.opcodes == 0x0F, 6, 5))


class Marks:
    """Bytes of the reached code whose place in a build is asked for; what that takes is looked up once.

    Parameters
    ----------
    at
        int64[places], offsets in `source`.
    side
        `left`: where a jump to the byte leads, in front of NOPs; `right`: where the byte itself lies.
    """

    def __init__(self, pieces: "Pieces", at: Ints, side: Side) -> None:
        self.at = at
        self.function = np.searchsorted(pieces.starts, at, side="right") - 1
        self.branches = np.searchsorted(pieces.branches, at, side="left")
        self.points = np.searchsorted(pieces.points, at, side=side)
        self.padded = at > pieces.pad[0] if side == "left" else at >= pieces.pad[0]


class Layout:
    """Where every byte of the reached code lies in each build of a plan, from the build's first byte."""

    def __init__(self, pieces: Pieces, plan: Plan) -> None:
        self.pieces, self.builds = pieces, len(plan.phases)
        self.nops = self._drawn(plan)
        self._phases = plan.phases
        self._nops_before = self._sums(self.nops)
        self._long = np.zeros((self.builds, len(pieces.branches)), bool)
        while True:
            self._settle()
            self._distances = self.of(pieces.marks["targets"]) - self._branch_ends()
            too_far = pieces.short & ~self._long & ((self._distances < -128) | (self._distances > 127))
            if not too_far.any():
                break
            self._long |= too_far

    def _drawn(self, plan: Plan) -> Ints:
        """int64[builds, places], bytes of the NOP in front of each place."""
        draw = mixed(self.pieces.keys[None, :] ^ mixed(plan.seeds)[:, None])
        wanted = (draw >> np.uint64(11)).astype(np.float64) < plan.share * 2.0**53
        return np.where(wanted, 1 + (draw % np.uint64(LONGEST)).astype(np.int64), 0)

    @staticmethod
    def _sums(values: Ints) -> Ints:
        """Running sums along each row, from 0."""
        result = np.zeros((values.shape[0], values.shape[1] + 1), np.int64)
        np.cumsum(values, axis=1, out=result[:, 1:])
        return result

    def _settle(self) -> None:
        """Sum up what is inserted before each place, and align the functions."""
        pieces = self.pieces
        self._growth_before = self._sums(self._long * pieces.opening)
        self._gaps = np.zeros((self.builds, len(pieces.starts)), np.int64)
        begins = self.of(pieces.marks["starts"])
        for number in range(1, len(pieces.starts)):
            before = self._gaps[:, number - 1]
            self._gaps[:, number] = before + -(begins[:, number] + before) % FUNCTION_ALIGNMENT

    def of(self, marks: Marks) -> Ints:
        """int64[builds, places]: where these bytes lie."""
        moved = self._nops_before.take(marks.points, axis=1)
        moved += self._growth_before.take(marks.branches, axis=1)
        moved += self._gaps.take(marks.function, axis=1)
        moved += marks.at
        moved += marks.padded * self._phases[:, None]
        return moved

    def _branch_ends(self) -> Ints:
        ends = self.of(self.pieces.marks["branches"]) + self.pieces.sizes
        ends += self._long * self.pieces.opening
        return ends

    def size(self) -> int:
        """Bytes of the largest build."""
        return int(self.of(self.pieces.marks["end"]).max()) + 1 + 4

    def written(self) -> npt.NDArray[np.uint8]:
        """uint8[builds, size], every build, with one-byte NOPs between and behind."""
        pieces, size = self.pieces, self.size()
        builds = np.full((self.builds, size), NOPS[1][0], np.uint8)
        flat, rows = builds.reshape(-1), np.arange(self.builds)[:, None] * size
        places = (self.of(pieces.marks["edges"]) + rows).take(pieces.edge_of, axis=1)
        places += pieces.behind_edge
        flat[places] = pieces.source
        there = self.nops.nonzero()
        lengths = self.nops[there]
        begins = (self.of(pieces.marks["points"]) + rows)[there] - lengths
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        flat[np.repeat(begins, lengths) + within] = NOP_BYTES[np.repeat(lengths, lengths), within]
        self._write_branches(flat, rows)
        return builds

    def _write_branches(self, target: npt.NDArray[np.uint8], rows: Ints) -> None:
        pieces, distances = self.pieces, self._distances
        at = self.of(pieces.marks["branches"]) + rows
        kept_short = np.broadcast_to(pieces.short, at.shape) & ~self._long
        target[at[kept_short] + 1] = distances[kept_short] & 0xFF
        opcodes = np.broadcast_to(pieces.opcodes, at.shape)
        jumps, conditional = self._long & (opcodes == 0xEB), self._long & (opcodes != 0xEB)
        target[at[jumps]] = JMP_REL32
        target[at[conditional]] = 0x0F
        target[at[conditional] + 1] = opcodes[conditional] + 0x10
        field = at + np.where(self._long, np.where(opcodes == 0xEB, 1, 2), pieces.sizes - 4)
        far = ~kept_short
        for byte in range(4):
            target[field[far] + byte] = (distances[far] >> (8 * byte)) & 0xFF


class Builds:
    """Every build of one arm in memory, behind one another, following the static keys.

    Parameters
    ----------
    code
        The arm's image.
    entry
        The timed loop to call.
    plan
        The builds.
    rng
        Draws how many whole lines lie between two builds.
    pieces
        The reached code, where it is known from other builds of the same arm.

    Attributes
    ----------
    addresses
        int64[builds * copies], of the entry in each copy; those of one build are neighbours.
    begins, ends
        int64[builds * copies], first address of each copy and of what lies behind it.
    """

    def __init__(
        self, code: Code, entry: str, plan: Plan, rng: np.random.Generator, pieces: Pieces | None = None
    ) -> None:
        pieces = pieces or Pieces(code, entry)
        layout = Layout(pieces, plan)
        builds = layout.written()
        offsets = plan.offsets.reshape(len(builds), -1)
        lines = -(-(builds.shape[1] + LINE) // LINE)
        begins = np.cumsum(lines + rng.integers(0, 4, offsets.size)) * LINE
        begins = begins - begins[0] + offsets.ravel()
        self._region = Region(int(begins[-1]) + builds.shape[1], low=bool(code.references))
        copies = offsets.shape[1]
        self._place(begins, builds, copies)
        self._write_references(layout, begins, copies)
        self._keys = pieces.site_keys
        sites = layout.of(pieces.marks["sites"])
        jumps = layout.of(pieces.marks["site_targets"]) - sites - SITE_BYTES
        self._sites = np.repeat(sites, copies, axis=0) + begins[:, None]
        self._jumps = np.repeat(jumps, copies, axis=0)
        entries = layout.of(pieces.marks["entry"])[:, 0]
        self.addresses = np.repeat(entries, copies) + begins + self._region.start
        self.begins = begins + self._region.start
        self.ends = np.append(self.begins[1:], self._region.start + self._region.size)
        self._region.seal()

    def _place(self, begins: Ints, builds: npt.NDArray[np.uint8], copies: int) -> None:
        memory, size = self._region.bytes(), builds.shape[1]
        memory[:] = NOPS[1][0]
        for number, begin in enumerate(begins.tolist()):
            memory[begin : begin + size] = builds[number // copies]

    def _write_references(self, layout: Layout, begins: Ints, copies: int) -> None:
        """Write the distances to what lies outside of the image."""
        pieces, memory = layout.pieces, self._region.bytes()
        at = np.repeat(layout.of(pieces.marks["fields"]), copies, axis=0) + begins[:, None]
        ends = at + (pieces.field_ends - pieces.fields)
        distances = pieces.addresses - self._region.start - ends
        for byte in range(4):
            memory[at + byte] = (distances >> (8 * byte)) & 0xFF

    def rewrite(self, build: int) -> None:
        """Write a NOP to every site of one build, then restore it: the processor sees modified code."""
        with self._region.writable() as target:
            for at in self._sites[build]:
                before = target[at : at + SITE_BYTES].copy()
                target[at : at + SITE_BYTES] = np.frombuffer(NOP5, np.uint8)
                target[at : at + SITE_BYTES] = before

    def patch(self, key: int, enabled: bool) -> None:
        """Write JMP or NOP to every site of a key, in every build; StaticKeys ensures that none runs."""
        chosen = self._keys == key
        if not chosen.any():
            return
        at, jumps = self._sites[:, chosen], self._jumps[:, chosen]
        with self._region.writable() as target:
            if not enabled:
                for number, byte in enumerate(NOP5):
                    target[at + number] = byte
                return
            target[at] = JMP_REL32
            for byte in range(4):
                target[at + 1 + byte] = (jumps >> (8 * byte)) & 0xFF
