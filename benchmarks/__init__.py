"""How the model is measured, by two instruments: `timing/` with a clock, `census/` by counting.

`cases`       scenarios with their arms, and how --only chooses among them
`conditions`  what the machine was, and what else it was doing
`doctor`      what disturbs measuring here
`disasm`      the machine code of one free, read with what it did beside it
`listing`, `progress`, `units`  the command line
"""
