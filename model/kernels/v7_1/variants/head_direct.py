"""The page itself in the place of its head: only heads are freed.

Kernel: v7.1 with `page` for `page_folio(page)` at both places of free_pages_prepare.
Expect: two loads fewer, and no arithmetic on addresses.
"""

SUMMARY = "replaces: the head by the page itself, without a look-up"
HEAD = "direct"
