"""Change points by our rule and by Apache Otava's, on the same simulated folders: how often each is wrong.

`python -m tests.change_points FOLDERS` prints a table (docs/decisions/0005-change-points.md); it needs what
tests/set_up_tools.sh installs. Otava judges one series at a time, by a significance level per change point:
its own, 0.001, and one that is corrected for the 66 series of a folder.
"""

import json
import subprocess
import sys
from typing import Final

import numpy as np

from results.analysis.history import change_points
from tests.command import ROOT
from tests.test_history import NOISES, STEP_NS, simulated

TOOL: Final = ROOT / ".venv" / "tools" / "bin" / "python"
SERIES: Final = 66
LEVELS: Final = {"Otava, default level": 0.001, "Otava, 5 % over all series": 0.05 / SERIES}
OTAVA: Final = """
import json, sys
from otava.analysis import compute_change_points
asked = json.load(sys.stdin)
found = []
for folder in asked["folders"]:
    changes = []
    for series in folder:
        points, _ = compute_change_points(series, max_pvalue=asked["level"], min_magnitude=0.0)
        changes.append([int(point.index) for point in points])
    found.append(changes)
json.dump(found, sys.stdout)
"""


def by_otava(folders: list[list[list[float]]], level: float) -> list[list[list[int]]]:
    """Indices of change points: folder, series."""
    text = json.dumps({"folders": folders, "level": level})
    done = subprocess.run([TOOL, "-c", OTAVA], input=text, capture_output=True, text=True, check=True)
    found: list[list[list[int]]] = json.loads(done.stdout)
    return found


def judged(found: list[list[list[int]]], places: list[int | None]) -> tuple[int, int, int]:
    """Folders of noise with a change, false changes in them, and steps found within a run of their place."""
    false = [sum(map(len, folder)) for folder, place in zip(found, places, strict=True) if place is None]
    steps = [(folder[0], place) for folder, place in zip(found, places, strict=True) if place is not None]
    seen = sum(any(abs(at - place) <= 1 for at in changes) for changes, place in steps)
    return sum(map(bool, false)), sum(false), seen


def main(folders: int) -> None:
    """Print the table."""
    print("| runs | noise | rule | folders without a change that show one | false changes | steps found |")
    print("|---:|---|---|---:|---:|---:|")
    for runs in (12, 30):
        for name, noise in NOISES.items():
            rng = np.random.default_rng(runs)
            made = [simulated(noise, runs, rng) for _ in range(2 * folders)]
            places: list[int | None] = [None] * folders
            for values, _ in made[folders:]:
                places.append(place := int(rng.integers(3, runs - 2)))
                values[0, place:] += STEP_NS
            plain = [values.tolist() for values, _ in made]
            found = {rule: by_otava(plain, level) for rule, level in LEVELS.items()}
            found["freepath"] = [change_points(list(values), list(errors)) for values, errors in made]
            for rule, changes in found.items():
                wrong, false, seen = judged(changes, places)
                print(f"| {runs} | {name} | {rule} | {wrong} of {folders} | {false} | {seen} of {folders} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
