"""Tables and documents of a run: one file per format of `results show`, and the words they share."""
