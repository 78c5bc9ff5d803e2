"""One combined test where free_pages_check has five: differences from an idle page are ORed and tested once.

Kernel: v4.3 with the idea of patch 20 of 24 in Mel Gorman's series of 12 April 2016, merged for v4.7 as
page_expected_state; nothing at the patch point.
Kept: a bad page goes through the five tests once more, as there, which name the reason.
Expect: four branches fewer, for as many ORs; a saving only if branches are the bottleneck.
"""

SUMMARY = "free_pages_check as one combined test: v4.7"
SINGLE_CHECK = True
