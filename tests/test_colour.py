"""A file and a pipe are never a terminal, whatever the environment says of colours."""

from pathlib import Path

import pytest

from tests import runfile
from tests.command import run
from tests.terminal import shown

ONLY = "memcg=on-idle,page_kind=plain,depth=pcp,checks=on,v1"
ASKED = [
    {"FORCE_COLOR": "1"},
    {"FORCE_COLOR": "3", "TERM": "xterm-256color", "COLORTERM": "truecolor"},
    {"TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1"},
    {"CLICOLOR_FORCE": "1", "PY_COLORS": "1", "PYTHON_COLORS": "1", "FORCE_COLOR": "true"},
]
"""What Rich, argparse, pytest and others read."""
PRINTING = [
    ("results", "show", "RUN"),
    ("results", "show", "RUN", "--format", "markdown"),
    ("results", "answer", "RUN"),
    ("results", "claims", "RUN"),
    ("results", "compare", "RUN", "RUN", "--all"),
    ("results", "history", "RUNS"),
    ("results", "machines"),
    ("results", "--help"),
    ("plots", "--help"),
    ("benchmarks", "--help"),
    ("benchmarks", "--list", "--only", ONLY),
    ("benchmarks.census", "--only", ONLY),
    ("benchmarks.disasm", "v1"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A run of one scenario, in a folder of its own."""
    (tmp_path / "runs").mkdir()
    return runfile.write(tmp_path / "runs" / "run.json", runfile.document(runfile.FakeRun()))


@pytest.mark.parametrize("command", PRINTING, ids=" ".join)
def test_a_pipe_gets_the_same_whatever_is_forced(
    command: tuple[str, ...], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every figure, no line broken, no escape sequence."""
    words = [{"RUN": str(file), "RUNS": str(file.parent)}.get(word, word) for word in command]
    plain = run(*words)
    assert plain.stdout and "\x1b" not in plain.stdout
    for asked in ASKED:
        with monkeypatch.context() as environment:
            for name, value in asked.items():
                environment.setenv(name, value)
            assert run(*words).stdout == plain.stdout, asked


def test_the_doctor_writes_no_escapes() -> None:
    """Its figures differ from second to second."""
    assert "\x1b" not in run("benchmarks", "--doctor", FORCE_COLOR="1").stdout


def test_a_file_is_no_terminal_where_the_command_runs_on_one(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`show -o FILE` typed on a terminal of 60 columns, coloured or not."""
    plain = run("results", "show", str(file)).stdout
    for number, asked in enumerate(({}, *ASKED)):
        target = tmp_path / f"{number}.txt"
        with monkeypatch.context() as environment:
            for name, value in asked.items():
                environment.setenv(name, value)
            shown("results", "show", str(file), "-o", str(target), columns=60)
        assert target.read_text() == plain
    assert "corrected" in plain and "95 % interval" in plain


def test_a_terminal_is_one(file: Path) -> None:
    """It gets what fits, also as `-o -`."""
    for words in (("results", "show", str(file)), ("results", "show", str(file), "-o", "-")):
        assert max(map(len, shown(*words, columns=60))) <= 60
