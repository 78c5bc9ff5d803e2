"""A machine of one configuration: its memory, its static keys, and its placed code."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from model.kernels.arrays import address_of
from model.kernels.kit.machine import ModelMachine
from model.kernels.page_array import LINE
from model.kernels.v6_18.keys import KEYS
from model.kernels.v6_18.memcg import SLOTS
from model.kernels.v6_18.memory import Memory
from model.kernels.v6_18.page import ANON, LIST_POISON1, MEMCG_DATA_KMEM, ZSMALLOC, Bad
from model.kernels.v6_18.zone import PREEMPT_OFFSET
from model.vocabulary.scenario import Config, MemcgState, PageKind


class Machine(ModelMachine):
    """Memory that a kernel of one configuration has set up, and the static keys of its code.

    Parameters
    ----------
    pages, config, rng, huge, step
        As `Memory` has them.
    state
        `off`: MEMCG is not compiled in. `on-idle`: no memcg beside the root, so the key is disabled.
        `on-active`: a first memcg, as on every machine with systemd, has enabled it for good. `on-charged`:
        as well, with cgroups to charge.
    checks
        Whether the key of the page checks is enabled: by init_on_alloc, init_on_free or debugging.
    hvo
        Whether a hugetlb page's struct pages were optimised away, which enables that key.
    levels
        Cgroups that a charge counts in, the root included.
    v1
        Whether cgroup v1 controls memory.
    cgroups
        That pages may be charged to, all but the first one children of the root.

    Attributes
    ----------
    charged
        Number of the cgroup that charged pages are charged to; the other ones come behind it.
    """

    memory: Memory
    memory_type: ClassVar[type[Memory]] = Memory
    bad = Bad

    def __init__(
        self,
        pages: int,
        state: MemcgState,
        config: Config,
        *,
        checks: bool = False,
        hvo: bool = False,
        rng: np.random.Generator | None = None,
        huge: bool = True,
        levels: int = 2,
        v1: bool = False,
        step: int = LINE,
        cgroups: int = 1 + SLOTS,
    ) -> None:
        groups = levels - 1 + cgroups if state == "on-charged" else 0
        memory = self.memory_type(pages, config, rng, huge=huge, groups=groups, levels=levels, step=step)
        super().__init__(memory, KEYS)
        self.state, self.v1, self.charged = state, v1, levels - 1
        if state in ("off", "on-idle"):
            self.keys.inc("memcg_kmem_offline")
        if checks:
            self.keys.inc("check_pages_enabled")
        if v1:
            self.keys.inc("memory_cgroup_v1")
        if hvo:
            self.keys.inc("hugetlb_optimize_vmemmap")

    def template(self, kind: PageKind, variant: str) -> npt.NDArray[Any]:
        """A page as its owner holds it, alike for every variant.

        `flagged`: its owner leaves a page type behind, as zsmalloc's pages do; `charged`: accounted kernel
        memory.
        """
        memory, page = self.memory, self.memory.idle_page()
        page[memory.info] = LIST_POISON1
        if kind == "anon":
            page["mapping"] = address_of(memory.arena) | ANON
        if kind == "flagged":
            page["page_type"] = ZSMALLOC
        if kind == "charged":
            page["memcg_data"] = memory.objcg_address(self.charged) | MEMCG_DATA_KMEM
        return page

    def _other_report(self, cpu: Any) -> str | None:
        """Unmodelled code, and what was left held or counted between two frees."""
        pcp = self.memory.pcp
        if cpu["beyond"]:
            return f"{cpu['beyond']} page(s) on a path that is not modelled"
        if cpu["preempt_count"] != PREEMPT_OFFSET or pcp["lock"]:
            deep = int(cpu["preempt_count"]) - PREEMPT_OFFSET
            return f"preempt_count {deep} and pcp lock {pcp['lock']} between two frees"
        nesting, stock = self.memory.arena["task"][0]["rcu_nesting"], self.memory.stock["lock"]
        if nesting or stock or self.memory.zone["lock"]:
            return f"rcu nesting {nesting}, stock lock {stock} or the zone's lock between two frees"
        return None
