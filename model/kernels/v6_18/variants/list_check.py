"""The list check of CONFIG_DEBUG_LIST, which distributions compile in: links are compared before they change.

Kernel: v6.18 with `__list_add_valid_or_report` called for every page that is put on a list, and
`__list_del_entry_valid_or_report` for every page that a drain takes off one. Debian's kernels from 6.1 on
have it, x86_64_defconfig has not. CONFIG_LIST_HARDENED alone (since v6.6) compares inline, without a call.
Expect: a call and about 30 instructions, two loads, one of them of the former head page's line.
"""

SUMMARY = "adds: the list check of CONFIG_DEBUG_LIST"
DEBUG_LIST = True
