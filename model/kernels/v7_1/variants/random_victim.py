"""The slot of a full stock that is drained, drawn at random, as up to v7.0.

Kernel: v7.1 with v6.18.2's draw in the place of the round robin. The draw is one multiplication, where the
kernel takes it from a batch of ChaCha20.
Expect: differs with more than seven cgroups: in turn, round robin always drains the slot that comes next.
"""

SUMMARY = "replaces: the round robin over a full stock's slots by a draw"
VICTIM = "random"
