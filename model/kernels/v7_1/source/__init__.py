"""v7.1's functions where they are not v6.18's. Only `model.kernels` imports this, in the compiling process.

They are registered with v6.18's, behind them; an image has those that it reaches.
"""

from model.kernels.v6_18 import source as v6_18
from model.kernels.v7_1.source import head, memcontrol, pcp

__all__ = ["head", "memcontrol", "pcp", "v6_18"]
