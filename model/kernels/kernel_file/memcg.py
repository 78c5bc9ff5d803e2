"""A memory cgroup below the root that kernel pages are charged to, by the file's BTF.

A charged page names an object cgroup, which names its memory cgroup. Its uncharge goes to this CPU's stock:
of one cgroup up to v6.14, of seven since (mm/memcontrol.c). The cgroup is on the list of those whose
statistics have changed, as that of anybody who frees in a stream.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from model.kernels.kernel_file.layout import FileMemory
from model.kernels.kernel_file.names import Part
from model.vmlinux.btf import Btf

GROUPS: Final = ("root", "group")
"""The root's cgroup, and the one that is charged."""
STOCK: Final = "memcg_stock"
STOCK_TYPE: Final = "struct memcg_stock_pcp"
NEEDED: Final = (
    "struct page.memcg_data",
    "struct obj_cgroup.refcnt.percpu_count_ptr",
    "struct obj_cgroup.memcg",
    "struct mem_cgroup.css.refcnt.percpu_count_ptr",
    "struct mem_cgroup.css.parent",
    "struct mem_cgroup.memory.usage",
    "struct mem_cgroup.memory.parent",
    "struct mem_cgroup.vmstats",
    "struct mem_cgroup.vmstats_percpu",
    "struct memcg_stock_pcp.cached",
    "struct memcg_stock_pcp.nr_pages",
)
"""Fields that are filled here in every kernel that was tried."""
RSTAT: Final = ("struct css_rstat_cpu", "struct cgroup_rstat_cpu")
"""Of a cgroup's changed statistics, on each CPU: since v6.16, and before."""


def parts_of(btf: Btf) -> Iterator[Part]:
    """The objects of both cgroups.

    Raises
    ------
    KernelFileError
        When BTF lacks a field.
    """
    btf.require(*NEEDED)

    def whole(name: str, kind: str) -> Part:
        return Part(name, 0, btf.size(kind), kind)

    yield whole("objcg", "struct obj_cgroup")
    yield Part("objcg_ref", 0, 8)
    rstat = next(kind for kind in RSTAT if btf.has(kind))
    for group in GROUPS:
        yield whole(group, "struct mem_cgroup")
        yield Part(f"{group}_ref", 0, 8)
        yield whole(f"{group}_vmstats", "struct memcg_vmstats")
        yield whole(f"{group}_vmstats_percpu", "struct memcg_vmstats_percpu")
        yield whole(f"{group}_rstat", rstat)
        if rstat == RSTAT[1]:
            yield whole(f"{group}_cgroup", "struct cgroup")


class Charge:
    """The cgroups, set up.

    Parameters
    ----------
    memory
        With their parts.
    pages
        How many pages are charged.

    Attributes
    ----------
    data
        What `memcg_data` of a charged page is.
    stock
        This CPU's stock of pages that are charged ahead, u1[bytes]: a view; empty, and of the cgroup.
    """

    def __init__(self, memory: FileMemory, pages: int) -> None:
        self._memory, btf = memory, memory.btf
        self.data = memory.parts["objcg"].start | btf.enumerator("MEMCG_DATA_KMEM")
        self.stock = memory.bytes_at(memory.variable(STOCK), btf.size(STOCK_TYPE))
        for group in GROUPS:
            self._fill(group, pages)
        self._set("group", "css.parent", memory.parts["root"].start)
        counter = btf.offset("struct mem_cgroup", "memory")
        self._set("group", "memory.parent", memory.parts["root"].start + counter)
        self._join_statistics()
        memory.set_global("root_mem_cgroup", memory.parts["root"].start)
        objcg = memory.parts["objcg"].start
        kind = "struct obj_cgroup"
        memory.write_field(objcg, kind, "refcnt.percpu_count_ptr", self._percpu("objcg_ref"))
        memory.write_field(objcg, kind, "memcg", memory.parts["group"].start)
        memory.write(memory.parts["objcg_ref"].start, pages)
        memory.write(memory.variable(STOCK) + btf.offset(STOCK_TYPE, "cached"), memory.parts["group"].start)

    def fault(self, pages: npt.NDArray[np.int64]) -> str | None:
        """What is not as it should be after these pages were freed, with a stock that was empty; or None.

        Parameters
        ----------
        pages
            Their numbers.
        """
        if self._memory.page_words("memcg_data")[pages].any():
            return "a page is still charged"
        btf = self._memory.btf
        path = next(path for path in ("nr_pages[0]", "nr_pages") if btf.has_field(STOCK_TYPE, path))
        at = self._memory.variable(STOCK) + btf.offset(STOCK_TYPE, path)
        held = self._memory.read(at, btf.field_size(STOCK_TYPE, path))
        return None if held == len(pages) else f"the stock has {held} pages of {len(pages)}"

    def _fill(self, group: str, pages: int) -> None:
        memory = self._memory
        self._set(group, "css.refcnt.percpu_count_ptr", self._percpu(f"{group}_ref"))
        memory.write(memory.parts[f"{group}_ref"].start, pages)
        self._set(group, "memory.usage", pages)
        self._set(group, "vmstats", memory.parts[f"{group}_vmstats"].start)
        self._set(group, "vmstats_percpu", self._percpu(f"{group}_vmstats_percpu"))
        rstat = memory.parts[f"{group}_rstat"]
        # Whatever is not null says that it is on the list.
        memory.write_field(rstat.start, rstat.type, "updated_next", memory.parts["root"].start)
        if rstat.type == RSTAT[0]:
            self._set(group, "css.ss", memory.loaded.symbol("memory_cgrp_subsys"))
            self._set(group, "css.rstat_cpu", self._percpu(f"{group}_rstat"))
            return
        cgroup = memory.parts[f"{group}_cgroup"].start
        memory.write_field(cgroup, "struct cgroup", "rstat_cpu", self._percpu(f"{group}_rstat"))
        self._set(group, "css.cgroup", cgroup)

    def _join_statistics(self) -> None:
        """From this CPU's statistics to the cgroup's and to the parent's (v6.8 and later)."""
        memory, kind = self._memory, "struct memcg_vmstats_percpu"
        for group in GROUPS:
            at = memory.parts[f"{group}_vmstats_percpu"].start
            if memory.btf.has_field(kind, "vmstats"):
                memory.write_field(at, kind, "vmstats", memory.parts[f"{group}_vmstats"].start)
        at, above = memory.parts["group_vmstats_percpu"].start, "root_vmstats_percpu"
        if memory.btf.has_field(kind, "parent"):
            memory.write_field(at, kind, "parent", memory.parts[above].start)
        if memory.btf.has_field(kind, "parent_pcpu"):
            memory.write_field(at, kind, "parent_pcpu", self._percpu(above))

    def _set(self, group: str, path: str, value: int) -> None:
        self._memory.write_field(self._memory.parts[group].start, "struct mem_cgroup", path, value)

    def _percpu(self, part: str) -> int:
        """A pointer to per-CPU data: without this CPU's offset."""
        return self._memory.parts[part].start - self._memory.gs_base
