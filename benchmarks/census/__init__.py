"""The second instrument: exact counts of one free, without a clock. Makes census.json.

`emulator`  runs compiled functions instruction by instruction, and names every access
`counting`  brings a machine into steady state and counts one arm
`document`  the census of many
`mca`       what llvm-mca predicts for the same instructions
"""
