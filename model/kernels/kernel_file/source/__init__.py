"""What is compiled for a kernel file: the timed loops, with a function in the place of the kernel's own."""
