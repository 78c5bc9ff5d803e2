"""Every claim that a run can be judged by, each by a rule that is written down.

A run of v4.3 is judged by the claims of 2015 (`mail_2015`), one of v6.18 or v7.1 by the questions of that
kernel (`v6_18`, `v7_1`), a run of several by all of theirs. Of another version nothing is asked until it has
questions.

docs/claims.md has the rules in words. Timed claims read the run; claims about instructions read a census: one
that is given, else the reference that is kept in `results/reference`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from results.analysis.groups import Analysis
from results.analysis.kernel_files import only_files
from results.claims import mail_2015, v6_18, v7_1
from results.claims.claim import Answer, Data
from results.reading.census import is_census
from results.reading.folder import REFERENCE
from results.reading.load import BadRunError, read_json

CENSUS: Final = REFERENCE / "census-x86-64-v3.json"
QUESTIONS: Final[Mapping[str, Sequence[Callable[[Data], Answer]]]] = {
    v6_18.KERNEL: v6_18.QUESTIONS,
    v7_1.KERNEL: v7_1.QUESTIONS,
}
"""Kernel that is modelled -> what is asked of a run that has it."""


def answers(analysis: Analysis, census: Path | None) -> list[Answer]:
    """Judge every claim.

    Raises
    ------
    BadRunError
        When the census is none.
    """
    document = read_census(census)
    if not is_census(document):
        raise BadRunError(
            f"{census or CENSUS} is no census: make one with python -m benchmarks.census --json -o CENSUS"
        )
    data = Data(analysis, document)
    if only_files(analysis.run):
        return []  # the claims are about modelled versions
    asked = [*(mail_2015.CLAIMS if data.knows("v4.3") or not data.groups else ())]
    for kernel, questions in QUESTIONS.items():
        asked += questions if data.knows(kernel) else ()
    return [claim(data) for claim in asked]


def read_census(path: Path | None) -> Any:
    """What claims are judged by: the document that is given, else the kept census.

    Raises
    ------
    BadRunError
    """
    return read_json(path) if path not in (None, CENSUS) else _kept_census()


@cache
def _kept_census() -> Any:
    """Read once: it has 4 MB, a report needs it twice, and pages judge one run after another by it."""
    return read_json(CENSUS)


def exit_status(answers: Sequence[Answer]) -> int:
    """1 when a claim fails."""
    return int(any(answer.verdict == "fails" for answer in answers))
