"""Rendering of self-contained pages: templates, figures and data in one file, no network and no script.

Every string of a run is untrusted: Jinja escapes it, and figures are embedded as images, in which scripts
do not run. A figure that could not be drawn is named in the page.
"""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from plots.drawing import Drawing

TEMPLATES: Final = Path(__file__).parent / "templates"
ENDINGS: Final = (".svg", "-narrow.svg")


@dataclass(frozen=True)
class Page:
    """A page, and a line on each figure that failed."""

    text: str
    failed: tuple[str, ...] = ()


def render(name: str, drawn: Iterable[Drawing], **content: Any) -> Page:
    """Fill a template; it gets `figures` and `failed` besides."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.ChainableUndefined
    )
    drawn = list(drawn)
    failed = tuple(f"cannot draw {drawing.name}: {drawing.fault}" for drawing in drawn if drawing.fault)
    template = environment.get_template(name)
    return Page(template.render(**content, figures=list(embedded(drawn)), failed=failed), failed)


def embedded(drawn: Iterable[Drawing]) -> Iterator[dict[str, str]]:
    """The figures that have data, as data URLs."""
    for drawing in drawn:
        if drawing.images:
            wide, narrow = (data_url(drawing.images[ending], "image/svg+xml") for ending in ENDINGS)
            yield {"name": drawing.name, "source": wide, "narrow": narrow, "alt": drawing.alt}


def data_url(content: bytes, kind: str) -> str:
    """A file inside the page, by its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
