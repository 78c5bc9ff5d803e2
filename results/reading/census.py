"""A census file, and files of which it is not known whether they are one or a run."""

from typing import Any

from model.vocabulary.formats import CENSUS
from results.reading.load import Run, is_partial, load, read_json, run_of


def is_census(document: Any) -> bool:
    """Whether this JSON document says that it is a census."""
    return isinstance(document, dict) and document.get("schema") == CENSUS


def run_or_census(path: str) -> Run | dict[str, Any]:
    """A run, or the document of a census; read once, for it may be a pipe.

    Raises
    ------
    BadRunError
        When it is neither.
    """
    if is_partial(path):
        return load(path)
    document: dict[str, Any] = read_json(path)
    return document if is_census(document) else run_of(document, path)
