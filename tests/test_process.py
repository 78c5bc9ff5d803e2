"""Child processes: how one ended, in words."""

import signal
from threading import Thread

import pytest

from model.common.process import how_it_ended
from model.common.signals import Ended, raise_on_signals, restore_signals, signals_later


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
    assert how_it_ended(1, ["first", "", " last "]).endswith("; stderr: first | last")
    assert how_it_ended(1).endswith("wrote nothing on stderr")


def test_what_must_be_done_in_whole_is_not_interrupted() -> None:
    """Also by a signal that another thread receives: it is met at the end, and the handlers are as before."""
    done = []
    before = raise_on_signals()
    try:
        with pytest.raises(Ended), signals_later():
            thread = Thread(target=signal.raise_signal, args=(signal.SIGTERM,))
            thread.start()
            thread.join()
            done.append("whole")
        assert done == ["whole"]
    finally:
        restore_signals(before)
        Ended.asked = None  # a later test's command would end by it
