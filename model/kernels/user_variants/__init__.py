"""Variants of a user: a file anywhere, or an operation on the command line; checked before they are run.

`vetting`    a file's text: what it may declare, what its check may do
`operation`  an exact operation: which instructions it may have
`added`      those of this process
"""
