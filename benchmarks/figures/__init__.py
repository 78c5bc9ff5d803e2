"""`python -m benchmarks.figures`: every run that the documents quote, measured again, one after the other."""
