"""One combined test where free_pages_check has five: what differs from an idle page is ORed, and asked once.

Kernel: v4.3 with the idea of patch 20 of 24 in Mel Gorman's series of 12 April 2016, merged for v4.7 as
page_expected_state; nothing at the patch point.
Left out: the slow path is the five tests once more, as there, so that a bad page is named as before.
Expect: four branches fewer, for as many ORs; a saving if branches were the bottleneck, else nothing.
"""

SUMMARY = "free_pages_check as one combined test: v4.7"
SINGLE_CHECK = True
