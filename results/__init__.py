"""Results: one reader, one estimator, verdicts, tables. Reads files only and imports no benchmark code.

`reading/`   the only reader of the run format; every string in a file is untrusted input
`analysis/`  cells -> overhead with an interval over processes, its noise, and the verdict with its rule
`output/`    the tables and documents of `python -m results show`
"""
