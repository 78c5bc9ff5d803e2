"""`python -m results export --format lnt`: levels of a run, ns per page."""

import json
import re
from collections.abc import Sequence
from typing import Final

from results.analysis.groups import Analysis
from results.output.levels import commit_of, levels, only, time_of
from results.reading.dates import say_zoneless
from results.reading.machine import key_of, machine_of

LNT_FORMAT: Final = "2"


def lnt(found: Sequence[Analysis]) -> str:
    """LLVM's LNT, report format 2, test suite `nts`: ns per page of base and of every arm.

    LNT orders runs by the numbers in the revision, and those in a commit's hash are arbitrary. So the
    revision is the time of measuring in digits, `20261126104340`; the commit is a fact of the run.
    """
    analysis = only(found, "lnt")
    run = analysis.run
    say_zoneless([run])
    time = time_of(run).removesuffix(" +0000").replace(" ", "T")
    order = {"llvm_project_revision": re.sub(r"\D", "", time), "commit": commit_of(run)}
    tests = [
        {"name": f"freepath.{scenario}.{arm}", "execution_time": [level]}
        for scenario, arm, level in levels(analysis.groups)
    ]
    document = {
        "format_version": LNT_FORMAT,
        "machine": {"name": key_of(machine_of(run)), **machine_of(run)},
        "run": {"start_time": time, "end_time": time, **order},
        "tests": tests,
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
