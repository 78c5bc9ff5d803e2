"""Terms that all stages share: axes, scenarios, arms, margins, names of formats, facts of a machine.

Imports nothing.
"""
