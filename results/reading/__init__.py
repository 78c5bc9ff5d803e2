"""From files to runs: what is read, what is refused, which processor it was."""
