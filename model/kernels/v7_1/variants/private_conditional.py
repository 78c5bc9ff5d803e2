"""`page->private` tested first, and cleared only where it is set: 2015's question the other way round.

Kernel: v7.1 with a load, a test and a rare store in the place of the store.
Expect: a load and a branch more, a store fewer; few pages have a value there.
"""

SUMMARY = "replaces: the store to page->private by a test and a rare store"
PRIVATE = "if set"
