"""Link one image of v7.1: v6.18's functions with this kernel's steps, and the variant's."""

from collections.abc import Mapping
from typing import Any, Final

from model.compiler.function import Entries
from model.kernels.v6_18.source import link as v6_18
from model.kernels.v6_18.source.link import LINKAGE as LINKAGE
from model.kernels.v6_18.source.link import STEPS
from model.kernels.v6_18.source.memcontrol import next_slot
from model.kernels.v6_18.source.steps import clear_private
from model.kernels.v7_1 import source as source
from model.kernels.v7_1.image import Image
from model.kernels.v7_1.source.head import folio_itself, head_by_mask, page_folio_by_mask, page_itself
from model.kernels.v7_1.source.memcontrol import add_updates_64, living_memcg, take_updates_64
from model.kernels.v7_1.source.pcp import (
    commit_in_batch_while_held,
    drain_in_slices,
    drain_whole,
    put_on_list_while_held,
    put_to_buddy,
)
from model.kernels.v7_1.variants import variant_called
from model.kernels.variants import Variant

OWN: Final[Mapping[str, Any]] = {
    **STEPS,
    "head_of_tail": head_by_mask,
    "add_updates": add_updates_64,
    "take_updates": take_updates_64,
    "counted_memcg": living_memcg,
    "put_on_list": put_on_list_while_held,
    "commit_in_batch": commit_in_batch_while_held,
    "private_step": clear_private,
    "victim_slot": next_slot,
}
"""Attribute of `kernel` -> its function in v7.1, where no variant has another."""
FORMS: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "HEAD": {
        "mask": {"page_folio": page_folio_by_mask, "first_look_at_flags": folio_itself},
        "branch": {},
        "direct": {"page_folio": page_itself},
    },
    "DRAIN": {
        "slices": {"drain_list": drain_in_slices},
        "whole": {"drain_list": drain_whole},
    },
    "LISTS": {"per CPU": {}, "none": {"put_on_list": put_to_buddy}},
}
"""Constant of a variant -> its value, the usual one first -> the functions that are others; {}: v6.18's."""


def link(image: Image) -> Entries:
    """Fill the namespace for one image; returns its entries."""
    return link_as(image, variant_called(image.variant), OWN)


def link_as(image: Image, variant: Variant, own: Mapping[str, Any]) -> Entries:
    """The same, with the steps of a kernel that is like v7.1.

    Parameters
    ----------
    own
        As `OWN`; the variant's forms replace them.
    """
    steps = dict(own)
    for name, forms in FORMS.items():
        steps |= forms[getattr(variant.module, name, next(iter(forms)))]
    return v6_18.link_as(image, variant, steps)
