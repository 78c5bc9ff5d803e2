"""Tables and documents of a run: one file per format of `results show`, shared texts, and output."""
