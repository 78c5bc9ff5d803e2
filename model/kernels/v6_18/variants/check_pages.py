"""The page checks on every free, as init_on_alloc (Ubuntu's default) or debugging enables them.

Kernel: v6.18 with free_page_is_bad and without its key; the enabled key would be one jump more.
Expect: about twenty instructions and six loads, all from the page's own line.
"""

SUMMARY = "adds: the page checks, without a key"
CHECKS = "always"
