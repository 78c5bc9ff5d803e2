"""A machine with v7.1: v6.18's, with this kernel's memory."""

from model.kernels.v6_18 import machine as v6_18
from model.kernels.v7_1.memory import Memory


class Machine(v6_18.Machine):
    """Memory that a kernel of one configuration has set up, and the static keys of its code."""

    memory_type = Memory
