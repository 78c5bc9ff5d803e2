"""Where the fields of v7.1's structures lie: files that name what differs from v6.18's."""

from pathlib import Path
from typing import Final

from model.kernels.kit.layout import layouts_of

LAYOUTS: Final = layouts_of(Path(__file__).parent.parent)
