"""Where the fields of v4.3's structures lie, in the one configuration that is modelled."""

from pathlib import Path
from typing import Final

from model.kernels.kit.layout import Layout

LAYOUT: Final = Layout(Path(__file__).parent / "layout" / "default.json")
