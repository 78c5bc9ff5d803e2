"""`python -m results claims`: the verdict on each claim, as text, Markdown or JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from model.vocabulary import formats
from results.claims.claim import Answer
from results.output.words import escape


def as_json(answers: Sequence[Answer]) -> str:
    """The document `freepath.claims/1`: docs/format-outputs.md."""
    return (
        json.dumps({"schema": formats.CLAIMS, "claims": [asdict(answer) for answer in answers]}, indent=2)
        + "\n"
    )


def lines(answers: Sequence[Answer], *, markdown: bool) -> Iterator[str]:
    """One block per claim."""
    for answer in answers:
        head = f"{answer.id} {answer.verdict}: {answer.claim}"
        if markdown:
            yield from (f"**{escape(head)}**", escape(answer.because))
            yield from (f"- {escape(line)}" for line in answer.evidence)
            yield ""
        else:
            yield from (head, f"   {answer.because}")
            yield from (f"     {line}" for line in answer.evidence)
