"""The list check of CONFIG_DEBUG_LIST, which distributions compile in: before a list is changed it is looked at.

Kernel: v6.18 with `__list_add_valid_or_report` called for every page that is put on a list, and
`__list_del_entry_valid_or_report` for every page that a drain takes off one. Debian's 6.1 to 7.3 have it, and
x86_64_defconfig has not. With CONFIG_LIST_HARDENED alone (since v6.6) the comparisons are inlined, no call.
Expect: a call and 17 to 20 instructions, two loads, one of them of the former head page's line.
"""

SUMMARY = "adds: the list check of CONFIG_DEBUG_LIST"
DEBUG_LIST = True
