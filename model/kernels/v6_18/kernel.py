"""The interface of v6.18."""

from typing import Any, Final

from model.kernels.kernel import Link
from model.kernels.kit.version import version
from model.kernels.offer import Offer, offsets
from model.kernels.v6_18 import scenarios, variants
from model.kernels.v6_18.image import KERNEL_NAME, Image
from model.kernels.v6_18.keys import KEYS
from model.kernels.v6_18.namespace import HELPERS, STEPS, SWITCHES
from model.kernels.v6_18.page import STRUCT_PAGE
from model.kernels.v6_18.path import FreePath
from model.kernels.v6_18.scenarios import DRAINS


def linkage() -> tuple[Any, Link]:
    """Its functions and how an image is linked; imports the compiler."""
    from model.kernels.v6_18.source import link

    return link.LINKAGE, link.link


OFFER: Final = Offer(HELPERS, offsets(STRUCT_PAGE), ("never",), STEPS, SWITCHES)
KERNEL: Final = version(
    KERNEL_NAME, __file__, FreePath(), scenarios, variants, KEYS, OFFER, Image.of, linkage, [DRAINS]
)
