"""Linux v6.18 on x86-64: how pages and blocks are freed, in two configurations.

    page, zone, memcg   structures; layout/ has the offsets of the kernel's debug info, by configuration
    memory, machine, start, path, scenarios   a machine, and what is measured on it
    source/      the compiled functions, in files named as the kernel's
    variants/    what is measured beside the kernel as it is
    oracle       the same in plain Python

kernel-map.md says function by function what was left out.
"""
