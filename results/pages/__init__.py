"""The tables that README and docs quote, made from the runs that are published and kept."""
