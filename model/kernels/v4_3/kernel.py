"""The interface of v4.3."""

from typing import Any, Final, get_args

from model.kernels.kernel import Link
from model.kernels.kit.version import version
from model.kernels.offer import Offer, offsets
from model.kernels.v4_3 import scenarios, variants
from model.kernels.v4_3.image import KERNEL_NAME, Marks, spec_of
from model.kernels.v4_3.keys import KEYS
from model.kernels.v4_3.namespace import HELPERS, SWITCHES
from model.kernels.v4_3.page import STRUCT_PAGE
from model.kernels.v4_3.path import FreePath


def linkage() -> tuple[Any, Link]:
    """Its functions and how an image is linked; imports the compiler."""
    from model.kernels.v4_3.source import link

    return link.LINKAGE, link.link


OFFER: Final = Offer(HELPERS, offsets(STRUCT_PAGE), get_args(Marks), switches=SWITCHES)
KERNEL: Final = version(KERNEL_NAME, __file__, FreePath(), scenarios, variants, KEYS, OFFER, spec_of, linkage)
