"""The words that every stage shares: axes, scenarios, arms, margins, names of formats. Imports nothing."""
