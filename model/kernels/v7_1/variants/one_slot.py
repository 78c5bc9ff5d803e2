"""A stock of pages for one cgroup, as before the seven slots of 2025.

Kernel: v7.1 with one slot in each CPU's stock of pages that are charged ahead. Left as it is: the trylock
around it, where the old stock had interrupts off.
Expect: shorter with one cgroup; with several in turn each page drains the slot, by two locked additions.
"""

SUMMARY = "replaces: the stock's seven slots by one"
STOCK = "one"
