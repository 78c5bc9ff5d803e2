"""The short form of `python -m tests.kills`, which `make reliability` runs 200 times."""

from tests.kills import MOMENTS, kills


def test_runs_ended_at_random_moments_are_resumed() -> None:
    """One of each moment: nothing lost, nothing invalid, nothing left over."""
    counts = kills(len(MOMENTS), seed=10)
    assert sum(counts.values()) >= len(MOMENTS)
