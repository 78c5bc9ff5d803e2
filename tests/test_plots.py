"""Figures: drawn from a file alone, the same bytes for the same run, nothing overwritten."""

from dataclasses import replace
from pathlib import Path

import pytest

from model.vocabulary.margin import Margin
from results.analysis.groups import analyse
from results.reading.load import load
from tests import runfile
from tests.command import drawn, refused, run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A quick run of all five memcg states."""
    return runfile.write(tmp_path / "run.json", runfile.headline())


def test_every_figure_in_every_format(file: Path, tmp_path: Path) -> None:
    """Paths on standard output; captions name machine, commit, command and noise floor."""
    done = run("plots", str(file), "-o", str(tmp_path / "figures"), "--format", "svg", "--format", "png")
    assert done.returncode == 0, done.stderr
    names = [Path(line).name for line in done.stdout.split()]
    assert {"headline.svg", "headline.png", "ladder.svg", "ladder.png"} <= set(names)
    assert (tmp_path / "figures" / "headline.png").read_bytes().startswith(b"\x89PNG")
    for name in ("headline.svg", "ladder.svg"):
        svg = (tmp_path / "figures" / name).read_text()
        for words in ("None 9000", "0123456789ab", "python -m benchmarks --quick", "noise floor"):
            assert words in svg, (name, words)


def test_the_same_run_gives_the_same_bytes(file: Path, tmp_path: Path) -> None:
    """So that a figure in a repository changes only with its data."""
    for folder in ("a", "b"):
        assert drawn("plots", str(file), "-o", str(tmp_path / folder), "--format", "svg").returncode == 0
    assert (tmp_path / "a" / "headline.svg").read_bytes() == (tmp_path / "b" / "headline.svg").read_bytes()


def test_existing_figures_are_kept(file: Path, tmp_path: Path) -> None:
    """--force overwrites."""
    assert drawn("plots", str(file), "--format", "png").returncode == 0
    refused(drawn("plots", str(file), "--format", "png"), "exists", "--force")
    assert drawn("plots", str(file), "--format", "png", "--force").returncode == 0


def test_a_figure_without_data_names_the_command(tmp_path: Path) -> None:
    """The others are drawn."""
    arms = {("base", "none"): 0.0, ("base-twin", "none"): 0.0, ("v1", "jump-label"): 0.2}
    file = runfile.write(tmp_path / "run.json", runfile.document(runfile.FakeRun(arms=arms)))
    done = drawn("plots", str(file), "--format", "svg", figures=["ladder"])
    assert done.returncode == 0
    assert "no ladder" in done.stderr and "python -m benchmarks" in done.stderr
    assert "headline.svg" in done.stdout


def test_builds_are_drawn_where_there_are_several(file: Path, tmp_path: Path) -> None:
    """Every build a dot, caption and all; of a run of one build there is nothing, and it says so."""
    done = drawn("plots", str(file), "-o", str(tmp_path / "several"), "--format", "svg", figures=["builds"])
    assert "builds.svg" in done.stdout and "no builds" not in done.stderr
    svg = (tmp_path / "several" / "builds.svg").read_text()
    for words in ("whole cycles", "None 9000", "noise floor", "on-idle/plain/warm/sequential/pcp"):
        assert words in svg, words
    single = runfile.write(tmp_path / "one.json", runfile.document(runfile.FakeRun(builds=0)))
    done = drawn("plots", str(single), "-o", str(tmp_path / "one"), "--format", "svg", figures=["builds"])
    assert done.returncode == 0 and "builds.svg" not in done.stdout
    assert "no builds: the data is not in" in done.stderr and "python -m benchmarks --quick" in done.stderr


def test_words_of_a_later_version(tmp_path: Path) -> None:
    """A gate, a size and a mix that nobody knows here: everything that is known is drawn."""
    arms = dict(runfile.HEADLINE) | {("v9", "other"): 0.1}
    axes = [{"memory": "l9"}, {"memory": "l2"}, {"page_kind": "flagged-few-often"}, {"memcg": "on-mars"}, {}]
    small = runfile.FakeRun(arms=arms, processes=3, blocks=4)
    sessions = [replace(small, seed=seed, axes=own) for seed, own in enumerate(axes)]
    file = runfile.write(tmp_path / "run.json", runfile.document(*sessions))
    done = run("plots", str(file), "--format", "svg")
    assert done.returncode == 0 and "cannot draw" not in done.stderr, done.stderr
    assert {"headline.svg", "memory.svg"} <= {Path(line).name for line in done.stdout.split()}
    assert "other" in (tmp_path / "headline.svg").read_text()


def test_bad_input(file: Path, tmp_path: Path) -> None:
    """One line, exit status 2."""
    refused(run("plots", "nowhere.json"), "nowhere.json")
    refused(run("plots", str(file), "--margin=-1"), "--margin")
    (tmp_path / "taken").write_text("")
    refused(run("plots", str(file), "-o", str(tmp_path / "taken")), "cannot write")


def test_a_strangers_text_is_no_mathematics(tmp_path: Path) -> None:
    """A dollar sign in a command must not reach matplotlib's mathtext."""
    data = runfile.document(freepath_command=r"python $\badcommand{$ -o x.json")
    file = runfile.write(tmp_path / "run.json", data)
    assert drawn("plots", str(file), "--format", "svg").returncode == 0


def test_bars_end_where_the_intervals_do_and_rows_stand_in_order(file: Path) -> None:
    """What the headline draws, not only that it draws: value, both ends, and the row of each arm."""
    from plots.drawing import figures

    module = figures("run")["headline"]
    read = load(file)
    groups = analyse(read, Margin(1.0, percent=True))
    figure = module.draw(read, groups)
    panels = module.panels(groups)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    for axes, group in zip(figure.axes, panels, strict=False):
        drawn = {}
        for bars in axes.containers:
            (value,), (row,) = bars.lines[0].get_data()
            ends = bars.lines[2][0].get_segments()[0][:, 0]
            drawn[names[round(row)], value] = tuple(ends)
        wanted = {(c.overhead.arm.variant, c.overhead.ns): c.judgement.ci95 for c in module.shown(group)}
        assert drawn.keys() == wanted.keys()
        for key, ends in drawn.items():
            assert ends == pytest.approx(wanted[key])
    assert names == list(dict.fromkeys(c.overhead.arm.variant for g in panels for c in module.shown(g)))
