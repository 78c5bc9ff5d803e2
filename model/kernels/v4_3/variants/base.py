"""The path before the patch: free_pages_prepare does not test for kmem pages.

Kernel: v4.3, mm/page_alloc.c. A kmem page is uncharged by __free_kmem_pages before __free_pages.
Expect: the baseline of every figure.
"""

SUMMARY = "nothing at the patch point; a kmem page is uncharged by the old helper before the call"
