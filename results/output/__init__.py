"""Tables and documents of a run: one file per format of `results show`, their words, and where they go."""
