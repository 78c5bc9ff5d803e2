"""Variants that a kernel version has as another one has them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from model.kernels.variants import Variant


def borrowed(of: Mapping[str, Variant], names: Iterable[str], version: str, here: str) -> dict[str, Variant]:
    """Variants of another version, whose stories name the version that has them here.

    Parameters
    ----------
    of
        The other version's variants.
    names
        Which of them.
    version, here
        As the stories name the other version, and this one: `v6.18`. Names of files stay.
    """
    pattern = re.compile(rf"{re.escape(version)}(?![\d-])")
    return {name: replace(of[name], about=pattern.sub(here, of[name].story)) for name in names}
