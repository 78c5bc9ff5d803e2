"""What an arm costs (`estimate`), whether that can be said (`verdict`), both for every cell (`groups`).

Then what several runs say together: `compare`, `history`, `seeds`, `machines`.
"""
