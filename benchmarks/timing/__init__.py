"""The first instrument: a clock. Makes run.json.

`sampler`    in a worker: every arm of a scenario in many builds, timed in interleaved slices
`scheme`     which builds, placements and places of the stack
`runner`     a pyperf.Runner that keeps the arms of one process together
`session`    one run of the command, from compiling to the file
`partial`    FILE.partial, where complete processes lie
`collect`, `append`  processes -> a suite; what may join a file
`options`    the command line, and what is refused before measuring
`calibrate`  what `--calibrate` measures
"""
