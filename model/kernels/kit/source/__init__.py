"""Compiled functions that every version has. Only a version's `source/` imports this."""
