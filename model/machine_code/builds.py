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

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from model.machine_code.image import LINE, Code
from model.machine_code.pieces import LONGEST, Pieces
from model.machine_code.region import Region
from model.machine_code.x86 import JMP_REL32, NOP5, SITE_BYTES

FUNCTION_ALIGNMENT: Final = 16
SHARE: Final = 0.15
"""Share of the insertion points that get a NOP: enough to change every distance, few beside the path's
instructions. docs/decisions/0004 has the figures with 5, 15 and 30 %."""
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

LONG: Final = 4
"""Bytes by which a branch grows at most."""
BEHIND: Final = 4
"""Bytes of NOPs behind a build."""
DRAWN: Final = 2**53
"""Numbers of which one is drawn for each insertion point."""

Ints = npt.NDArray[np.int64]
LayOut = Callable[[int], int]
"""The compiled function that lays builds out; takes the address of a LAYOUT_RECORD."""


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


class Layout:
    """Every build of a plan.

    Parameters
    ----------
    lay_out
        The compiled function.

    Attributes
    ----------
    written
        uint8[builds, size], every build, with one-byte NOPs between and behind.
    """

    def __init__(self, pieces: Pieces, plan: Plan, lay_out: LayOut) -> None:
        self._pieces, builds = pieces, len(plan.phases)
        record = pieces.record.copy()
        points, branches, functions, asked = (
            int(record[count][0]) for count in ("points", "branches", "functions", "asked")
        )
        most = LONGEST * points + LONG * branches + FUNCTION_ALIGNMENT * functions + int(plan.phases.max())
        rows = np.full((builds, len(pieces.source) + most + BEHIND), NOPS[1][0], np.uint8)
        self._places = np.zeros((builds, asked), np.int64)
        sizes = {"nops": points, "nops_before": points + 1, "growth_before": branches + 1}
        sizes |= {"gaps": functions, "long": branches, "distances": branches}
        arrays: dict[str, npt.NDArray[np.generic]] = {
            n: np.zeros(size, np.int64) for n, size in sizes.items()
        }
        arrays |= {"rows": rows, "places": self._places, "nop_bytes": NOP_BYTES}
        arrays |= {"phases": plan.phases.astype(np.int64), "seeds": np.ascontiguousarray(plan.seeds)}
        for name, array in arrays.items():
            record[name] = array.ctypes.data
        record["builds"], record["row_bytes"] = builds, rows.shape[1]
        record["limit"] = math.ceil(plan.share * DRAWN)
        lay_out(record.ctypes.data)
        self.written = rows[:, : int(self.of("end").max()) + 1 + BEHIND]

    def of(self, name: str) -> Ints:
        """int64[builds, places]: where these bytes lie, from the build's first byte."""
        return self._places[:, self._pieces.asked[name]]


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
    lay_out
        The compiled function.
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
        self,
        code: Code,
        entry: str,
        plan: Plan,
        rng: np.random.Generator,
        lay_out: LayOut,
        pieces: Pieces | None = None,
    ) -> None:
        pieces = pieces or Pieces(code, entry)
        layout = Layout(pieces, plan, lay_out)
        builds = layout.written
        offsets = plan.offsets.reshape(len(builds), -1)
        lines = -(-(builds.shape[1] + LINE) // LINE)
        begins = np.cumsum(lines + rng.integers(0, 4, offsets.size)) * LINE
        begins = begins - begins[0] + offsets.ravel()
        self._region = Region(int(begins[-1]) + builds.shape[1], low=bool(code.references))
        copies = offsets.shape[1]
        self._place(begins, builds, copies)
        self._write_references(pieces, layout, begins, copies)
        self._keys = pieces.site_keys
        sites = layout.of("sites")
        jumps = layout.of("site_targets") - sites - SITE_BYTES
        self._sites = np.repeat(sites, copies, axis=0) + begins[:, None]
        self._jumps = np.repeat(jumps, copies, axis=0)
        entries = layout.of("entry")[:, 0]
        self.addresses = np.repeat(entries, copies) + begins + self._region.start
        self.begins = begins + self._region.start
        self.ends = np.append(self.begins[1:], self._region.start + self._region.size)
        self._region.seal()

    def _place(self, begins: Ints, builds: npt.NDArray[np.uint8], copies: int) -> None:
        memory, size = self._region.bytes(), builds.shape[1]
        memory[:] = NOPS[1][0]
        for number, begin in enumerate(begins.tolist()):
            memory[begin : begin + size] = builds[number // copies]

    def _write_references(self, pieces: Pieces, layout: Layout, begins: Ints, copies: int) -> None:
        """Write the distances to what lies outside of the image."""
        memory = self._region.bytes()
        at = np.repeat(layout.of("fields"), copies, axis=0) + begins[:, None]
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
