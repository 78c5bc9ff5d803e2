"""Measure on other hosts, each as if somebody sat there: Dask carries the work, the results come back whole.

`remote`  what runs on a host; the file is sent there, and knows nothing of freepath
`hosts`   which hosts there are, by the scheduler's workers, and which of them can measure
`driver`  one exclusive task per host, complete processes as they finish, a file per machine
"""
