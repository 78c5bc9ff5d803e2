"""What else the machine was doing."""

import os
from typing import Final

from model.common.system_files import lines, read

TICK_FIELDS: Final = 8
"""Fields in the first line of /proc/stat: user nice system idle iowait irq softirq steal."""


class Watch:
    """How much of the machine others took between two moments.

    Reads /proc/stat and /proc/loadavg; where one is missing, its figures are left out.
    """

    def __init__(self) -> None:
        self._ticks = self._read()
        self._own = sum(os.times()[:2])
        self._load = _load()

    def metadata(self) -> dict[str, float]:
        """`busy_pct` (of all CPUs, by others), `steal_pct`, `load_before`, `load_after`."""
        loads = {"load_before": self._load, "load_after": _load()}
        facts = {name: round(load, 2) for name, load in loads.items() if load is not None}
        now = self._read()
        if self._ticks is None or now is None:
            return facts
        spent = [after - before for before, after in zip(self._ticks, now, strict=True)]
        total = sum(spent)
        if total > 0:
            idle, steal = spent[3] + spent[4], spent[7]
            own = (sum(os.times()[:2]) - self._own) * os.sysconf("SC_CLK_TCK")
            others = max(0.0, total - idle - steal - own)
            facts |= {"busy_pct": round(100 * others / total, 1), "steal_pct": round(100 * steal / total, 2)}
        return facts

    @staticmethod
    def _read() -> list[int] | None:
        fields = lines(read("/proc/stat"))[0].split()[1 : 1 + TICK_FIELDS]
        known = len(fields) == TICK_FIELDS and all(field.isdecimal() for field in fields)
        return [int(field) for field in fields] if known else None


def _load() -> float | None:
    """Load average over a minute; None where the system does not say."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None
