"""From files to runs: what may be read, what is refused, which processor it was."""
