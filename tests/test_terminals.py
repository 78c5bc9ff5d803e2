"""Files and signals of strangers: odd names, pipes, links, full disks, Ctrl-C; what was there stays."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import results.__main__ as command
from model.common.errors import FileError
from model.common.files import check_target, write_new
from plots.drawing import figures
from tests import runfile
from tests.command import ROOT, refused, run, shell

ONLY = "memcg=on-idle,page_kind=plain,depth=pcp,checks=on,v1"
CENSUS = ROOT / "results" / "reference" / "census-x86-64-v3.json"
SHORT = 1
"""KiB that a file may have: less than any of ours needs."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A run of one scenario."""
    return runfile.write(tmp_path / "run.json", runfile.document(runfile.FakeRun()))


def left(folder: Path) -> list[str]:
    """Names of what is in a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["a\nb.md", "\x1b[31m.md", "x" * 252 + ".md", "-x.md", " .md", "\udcff.md"])
def test_any_name_that_a_file_may_have(name: str, file: Path, tmp_path: Path) -> None:
    """It is written; when it is there already, one line says so, and obeys nothing in the name."""
    folder = tmp_path / "out"
    folder.mkdir()
    target = str(folder / name)
    assert run("results", "show", str(file), "--format", "markdown", f"-o{target}").returncode == 0
    assert left(folder) == [name]
    done = run("results", "show", str(file), f"-o{target}")
    refused(done, "exists", "--force")
    assert done.stderr.strip().isprintable()


def test_a_name_that_no_file_may_have(file: Path, tmp_path: Path) -> None:
    """One byte too long, a folder that is not there, a folder."""
    refused(run("results", "show", str(file), "-o", str(tmp_path / ("x" * 256))), "File name too long")
    refused(run("results", "show", str(file), "-o", str(tmp_path / "no" / "x")), "No such file")
    refused(run("results", "show", str(file), "-o", str(tmp_path), "--force"), "it is a folder")
    refused(run("results", "show", str(file), "-o", ""), "it is a folder")
    refused(run("plots", str(file), "-o", "-"), "-o is a folder")
    assert left(tmp_path) == ["run.json"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("results", "show", "RUN", "--format", "json"),
        ("results", "compare", "RUN", "RUN", "--format", "json"),
        ("benchmarks.census", "--only", ONLY, "--json"),
    ],
    ids=lambda arguments: arguments[1],
)
def test_a_dash_is_standard_output_and_gz_is_packed(arguments: tuple[str, ...], file: Path) -> None:
    """The same document three times; the second time no file is made of it."""
    words = [str(file) if word == "RUN" else word for word in arguments]
    plain = run(*words)
    assert run(*words, "-o", "-", cwd=file.parent).stdout == plain.stdout
    packed = file.parent / "out.json.gz"
    assert run(*words, "-o", str(packed)).returncode == plain.returncode
    assert gzip.decompress(packed.read_bytes()).decode() == plain.stdout and json.loads(plain.stdout)
    assert left(file.parent) == ["out.json.gz", "run.json"]


def test_a_report_from_a_pipe_to_a_pipe(file: Path) -> None:
    """As HTML, in one piece, and without a word on figures that the data do not allow."""
    names = {"RUN": str(file), "CENSUS": str(CENSUS)}
    done = shell('"$PYTHON" -m results report - <(cat "$CENSUS") -o - < "$RUN"', names)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("<!doctype html>") and done.stdout.rstrip().endswith("</html>")
    assert "Overhead of every variant" in done.stdout and "Instructions per freed page" in done.stdout


def test_a_packed_report(file: Path) -> None:
    """The name before .gz decides what it is."""
    packed = file.parent / "report.md.gz"
    assert run("results", "report", str(file), "-o", str(packed)).returncode == 0
    assert gzip.decompress(packed.read_bytes()).startswith(b"# What does")


def test_pipes_are_read_once(file: Path) -> None:
    """Of the shell, of standard input, by name; also by commands that look twice."""
    os.mkfifo(file.parent / "fifo")
    names = {"RUN": str(file), "FIFO": str(file.parent / "fifo"), "OUT": str(file.parent)}
    names["CENSUS"] = str(CENSUS)
    for line, words in {
        'show <(cat "$RUN")': "v1/jump-label",
        'show - < "$RUN"': "v1/jump-label",
        'compare --all <(cat "$RUN") <(cat "$RUN")': "the same measurements",
        'claims <(cat "$RUN") <(cat "$CENSUS"); test $? -le 1': "C4 holds",
    }.items():
        done = shell(f'"$PYTHON" -m results {line}', names)
        assert done.returncode == 0 and words in done.stdout and not done.stderr, (line, done.stderr)
    done = shell('cat "$CENSUS" > "$FIFO" & "$PYTHON" -m plots "$FIFO" --format svg -o "$OUT/figures"', names)
    assert done.returncode == 0 and "census.svg" in done.stdout
    done = shell('"$PYTHON" -m results show "$RUN" -o "$FIFO" & cat "$FIFO"', names)
    assert "v1/jump-label" in done.stdout and not done.stderr


def test_a_link_stays_a_link(file: Path) -> None:
    """What it points to is replaced, with its permissions."""
    target, link = file.parent / "real.md", file.parent / "link.md"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    refused(run("results", "show", str(file), "-o", str(link)), "exists")
    assert run("results", "show", str(file), "-o", str(link), "--force").returncode == 0
    assert link.is_symlink() and "v1/jump-label" in target.read_text()
    assert target.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (f"benchmarks.census --only {ONLY} --force -o", "good.json"),
        ('results show "$RUN" --force --format json -o', "good.json"),
        ('results report "$RUN" --force -o', "good.md"),
        ('plots "$CENSUS" --force --format svg -o', ""),
    ],
)
def test_a_full_disk_leaves_the_good_file(arguments: str, name: str, file: Path) -> None:
    """--force replaces by a complete file only; nothing half-written lies about."""
    folder = file.parent / "out"
    folder.mkdir()
    good = folder / (name or "census.svg")
    good.write_text("good")
    line = f'ulimit -f {SHORT}; "$PYTHON" -m {arguments} "$OUT"'
    refused(
        shell(line, {"RUN": str(file), "CENSUS": str(CENSUS), "OUT": str(folder / name)}),
        "cannot write",
        "File too large",
    )
    assert good.read_text() == "good" and left(folder) == [good.name]


def test_a_bad_input_leaves_the_good_file(file: Path) -> None:
    """--force and then an input that is none."""
    good = file.parent / "good.html"
    good.write_text("good")
    refused(run("results", "report", "nowhere.json", "-o", str(good), "--force"), "nowhere.json")
    assert good.read_text() == "good"


def test_the_target_is_tried_before_the_work(tmp_path: Path) -> None:
    """A census takes long: it is not counted for a file that cannot be written."""
    cache = tmp_path / "cache"
    target = str(tmp_path / "no" / "census.json")
    refused(run("benchmarks.census", "-o", target, XDG_CACHE_HOME=str(cache)), "cannot write")
    assert not cache.exists()


def test_half_a_character_is_no_defect(tmp_path: Path) -> None:
    r"""JSON may hold `\ud800`, which no encoding has."""
    write_new(tmp_path / "x", "a\ud800b")
    assert (tmp_path / "x").read_text("utf-8") == "a?b"


def test_a_loop_of_links_is_one_line(tmp_path: Path) -> None:
    """Nothing can be written through it."""
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for attempt in (check_target, lambda path: write_new(path, "x")):
        with pytest.raises(FileError, match="symbolic links"):
            attempt(tmp_path / "a")


COMMANDS = {
    "census": ("benchmarks.census",),
    "report": ("results", "report", "RUN", "-o", "OUT"),
    "plots": ("plots", "RUN", "-o", "OUT.d", "--format", "png"),
}


def wait_until_in_charge(process: subprocess.Popen[str]) -> None:
    """Until the command meets signals itself: SIGTERM, which Python leaves alone, is caught."""
    status = Path(f"/proc/{process.pid}/status")
    for _ in range(1000):
        caught = int(status.read_text().partition("SigCgt:")[2].split()[0], 16)
        if caught >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.01)
    raise TimeoutError(process.args)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("after", [0.0, 0.2, 0.5])
def test_ctrl_c_is_silent(name: str, after: float, file: Path) -> None:
    """130 and not a word, whatever it was doing; no half-written file."""
    words = {"RUN": str(file), "OUT": str(file.parent / "x.html"), "OUT.d": str(file.parent / "x")}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a child inherits that it is ignored
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", *(words.get(word, word) for word in COMMANDS[name])],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until_in_charge(process)
        time.sleep(after)  # some moment, whatever happens then
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=200)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (process.returncode, err) == (130, "")
    assert [path for path in file.parent.rglob("*") if path.name.startswith(".freepath-")] == []


RUN_IT = """
import signal, sys, time
from model.common.command import run

class Callback:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def dropped():
    Callback()
    time.sleep(600)

def translated():
    try:
        signal.raise_signal(signal.SIGTERM)
    except BaseException:
        raise ImportError("no such luck") from None

def swallowed():
    try:
        signal.raise_signal(signal.SIGTERM)
    except BaseException:
        pass
    return 0

sys.exit(run("a command", globals()[sys.argv[1]]))
"""


@pytest.mark.parametrize(("command", "status"), [("dropped", 130), ("translated", 143), ("swallowed", 143)])
def test_an_end_is_met_whatever_becomes_of_its_exception(command: str, status: int) -> None:
    """Python drops it in a callback, and we would be deaf; numpy makes another of it; Unicorn eats it."""
    done = subprocess.run(
        [sys.executable, "-c", RUN_IT, command], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    assert (done.returncode, done.stderr) == (status, "")


CRASH = """
import sys
import plots.headline, plots.ladder
from plots.__main__ import main

def draw(run, groups):
    raise ValueError("no\\n\x1b such thing")

plots.headline.draw = plots.ladder.draw = draw
sys.exit(main(sys.argv[1:]))
"""


def test_a_figure_that_fails_is_named_and_the_others_are_drawn(file: Path, tmp_path: Path) -> None:
    """A line each, on one line; exit status 2, for something is missing."""
    done = subprocess.run(
        [sys.executable, "-c", CRASH, str(file), "-o", str(tmp_path), "--format", "svg"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    failed = [line for line in done.stderr.splitlines() if line.startswith("cannot draw")]
    assert done.returncode == 2 and "builds.svg" in done.stdout and "headline.svg" not in done.stdout
    assert [line.split()[2] for line in failed] == ["headline:", "ladder:"]
    assert all("ValueError" in line and r"no\n\x1b such thing" in line for line in failed)


@pytest.mark.soak
def test_a_report_names_the_figures_that_failed(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """In the page, which is kept with the others, and on stderr; exit status 2."""

    def draw(run: Any, groups: Any) -> None:
        raise ValueError("no\n\x1b such thing")

    for name, module in figures("run").items():
        if name in ("headline", "ladder"):
            monkeypatch.setattr(module, "draw", draw)
        elif name != "builds":
            monkeypatch.setattr(module, "draw", lambda run, groups: None)
    target = file.parent / "report.html"
    assert command.main(["report", str(file), "-o", str(target)]) == 2
    page, errors = target.read_text(), capsys.readouterr().err.splitlines()
    failed = [line for line in errors if line.startswith("python -m results: cannot draw")]
    assert len(failed) == 2 and page.count("A figure is missing: cannot draw") == 2
    for name in ("headline", "ladder"):
        assert f"cannot draw {name}: ValueError" in page
        assert any(f"cannot draw {name}: ValueError" in line for line in failed)
    assert page.rstrip().endswith("</html>") and "<img" in page


def test_options_are_not_guessed(file: Path) -> None:
    """A beginning of an option is none: it may be another one tomorrow."""
    refused(run("results", "show", str(file), "--form", "json"), "--form", "--help")
    refused(run("results", "compare", str(file), str(file), "--stric"), "--stric")
    refused(run("plots", str(file), "--marg", "1ns"), "--marg")
    refused(run("benchmarks.census", "--onl", "v1"), "--onl")
    refused(run("benchmarks.disasm", "v1", "--func", "x"), "--func")
    refused(run("results", "sho", str(file)), "invalid choice", "show")
