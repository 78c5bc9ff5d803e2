"""The one image that lays out builds."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from model.machine_code.builds import LayOut
from model.machine_code.image_cache import Cache
from model.machine_code.placement import Placement


@dataclass(frozen=True)
class Image:
    """The function `lay_out`."""

    kernel: ClassVar[str] = "lay_out"
    patched: ClassVar[str] = "lay_out"
    name: ClassVar[str] = "lay-out"


LAY_OUT: Final = Image()


def spec_of(data: dict[str, Any]) -> Image:
    """The spec from plain data, as the compiling process gets it."""
    return LAY_OUT


def lay_out_of(store: Cache) -> LayOut:
    """The function, placed in this process."""
    return Placement(store.load(LAY_OUT), 0).function("lay_out", 1)
