"""Where the fields of v6.18's structures lie, one file for each configuration."""

from pathlib import Path
from typing import Final

from model.kernels.kit.layout import layouts_of

LAYOUTS: Final = layouts_of(Path(__file__).parent)
