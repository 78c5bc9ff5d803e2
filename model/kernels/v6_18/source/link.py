"""Link one image: choose the configuration and the variant's steps; the functions are there already."""

from collections.abc import Mapping
from typing import Any, Final

from model.compiler.function import Entries
from model.compiler.jump_label import jump_label
from model.compiler.slot import slot
from model.kernels.kit.memory import lines
from model.kernels.kit.source.helpers import add_helpers, step_of
from model.kernels.offer import offsets as offsets_of
from model.kernels.v6_18 import source as source
from model.kernels.v6_18.image import Image
from model.kernels.v6_18.keys import KEYS
from model.kernels.v6_18.memcg import SLOTS
from model.kernels.v6_18.memory import parts_of
from model.kernels.v6_18.page import (
    LAST_CPUPID,
    MUST_BE_CLEAR,
    NODE_MASK,
    NODE_SHIFT,
    WIPED,
    ZONE_MASK,
    ZONE_SHIFT,
)
from model.kernels.v6_18.source.linkage import LINKAGE as LINKAGE
from model.kernels.v6_18.source.linkage import kernel, static_inline
from model.kernels.v6_18.source.loops import APART, FREES, LOOPS, OF_ENTRY
from model.kernels.v6_18.source.memcontrol import (
    add_updates_32,
    any_hierarchy,
    next_slot,
    only_slot,
    random_slot,
    take_updates_32,
)
from model.kernels.v6_18.source.page_alloc import put_on_list
from model.kernels.v6_18.source.pcp import commit_in_batch
from model.kernels.v6_18.source.records import this_cpu_inc
from model.kernels.v6_18.source.steps import (
    clear_private,
    clear_private_if_set,
    first_look_at_flags,
    head_of_tail,
    leave_private,
    memcg_kmem_if_online,
    page_folio,
    reset_page_type_if_any,
)
from model.kernels.v6_18.variants import variant_called
from model.kernels.v6_18.zone import BLOCK_BITS, FREE_AREA_BYTES, LISTS, STRUCT_ZONE, ZONESTAT
from model.kernels.variants import Variant

add_helpers(LINKAGE, this_cpu_inc)
PRIVATE: Final[Mapping[str, Any]] = {
    "never": leave_private,
    "always": clear_private,
    "if set": clear_private_if_set,
}
"""When page->private is cleared -> the step."""
VICTIM: Final[Mapping[str, Any]] = {"random": random_slot, "round robin": next_slot}
"""How the slot to drain is chosen, where the stock has none for a cgroup -> the function."""
STEPS: Final[Mapping[str, Any]] = {
    "page_folio": page_folio,
    "first_look_at_flags": first_look_at_flags,
    "head_of_tail": head_of_tail,
    "put_on_list": put_on_list,
    "commit_in_batch": commit_in_batch,
    "add_updates": add_updates_32,
    "take_updates": take_updates_32,
    "counted_memcg": any_hierarchy,
    "private_step": leave_private,
    "victim_slot": random_slot,
}
"""Attribute of `kernel` -> its function in v6.18.2."""


def link(image: Image) -> Entries:
    """Fill the namespace for one image; returns its entries."""
    return link_as(image, variant_called(image.variant), STEPS)


def link_as(image: Image, variant: Variant, steps: Mapping[str, Any]) -> Entries:
    """The same, with the steps of a kernel that is like v6.18.

    Parameters
    ----------
    steps
        As `STEPS`.
    """
    module = variant.module
    _configure(image, module)
    for key, number in KEYS.items():
        setattr(kernel, key, jump_label(number))
    for name, function in steps.items():
        setattr(kernel, name, function)
    if hasattr(module, "PRIVATE"):
        kernel.private_step = PRIVATE[module.PRIVATE]
    if hasattr(module, "VICTIM"):
        kernel.victim_slot = VICTIM[module.VICTIM]
    if kernel.STOCK_SLOTS == 1:
        kernel.victim_slot = only_slot
    if getattr(module, "CHECKS", "") == "always":
        kernel.check_pages_enabled = always
    kernel.memcg_step = step_of(LINKAGE, variant, "memcg_step", memcg_kmem_if_online)
    kernel.type_step = step_of(LINKAGE, variant, "type_step", reset_page_type_if_any)
    kernel.patch_point = step_of(LINKAGE, variant, "patch_point", slot(variant.operation or ""))
    other = {name for entry, loop in OF_ENTRY.items() if entry != image.entry for name in (entry, loop)}
    entries = {**FREES, **LOOPS, **(APART if image.apart else {})}
    return {name: types for name, types in entries.items() if name not in other}


def _configure(image: Image, module: Any) -> None:
    """The constants of one configuration, less what the variant leaves out."""
    config, zone = image.config, STRUCT_ZONE[image.config]
    distribution = config == "distribution"
    kernel.CONFIG_MEMCG = image.memcg
    kernel.CONFIG_MEMORY_FAILURE = kernel.CONFIG_ISOLATION = kernel.CONFIG_THP = distribution
    kernel.CONFIG_DEBUG_LIST = getattr(module, "DEBUG_LIST", False)
    kernel.DIRECT_TO_BUDDY = image.direct
    kernel.STOCK_SLOTS = 1 if getattr(module, "STOCK", "") == "one" else SLOTS
    guard = getattr(module, "GUARD", "trylock")
    kernel.CONFIG_TRYLOCK, kernel.CONFIG_IRQ_OFF = guard == "trylock", guard == "irq-off"
    left_out = getattr(module, "LEFT_OUT", ())
    kernel.WIPED = 0 if "wipe" in left_out else WIPED[config]
    kernel.LAST_CPUPID = 0 if "cpupid" in left_out else LAST_CPUPID[config]
    kernel.MUST_BE_CLEAR = MUST_BE_CLEAR[config]
    kernel.NODE_SHIFT, kernel.NODE_MASK = NODE_SHIFT[config], NODE_MASK[config]
    kernel.ZONE_SHIFT, kernel.ZONE_MASK = ZONE_SHIFT[config], ZONE_MASK[config]
    kernel.BLOCK_BITS, kernel.ZONE_BYTES = BLOCK_BITS[config], int(zone.itemsize)
    offsets = offsets_of(zone)
    kernel.PAGESET, kernel.ZONE_FLAGS = offsets["per_cpu_pageset"], offsets["flags"]
    kernel.ZONE_LOCK, kernel.ZONESTATS = offsets["lock"], offsets["per_cpu_zonestats"]
    kernel.ZONE_THRESHOLD, kernel.VM_STAT = ZONESTAT[config], offsets["vm_stat"]
    kernel.TRYLOCK_FREE_PAGES, kernel.FREE_AREA = offsets["trylock_free_pages"], offsets["free_area"]
    kernel.FREE_AREA_BYTES, kernel.LISTS = FREE_AREA_BYTES[config], LISTS[config]
    arena = offsets_of(lines(parts_of(config)))
    kernel.STOCK, kernel.NODE = arena["stock"], arena["node"] - arena["zone"]


@static_inline
def always() -> bool:
    """No key is tested."""
    return True
