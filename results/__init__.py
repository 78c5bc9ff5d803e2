"""What came out: one reader, one estimator, verdicts, tables. Reads files only; knows nothing of the model.

`load`      the only reader of the run format; every string in a file is data from a stranger
`estimate`  cells -> overhead with an interval over processes, and where its noise comes from
`cpus`      how many operations a processor dispatches per cycle, where that is published
`verdict`   negligible, costs, saves, undecided: the rule and its constants
`analysis`  every arm of a run, estimated and judged, with what is doubtful about it
`show`      the document that `python -m results show --format json` prints, and its tables
"""
