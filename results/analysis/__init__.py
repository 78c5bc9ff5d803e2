"""What an arm costs (`estimate`), whether that can be said (`verdict`), both for every cell (`groups`)."""
