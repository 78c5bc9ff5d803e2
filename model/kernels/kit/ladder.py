"""Variants that every kernel version has: the A/A control, the ladder, and what calibrates the instrument.

The rungs of the ladder add one step after the other of the test that was proposed in 2015: a NOP, a
load of the word that would hold the mark, a comparison, a store. They are exact: every other instruction is
base's.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from model.kernels.variants import Variant, Variants

RUNGS: Final = ("nop", "load", "load-compare", "load-compare-store")
"""In the order of tables and figures."""
SHARED: Final = ("base-twin", *RUNGS)
"""What `ladder` makes."""
TWIN: Final = """The A/A control: the same source as base, compiled once more.

Its "overhead" sets the noise floor.
Expect: zero. The measured difference is noise."""
NOP: Final = """Only the 5-byte NOP of a jump label whose key is disabled.

Kernel: the cost of one more static key for a path that does not use it. Exact: all other code is base's.
Expect: one instruction more; no measurable time."""
LOAD: Final = """First rung of the ladder: load `WORD` and do not use it.

Exact: every other instruction is base's.
Expect: one instruction more, from a line that the drop of the reference has just written."""
LOAD_COMPARE: Final = """Second rung: load `WORD`, compare it with the kmem mark, branch if equal: never.

Exact: every other instruction is base's; the branch target is out of line.
Expect: the cost of one more test for every free, without a compiler's new layout around it."""
LOAD_COMPARE_STORE: Final = """Third rung: load, compare, branch, and store -1: the worst case of the mail.

Exact: every other instruction is base's. The comparison is with -1, which an ordinary page's `WORD` is, so
the store is executed; it writes -1 again.
Expect: the whole of "load + comparison + store", for every page."""
CHAIN: Final = """A known cost, to check the instrument: k dependent additions that overlap with nothing.

Not a form of the patch: only `python -m benchmarks --calibrate` measures it. Two lfence keep the chain from
overlapping with the path around it, so each addition costs its latency, one cycle. The additions have 32
bits: Golden Cove does 64-bit ones of a constant while it renames, six in a cycle (findings/).
Expect: time linear in k, with a slope of one cycle."""
NOP_BYTES: Final = """The layout floor: one NOP of 1 to 9 bytes, so the same dispatch slot with other bytes.

Not a form of the patch: only `python -m benchmarks --calibrate` measures it. The code behind the NOP is
shifted by another distance in each, as between arms of different length. The A/A control, byte for byte the
same as base, cannot show the effect of that.
Expect: equal means over builds; their spread is the layout floor."""
NOPS: Final[Mapping[int, str]] = {
    1: "0x90",
    2: "0x66,0x90",
    3: "0x0f,0x1f,0x00",
    4: "0x0f,0x1f,0x40,0x00",
    5: "0x0f,0x1f,0x44,0x00,0x00",
    6: "0x66,0x0f,0x1f,0x44,0x00,0x00",
    7: "0x0f,0x1f,0x80,0,0,0,0",
    8: "0x0f,0x1f,0x84,0,0,0,0,0",
    9: "0x66,0x0f,0x1f,0x84,0,0,0,0,0",
}
"""Length -> bytes of the NOP (AMD64 manual, volume 3: recommended multi-byte NOPs)."""
CHAIN_LENGTHS: Final = (0, 1, 2, 4, 8, 256)


def ladder(word: str, at: int) -> list[Variant]:
    """The A/A control and the rungs, on a word of the struct page that is -1 in an ordinary page.

    Parameters
    ----------
    word
        Its name.
    at
        Its offset, bytes.
    """
    load = f"movl {at}($0), %edx"
    # The branch must lead somewhere: out of line, and back.
    compare = f"{load}\ncmpl $$-512, %edx\nje 2f\n1:\n.subsection 1\n2: jmp 1b\n.subsection 0"
    store = f"{load}\ncmpl $$-1, %edx\njne 1f\nmovl $$-1, {at}($0)\n1:"
    adds = "load, comparison, branch and a store of -1, always executed"
    return [
        _declared("base-twin", TWIN, "A/A control: base compiled once more, which sets the noise floor"),
        _exact("nop", NOP, "the 5-byte NOP of a jump label, nothing else", f".byte {NOPS[5]}", 1),
        _exact("load", LOAD.replace("WORD", word), f"a load of {word}", load, 1),
        # Comparison and branch are fused.
        _exact("load-compare", LOAD_COMPARE.replace("WORD", word), "load, comparison, branch", compare, 2),
        _exact("load-compare-store", LOAD_COMPARE_STORE.replace("WORD", word), adds, store, 3),
    ]


def calibration() -> Variants:
    """Operations of a known cost, or of none but their length; only `--calibrate` measures them."""
    made = []
    for length in CHAIN_LENGTHS:
        chain = "\n".join(["lfence", *["addl $$1, %edx"] * length, "lfence"])
        about = "calibration: k dependent additions between two lfence"
        made.append(_declared(f"chain-{length}", CHAIN, about, exact_operation=chain))
    for length, nop in NOPS.items():
        about = "calibration: one NOP of so many bytes"
        made.append(
            _declared(f"nop-bytes-{length}", NOP_BYTES, about, SLOTS=1, exact_operation=f".byte {nop}")
        )
    return {variant.name: variant for variant in made}


def _exact(name: str, story: str, adds: str, operation: str, slots: int) -> Variant:
    return _declared(name, story, f"exact, adds: {adds}", SLOTS=slots, exact_operation=operation)


def _declared(name: str, story: str, summary: str, **more: Any) -> Variant:
    """A variant as a file that declares this."""
    module = ModuleType(name, story)
    vars(module).update(SUMMARY=summary, **more)
    return Variant(name, module)
