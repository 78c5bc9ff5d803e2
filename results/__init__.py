"""What came out: one reader, one estimator, verdicts, tables. Reads files only; knows nothing of the model.

`load`      the only reader of the run format; every string in a file is data from a stranger
`estimate`  blocks -> overhead with an interval over processes, and where its noise comes from
`verdict`   negligible, costs, saves, undecided: the rule and its constants
`show`      the document that `python -m results show --format json` prints, and its tables
"""
