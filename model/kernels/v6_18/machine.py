"""A machine of one configuration: its memory, its static keys, and its placed code."""

from collections.abc import Iterable

import numpy as np

from model.code.gs import set_gs
from model.code.image import Code
from model.code.placement import Placement
from model.code.static_keys import StaticKeys
from model.common.errors import KernelReportError
from model.kernels.arrays import address_of
from model.kernels.v6_18.keys import KEYS
from model.kernels.v6_18.memcg import SLOTS
from model.kernels.v6_18.memory import Memory
from model.kernels.v6_18.page import LRU, PAGE_BYTES, Bad
from model.kernels.v6_18.zone import PREEMPT_OFFSET
from model.vocabulary.scenario import Config, MemcgState


class Machine:
    """Memory that a kernel of one configuration has set up, and the static keys of its code.

    Parameters
    ----------
    pages
        struct pages, rounded up to blocks of 1024.
    state
        `off`: MEMCG is not compiled in. `on-idle`: no memcg beside the root, so the key is disabled.
        `on-active`: a first memcg, as on every machine with systemd, has enabled it for good. `on-charged`:
        as well, with cgroups to charge.
    config
        Configuration of the kernel.
    checks
        Whether the key of the page checks is enabled: by init_on_alloc, init_on_free or debugging.
    hvo
        Whether a hugetlb page's struct pages were optimised away, which enables that key.
    rng
        Draws the place of the data; None: the start of a page.
    huge
        As `Memory` has it.
    levels
        Cgroups that a charge counts in, the root included.
    v1
        Whether cgroup v1 controls memory.

    Attributes
    ----------
    charged
        Number of the cgroup that charged pages are charged to; seven more cgroups come behind it.
    """

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
    ) -> None:
        groups = levels + SLOTS if state == "on-charged" else 0
        self.memory = Memory(pages, config, rng, huge=huge, groups=groups, levels=levels)
        self.state, self.v1, self.charged = state, v1, levels - 1
        self.keys = StaticKeys(KEYS, self._set_key)
        if state in ("off", "on-idle"):
            self.keys.inc("memcg_kmem_offline")
        if checks:
            self.keys.inc("check_pages_enabled")
        if v1:
            self.keys.inc("memory_cgroup_v1")
        if hvo:
            self.keys.inc("hugetlb_optimize_vmemmap")

    cpus = 1
    """How many CPUs it has."""

    def place(self, code: Code, offsets: Iterable[int] = (0,)) -> list[Placement]:
        """Copy an image to fresh pages, once per offset from a page's start, and let it follow the keys."""
        placements = [Placement(code, offset) for offset in offsets]
        self.keys.register(placements)
        return placements

    def activate(self, cpu: int = 0) -> None:
        """Point this thread's %gs at this machine, as a CPU's does. Call before any placed function.

        Raises
        ------
        UnsupportedCPUError
            Where that is not possible.
        """
        if cpu:
            raise ValueError(f"this machine has one CPU, not {cpu + 1}")
        set_gs(self.memory.field_address("cpu"))

    @property
    def gs_base(self) -> int:
        """Base of %gs of the first CPU."""
        return self.memory.field_address("cpu")

    def report(self) -> str | None:
        """What the kernel would have printed since boot, or unmodelled code that it reached; or None."""
        cpu, pcp = self.memory.cpu, self.memory.pcp
        if cpu["bad_pages"]:
            page = (int(cpu["bad_page"]) - address_of(self.memory.mem_map)) // PAGE_BYTES
            reason = Bad(int(cpu["bad_reason"])).text
            return f"{cpu['bad_pages']} bad page(s), the last one number {page}: {reason}"
        if cpu["beyond"]:
            return f"{cpu['beyond']} page(s) on a path that is not modelled"
        if cpu["preempt_count"] != PREEMPT_OFFSET or pcp["lock"]:
            deep = int(cpu["preempt_count"]) - PREEMPT_OFFSET
            return f"preempt_count {deep} and pcp lock {pcp['lock']} between two frees"
        nesting, stock = self.memory.arena["task"][0]["rcu_nesting"], self.memory.stock["lock"]
        if nesting or stock or self.memory.zone["lock"]:
            return f"rcu nesting {nesting}, stock lock {stock} or the zone's lock between two frees"
        return None

    def check(self) -> None:
        """Fail if the kernel printed anything.

        Raises
        ------
        KernelReportError
        """
        report = self.report()
        if report:
            raise KernelReportError(f"the modelled kernel reports {report}")

    def walk(self, head: int) -> list[int]:
        """Numbers of the pages on a list, from its head's `next` on."""
        return self.memory.walk(head, LRU)

    def _set_key(self, name: str, count: int) -> None:
        self.memory.cpu[name] = count
