"""Identity of an arm's code: digests of its machine code and of its text, not its name alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from model.common.streams import printable
from model.vocabulary.formats import NO_SETTINGS

UNKNOWN: Final = "unknown"

Sameness = Literal["same", "other", "unknown"]


@dataclass(frozen=True)
class ArmCode:
    """The code of one arm in one process.

    Attributes
    ----------
    text
        Digest of a user variant's text; empty for a variant of the checkout.
    image
        Digest of the machine code, `unknown` in files from before it was stored.
    settings
        Of the compiler; they count where the machine code is unknown, and are empty where it is known.
    """

    text: str
    image: str
    settings: str

    def __str__(self) -> str:
        """`machine code 3c4d5e6f7a8b9c0d, text 1a2b3c4d5e6f`."""
        text = f", text {self.text}" if self.text else ""
        settings = f", compiled with {self.settings}" if self.settings not in ("", NO_SETTINGS) else ""
        return f"machine code {self.image}{text}{settings}"

    def compared_with(self, other: "ArmCode") -> Sameness:
        """Whether it is the same code, as far as the files say."""
        if self.text != other.text:
            return "other"
        if UNKNOWN not in (self.image, other.image):
            return "same" if self.image == other.image else "other"
        return "other" if self.settings and other.settings and self.settings != other.settings else "unknown"


def code_in(facts: Mapping[str, Any]) -> ArmCode:
    """The code that a run's metadata names."""
    pairs = (word.rpartition(":") for word in str(facts.get("own_variants", "")).split())
    texts = {name: digest for name, _, digest in pairs}
    image = str(facts.get("image_digest", UNKNOWN))
    settings = settings_in(facts) if image == UNKNOWN else ""
    return ArmCode(printable(texts.get(facts["variant"], "")), image, settings)


def settings_in(facts: Mapping[str, Any]) -> str:
    """The compiler's settings, from the environment of the command; `none` where the run has none."""
    return printable(str(facts.get("compiler_settings", NO_SETTINGS)))
