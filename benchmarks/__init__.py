"""How the model is timed: cases, one worker that measures all arms of a scenario, the machine's condition.

`cases`       scenarios, arms, and how --only chooses among them
`sampler`     in the worker: place the code, time slices in mirrored random order, check the work
`runner`      a pyperf.Runner that keeps the arms of one process together
`conditions`  what else the machine was doing
"""
