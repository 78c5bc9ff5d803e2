"""python -m tests.cache_flips [N]: flip one bit of a cached image, N times; it must never be loaded.

Prints one line with the counts; the exit status is 1 if a flip was not noticed.
"""

import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from model.common.errors import CompileError
from model.kernels.store import Store
from model.kernels.v4_3.image import Image

IMAGE = Image("v1", "jump-label", memcg=True)


@dataclass
class Counts:
    """What became of the flips: named as missing by a parent, refused by a worker, or neither."""

    flips: int = 0
    found: int = 0
    refused: int = 0
    loaded: int = 0


def flip(parent: Store, worker: Store, times: int, seed: int) -> Counts:
    """Damage the image of these stores at a random bit, again and again; in the end it is whole again."""
    path, rng, counts = parent.path(IMAGE), random.Random(seed), Counts()
    whole = path.read_bytes()
    for counts.flips in range(1, times + 1):
        at, bit = rng.randrange(len(whole)), rng.randrange(8)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
        counts.found += parent.missing([IMAGE]) == [IMAGE]
        try:
            worker.load(IMAGE)
            counts.loaded += 1
        except CompileError:
            counts.refused += 1
    path.write_bytes(whole)
    return counts


def stores(folder: Path) -> tuple[Store, Store]:
    """A parent's view of a cache of its own that holds the image, and a worker's."""
    parent = Store(folder)
    parent.ensure([IMAGE])
    worker = Store(folder, digest=parent.digest)
    worker.expect(parent.sums([IMAGE]))
    return parent, worker


def main(times: int) -> int:
    """Flip; then damage it once more and have it compiled again. Returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="freepath-") as folder:
        parent, worker = stores(Path(folder))
        wanted = worker.load(IMAGE)
        counts = flip(parent, worker, times, seed=times)
        content = parent.path(IMAGE).read_bytes()
        parent.path(IMAGE).write_bytes(content[:-1])
        again = parent.load(IMAGE) == wanted
    print(
        f"{counts.flips} flips: {counts.found} found, {counts.refused} refused by a worker, "
        f"{counts.loaded} loaded; compiled again {'to the same code' if again else 'TO OTHER CODE'}"
    )
    return int(not again or not counts.flips == counts.found == counts.refused)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
