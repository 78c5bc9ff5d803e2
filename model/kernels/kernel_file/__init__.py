"""A kernel file's own compiled free path, as one more kernel: it is cut out, moved into builds, and timed.

`given`     which files this process was given
`layout`    its structures in memory, by BTF: node, zone, per-CPU lists, pages
`machine`   the file mapped where it runs, and that memory
`cutting`   from functions in the file to an image that builds can open
`arms`      what is measured: static keys flipped, calls and stores left out, a test put in
`path`      which arms a scenario has, and how they are started
"""
