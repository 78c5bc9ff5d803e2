"""What else the machine was doing, and which machine and commit it was."""

import os
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
TICK_FIELDS: Final = 8
"""user nice system idle iowait irq softirq steal, in the first line of /proc/stat."""


def commit() -> str:
    """Commit of the checkout, `-dirty` with changes that are not committed, `unknown` outside of git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


class Watch:
    """How much of the machine others took between two moments.

    Reads /proc/stat; where that is missing, the figures are left out.
    """

    def __init__(self) -> None:
        self._ticks = self._read()
        self._own = sum(os.times()[:2])
        self._load = os.getloadavg()[0]

    def metadata(self) -> dict[str, float]:
        """`busy_pct` (of all CPUs, by others), `steal_pct`, `load_before`, `load_after`."""
        facts = {"load_before": round(self._load, 2), "load_after": round(os.getloadavg()[0], 2)}
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
        try:
            with Path("/proc/stat").open() as lines:
                return [int(field) for field in lines.readline().split()[1 : 1 + TICK_FIELDS]]
        except (OSError, ValueError):
            return None
