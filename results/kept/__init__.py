"""Runs that stay in the checkout: filed by name, core, date and seed, and held against their predecessors."""
