"""Child processes: how one ended, in words."""

import signal

import pytest

from model.common.process import how_it_ended


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (-signal.SIGSEGV, "was ended by SIGSEGV"),
        (-signal.SIGKILL, "was ended by SIGKILL (by the kernel when memory runs out"),
        (128 + signal.SIGINT, "was ended by SIGINT (exit status 130)"),
        (128 + signal.SIGTERM, "was ended by SIGTERM (exit status 143)"),
        (1, "ended with exit status 1"),
        (255, "ended with exit status 255"),
        (-99, "was ended by signal 99"),
    ],
)
def test_a_signal_is_named_whether_it_killed_or_asked(status: int, said: str) -> None:
    """Negative as subprocess has it, or 128 + n as a command says it."""
    assert how_it_ended(status).startswith(said)


def test_its_last_words_are_quoted() -> None:
    """Not empty lines."""
    assert how_it_ended(1, ["first", "", " last "]).endswith("its last words: first | last")
    assert how_it_ended(1).endswith("said nothing")
