"""--raw FILE: every slice of a run, so that an estimator can be judged again later.

FILE is a zip archive with one NumPy archive (.npz) per process, `CASE-PROCESS.npz`:

`slices`  float32[values, builds, places, rounds, arms], ns per page
`turns`   uint8[values, builds, places, rounds, arms], when in its round each arm was timed
`slots`   float32[values, builds, places, 2], ns per dispatched NOP before and after each cell
`phase`, `placement`, `stack`, `cycle_ns`, `arms` and `scenario`, as in the run
"""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from model.common.files import write_new

SUFFIX: Final = ".raw.npz"


def packed(sampler: Any, scenario: str, arms: Sequence[str], values: int) -> bytes:
    """The slices of a sampler's last values, compressed."""
    measured = sampler.values[len(sampler.values) - values :]
    data = io.BytesIO()
    np.savez_compressed(
        data,
        slices=np.stack([value.slices for value in measured]).astype(np.float32),
        turns=np.stack([value.turns for value in measured]),
        slots=np.stack([value.slots for value in measured]).astype(np.float32),
        phase=np.stack([value.cells.phase for value in measured]),
        placement=np.stack([value.cells.placement for value in measured]),
        stack=np.stack([value.cells.moved for value in measured]),
        cycle_ns=np.stack([value.cycles for value in measured]),
        arms=np.array(arms),
        scenario=np.array(scenario),
    )
    return data.getvalue()


def gather(folder: Path, target: str) -> None:
    """Put what workers left in the folder of a run into one file, if one was asked for.

    Raises
    ------
    FileError
    """
    if not target:
        return
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            archive.writestr(path.name.replace(SUFFIX, ".npz"), path.read_bytes())
    write_new(Path(target), data.getvalue(), replace=True)
