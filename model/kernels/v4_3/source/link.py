"""Link one image: choose the configuration and the variant's code; the functions are there already."""

from typing import Any

from model.compiler.function import Entries
from model.compiler.intrinsics import I64_TYPE
from model.compiler.jump_label import jump_label
from model.compiler.slot import slot
from model.kernels.kit.source.helpers import add_helpers, step_of
from model.kernels.v4_3 import source as source
from model.kernels.v4_3.image import Allocator, Image
from model.kernels.v4_3.keys import KEYS
from model.kernels.v4_3.source.linkage import LINKAGE as LINKAGE
from model.kernels.v4_3.source.linkage import kernel, static_inline
from model.kernels.v4_3.source.loops import APART, FREES, LOOPS, TOGETHER
from model.kernels.v4_3.source.page_flags import MARK_KMEM, page_memcg, page_memcg_data
from model.kernels.v4_3.source.records import this_cpu_inc, this_cpu_read
from model.kernels.v4_3.variants import variant_called

add_helpers(LINKAGE, this_cpu_inc)


def link(spec: Image | Allocator) -> Entries:
    """Fill the namespace for one image; returns its entries."""
    kernel.CONFIG_MEMCG = spec.memcg
    kernel.CONFIG_DEBUG_VM = spec.debug
    kernel.CONFIG_CONTENDED = isinstance(spec, Image) and spec.together
    kernel.page_memcg = page_memcg_data if spec.marks == "memcg-data" else page_memcg
    kernel.mark_kmem = MARK_KMEM[spec.marks]
    if isinstance(spec, Image):
        return _link_free_path(spec)
    kernel.memcg_kmem_enabled = jump_label(KEYS["memcg_kmem_enabled"]) if spec.memcg else never_enabled
    return {"alloc_pages": (I64_TYPE,) * 3, "alloc_kmem_pages": (I64_TYPE,) * 2, "drain_stock": ()}


def _link_free_path(image: Image) -> Entries:
    variant = variant_called(image.variant)
    checks = getattr(variant.module, "CHECKS", image.checks)
    kernel.CONFIG_CHECK_ON_FREE, kernel.CONFIG_CHECK_AT_DRAIN = checks == "on", checks == "deferred"
    kernel.CONFIG_SINGLE_CHECK = getattr(variant.module, "SINGLE_CHECK", False)
    kernel.OLD_HELPER_UNCHARGES = image.marks == "never"
    kernel.memcg_kmem_enabled = _gate(image)
    kernel.trace_mm_page_free = jump_label(KEYS["trace_mm_page_free"])
    # Of base, of an exact arm, and of a variant that is compiled out.
    kernel.patch_point = slot(variant.operation or "")
    if image.memcg or not variant.needs_memcg:
        kernel.patch_point = step_of(LINKAGE, variant, "patch_point", kernel.patch_point)
    uncharge = kernel.mem_cgroup_uncharge if image.memcg else no_uncharge
    kernel.release_uncharge = step_of(LINKAGE, variant, "release_uncharge", uncharge)
    return {**FREES, **LOOPS, **(APART if image.apart else {}), **(TOGETHER if image.together else {})}


def _gate(image: Image) -> Any:
    """`memcg_kmem_enabled()` by the gate of this image."""
    if not image.memcg:
        return never_enabled
    if image.gate == "jump-label":
        return jump_label(KEYS["memcg_kmem_enabled"])
    return flag_in_memory if image.gate == "memory-flag" else always_enabled


@static_inline
def never_enabled() -> bool:
    """CONFIG_MEMCG_KMEM is off."""
    return False


@static_inline
def always_enabled() -> bool:
    """No key is tested: the difference is what the key saves."""
    return True


@static_inline
def flag_in_memory() -> bool:
    """static_key_enabled() without jump labels: atomic_read(&key->enabled) > 0."""
    return this_cpu_read("memcg_kmem_enabled") > 0


@static_inline
def no_uncharge(page: Any) -> None:
    """Without CONFIG_MEMCG no page is charged."""
