"""The protocol of --calibrate: what is measured to test the instrument, and what results look for."""

from typing import Final

from model.vocabulary.scenario import MemcgState

SESSION: Final = 6
"""Processes of one A/A session: a run of --calibrate is cut into sessions of this many."""
ALIKE: Final[MemcgState] = "off"
"""Scenario of the arms with the code of base, and of NOPs that take the same slot."""
HALF_MINUTE: Final[MemcgState] = "on-idle"
"""Scenario whose intervals are those after half a minute."""
KNOWN_COST: Final[MemcgState] = "disabled"
"""Scenario of the chains."""
NULL: Final = ("base-twin", "v1-ifdef", "keyfirst", "memcg-data")
"""Variants whose code is that of base, byte for byte, where memcg is compiled out."""
CHAIN: Final = "chain-"
"""Prefix of chains of so many dependent additions."""
NOP_BYTES: Final = "nop-bytes-"
"""Prefix of NOPs of so many bytes."""
