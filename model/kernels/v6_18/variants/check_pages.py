"""The page checks on every free, as init_on_alloc (Ubuntu's default) or debugging turns them on.

Kernel: v6.18 with free_page_is_bad compiled in and no key before it; with the key on there is a jump more.
Expect: some twenty instructions and six loads, all of the page's own line.
"""

SUMMARY = "adds: the page checks, without a key"
CHECKS = "always"
