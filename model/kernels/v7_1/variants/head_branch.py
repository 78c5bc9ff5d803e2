"""The head of a page as v6.18 finds it: a branch on bit 0, then the static key of HVO.

Kernel: v7.1 with `page_folio` of v6.18, at both places of free_pages_prepare; the key is disabled.
Expect: about as many instructions; what is read through the head no longer waits for `compound_info`.
"""

SUMMARY = "replaces: the head by a mask by v6.18's branch and key"
HEAD = "branch"
