"""Variants that a kernel version has as another one has them."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from model.kernels.variants import Variant

EXPECT: Final = re.compile(r"Expect: .*\Z", re.DOTALL)
"""The end of a story."""


def borrowed(
    of: Mapping[str, Variant], expected: Mapping[str, str], version: str, here: str
) -> dict[str, Variant]:
    """Variants of another version, whose stories name the version that has them here.

    Parameters
    ----------
    of
        The other version's variants.
    expected
        Which of them, each with what to expect here; an empty text: the same.
    version, here
        As the stories name the other version, and this one: `v6.18`. Names of files stay.
    """
    pattern = re.compile(rf"{re.escape(version)}(?![\d-])")
    made = {}
    for name, expect in expected.items():
        story = pattern.sub(here, of[name].story)
        made[name] = replace(of[name], about=EXPECT.sub(f"Expect: {expect}", story) if expect else story)
    return made
