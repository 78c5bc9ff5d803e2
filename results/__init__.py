"""Results: one reader, one estimator, verdicts, tables. Reads files only and imports no benchmark code.

`reading/`   the only reader of the run format; every string in a file is untrusted input
`analysis/`  cells -> overhead with an interval over processes, its noise, and the verdict with its rule;
             what follows from the cells of several runs
`claims/`    claims and questions, each judged by a written rule
`output/`    tables and documents: a file per format
`kept/`      the runs that are kept and published, by name: which, since when, what moved
`pages/`     the tables of README and docs, from what is kept
"""
