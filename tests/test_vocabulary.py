"""The words: scenarios and their names, axes with defaults, and files from before an axis existed."""

from pathlib import Path

import pytest

from benchmarks.selection import select
from model.vocabulary.scenario import AXES, DEFAULTS, Arm, Scenario, axes_of, base_of, name_of
from results.reading.load import load
from tests import runfile
from tests.command import run


def test_a_name_says_what_is_unusual() -> None:
    """Five axes always, the others where they are not as usual."""
    plain = Scenario("on-idle")
    assert plain.name == "on-idle/plain/warm/sequential/pcp"
    assert plain.but(checks="deferred", entry="put_page").name == f"{plain.name}/deferred/put_page"
    mixed = plain.but(page_kind="flagged", share="10", spread="random")
    assert mixed.name == "on-idle/flagged/warm/sequential/pcp/10%/random" and mixed.mixed
    assert mixed.share_of_pages == 0.1 and not plain.mixed


def test_every_axis_but_the_first_has_a_default_among_its_values() -> None:
    """A file that does not say is read with it."""
    assert set(AXES) - set(DEFAULTS) == {"memcg"}
    assert all(DEFAULTS[axis] in values for axis, values in AXES.items() if axis in DEFAULTS)


def test_a_file_from_before_an_axis_is_read_with_its_default(tmp_path: Path) -> None:
    """And its scenarios have the current names, so that they compare with new ones."""
    session = runfile.FakeRun(axes={"memcg": "on-idle", "page_kind": "flagged-10-random"})
    (scenario,) = load(runfile.write(tmp_path / "old.json", runfile.document(session))).scenarios
    assert scenario.name == "on-idle/flagged/warm/sequential/pcp/10%/random"
    assert scenario.axes["kernel"] == "v4.3" and scenario.axes["path"] == "free"
    (scenario,) = load(runfile.write(tmp_path / "plain.json", runfile.document(runfile.FakeRun()))).scenarios
    assert scenario.name == name_of(scenario.axes)


@pytest.mark.parametrize("kind", ["flagged-10", "flagged-11-random", "a-b-c", "plain", "flagged-10-"])
def test_only_a_mix_that_existed_is_taken_apart(kind: str) -> None:
    """Any other kind is a stranger's word, and stays one."""
    assert axes_of({"memcg": "off", "page_kind": kind})["page_kind"] == kind


def test_an_arm_is_compared_with_the_base_of_its_gate() -> None:
    """Else with the first base."""
    arms = [Arm("base", "jump-label"), Arm("base", "none"), Arm("v1", "none"), Arm("nop", "memory-flag")]
    assert [base_of(arm, arms).gate for arm in arms] == ["jump-label", "none", "none", "jump-label"]


@pytest.mark.parametrize(
    ("only", "count"),
    [
        ("page_kind=flagged", 1),
        ("page_kind=flagged*", 7),
        ("page_kind=flagged-*", 6),
        ("page_kind=flagged-10-*", 2),
        ("page_kind=flagged-*-random", 3),
        ("page_kind=flagged-50-periodic", 1),
        ("page_kind=flagged,share=10", 2),
        ("spread=random", 3),
    ],
)
def test_a_mix_is_chosen_by_its_axes_and_as_it_was(only: str, count: int) -> None:
    """Until they came it was a kind of page; those commands choose what they did."""
    assert len(select(f"memcg=on-idle,{only},v1")) == count


def test_an_axis_with_one_value_is_taken_and_not_offered() -> None:
    """`path=free` chooses what it always did: everything."""
    offered = run("benchmarks", "--help").stdout.partition("axes of --only")[2].partition("options of")[0]
    assert "\n  entry " in offered and "\n  path " not in offered
    assert select("path=free,memcg=on-idle,v1") == select("memcg=on-idle,v1")
