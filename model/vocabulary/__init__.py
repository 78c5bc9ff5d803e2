"""The words that every stage shares: axes, scenarios, arms, margins, names of formats, what makes a machine.

Imports nothing.
"""
