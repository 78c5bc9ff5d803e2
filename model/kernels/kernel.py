"""What a kernel version is to everyone outside its folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from model.code.image import Spec
from model.kernels.variants import Variant

Link = Callable[[Any], dict[str, tuple[Any, ...]]]
"""Fills the namespace for one image; returns its entries."""


@dataclass(frozen=True)
class Kernel:
    """One version.

    Attributes
    ----------
    name
        As users name it: `v4.3`.
    variants, calibration
        Forms of the patch point in the order of tables, and variants that only calibrate.
    keys
        Name of each static key -> its number in the jump table.
    spec_of
        An image's spec from plain data.
    linkage
        Its functions (`model.compiler.function.Linkage`) and how an image is linked; only the compiling
        process calls this, for it imports Numba.
    """

    name: str
    variants: Mapping[str, Variant]
    calibration: Mapping[str, Variant]
    keys: Mapping[str, int]
    spec_of: Callable[[dict[str, Any]], Spec]
    linkage: Callable[[], tuple[Any, Link]]
