"""How the model is measured, by two instruments: `timing/` with a clock, `census/` by counting.

`cases`       scenarios with their arms, and how --only chooses among them
`conditions`  what the machine was, and what else it was doing
`doctor`      what disturbs measuring here
`disasm`      the machine code of one free, annotated with its accesses
`listing`, `progress`, `units`  the command line
"""
