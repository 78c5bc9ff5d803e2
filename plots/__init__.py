"""How it looks: every neighbour that has `draw` is one figure, drawn from a run file alone."""
