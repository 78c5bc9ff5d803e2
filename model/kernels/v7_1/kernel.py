"""The interface of v7.1."""

from typing import Any, Final

from model.kernels.kernel import Link
from model.kernels.kit.version import version
from model.kernels.offer import Offer, offsets
from model.kernels.v6_18 import namespace as v6_18
from model.kernels.v6_18.keys import KEYS
from model.kernels.v6_18.page import STRUCT_PAGE
from model.kernels.v7_1 import scenarios, variants
from model.kernels.v7_1.image import KERNEL_NAME, Image
from model.kernels.v7_1.path import FreePath
from model.kernels.v7_1.scenarios import DRAINS, USUAL
from model.kernels.v7_1.variants import SWITCHES


def linkage() -> tuple[Any, Link]:
    """v6.18's functions and those of this version, and how an image is linked; imports the compiler."""
    from model.kernels.v7_1.source import link

    return link.LINKAGE, link.link


OFFER: Final = Offer(
    v6_18.HELPERS, offsets(STRUCT_PAGE), ("never",), v6_18.STEPS, {**v6_18.SWITCHES, **SWITCHES}
)
ASKED: Final = [DRAINS, USUAL.but(block="order-9")]
KERNEL: Final = version(
    KERNEL_NAME,
    __file__,
    FreePath(),
    scenarios,
    variants,
    KEYS,
    OFFER,
    Image.of,
    linkage,
    ASKED,
)
