"""Figures and pages: every module here with a `draw` function is one figure, made from a run file alone."""
