"""Measure on other hosts as on this one: Dask carries the jobs, complete processes come back.

`remote`  what runs on a host; the file is sent there, and knows nothing of freepath
`hosts`   which hosts there are, by the scheduler's workers, and which of them can measure
`driver`  one exclusive task per host, complete processes as they finish, a file per machine
"""
