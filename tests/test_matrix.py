"""Every command in odd surroundings: the right exit status, no traceback, one line when it cannot go on."""

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest

from tests import runfile
from tests.command import ROOT, shell

ONLY = "memcg=on-idle,page_kind=plain,depth=pcp,checks=on,v1"
CENSUS = ROOT / "results" / "reference" / "census-x86-64-v3.json"
COMMANDS = {
    "answer": ("results answer $RUN", 0),
    "show": ("results show $RUN", 0),
    "compare": ("results compare $RUN $WORSE", 1),
    "claims": ("results claims $RUN $CENSUS", 1),
    "history": ("results history $RUNS", 0),
    "report.md": ("results report $RUN -o $OUT/report.md", 0),
    "report.html": ("results report $RUN -o $OUT/report.html", 0),
    "compare.html": ("results compare $RUN $WORSE --html -o $OUT/compare.html", 1),
    "machines": ("results machines", 0),
    "export": ("results export $RUN --format github-action-benchmark", 0),
    "calibration": ("results calibration $CALIBRATION", 1),
    "plots": ("plots $CENSUS -o $OUT --format png", 0),
    "census": (f"benchmarks.census --only {ONLY}", 0),
    "census.json": (f"benchmarks.census --only {ONLY} -o $OUT/census.json", 0),
    "disasm": ("benchmarks.disasm v1", 0),
    "list": ("benchmarks --list --quick", 0),
    "doctor": ("benchmarks --doctor", 0),
    "help": ("results --help", 0),
    "compare --help": ("results compare --help", 0),
    "census --help": ("benchmarks.census --help", 0),
    "plots --help": ("plots --help", 0),
    "benchmarks --help": ("benchmarks --help", 0),
}
"""Name -> what follows `python -m`, and its exit status when nothing is odd."""

C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ASCII = {"PYTHONIOENCODING": "ascii"}
DUMB = {"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "40"}
RESULTS = ("answer", "show", "compare", "claims", "history", "machines", "export", "calibration")
TEXTS = (*RESULTS, "census", "disasm", "list", "doctor", "help")
"""Those of which the text differs."""
PRINTING = ("show", "plots", "census", "disasm", "list", "doctor", "help", "compare --help", "census --help")
"""One of each way to standard output; all of `python -m results` goes the same."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of every kind, by the names that `COMMANDS` has for them."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "runs").mkdir()
    for seed in (1, 2):
        runfile.write(folder / "runs" / f"{seed}.json", runfile.document(runfile.FakeRun(seed=seed)))
    worse = runfile.FakeRun(seed=3, arms=dict(runfile.HEADLINE) | {("v1", "jump-label"): 0.9})
    made = {
        "RUN": folder / "runs" / "1.json",
        "WORSE": runfile.write(folder / "worse.json", runfile.document(worse)),
        "RUNS": folder / "runs",
        "CALIBRATION": runfile.write(folder / "calibration.json", runfile.calibration(sessions=1)),
        "CENSUS": CENSUS,
    }
    return {name: str(path) for name, path in made.items()}


def met(
    name: str, files: dict[str, str], out: Path, redirection: str = "", **odd: str
) -> tuple[int, str, str]:
    """Exit status, standard output and error of a command; the status is asked of the first of a pipe."""
    line = f'"$PYTHON" -m {COMMANDS[name][0]} {redirection}; exit ${{PIPESTATUS[0]}}'
    done = shell(line, {"OUT": str(out), **files, **odd})
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", (*TEXTS, "report.md"))
def test_a_locale_without_utf8(name: str, files: dict[str, str], tmp_path: Path) -> None:
    """The terminal is shown what it can show; a file is UTF-8, so it can be read."""
    status, out, err = met(name, files, tmp_path, **C)
    assert (status, err) == (COMMANDS[name][1], "")
    assert out.isascii() and (out or "·" in (tmp_path / "report.md").read_text("utf-8"))


@pytest.mark.parametrize("name", ["show", "census", "list"])
def test_a_terminal_that_can_do_little(name: str, files: dict[str, str]) -> None:
    """Narrow, ASCII, without colour: columns are left out, names are folded, and no figure is cut off."""
    words = COMMANDS[name][0].replace("$RUN", files["RUN"]).split()
    parent, child = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env={**os.environ, **ASCII, **DUMB, "PYTHONPATH": str(ROOT)},
        stdout=child,
        stderr=child,
    ) as process:
        os.close(child)
        out = b"".join(iter(partial(read_terminal, parent), b"")).decode("ascii")
    os.close(parent)
    assert process.returncode == 0 and out.isascii() and "\x1b" not in out and "..." not in out
    assert {"show": "+0.", "census": "instructions", "list": "keyfirst"}[name] in out


def read_terminal(number: int) -> bytes:
    """What was written to it; nothing when its other side is closed, which Linux calls an error."""
    try:
        return os.read(number, 1 << 16)
    except OSError:
        return b""


@pytest.mark.parametrize("name", PRINTING)
def test_standard_output_is_full(name: str, files: dict[str, str], tmp_path: Path) -> None:
    """It could not be said, so it is an error, whatever was found; one line says so."""
    status, _, err = met(name, files, tmp_path, ">/dev/full")
    assert status == 2 and len(err.splitlines()) == 1, err
    assert "standard output" in err and "No space left" in err


@pytest.mark.parametrize("name", ["compare", "claims", "census", "help", "benchmarks --help"])
def test_nobody_reads_it(name: str, files: dict[str, str], tmp_path: Path) -> None:
    """As with `| head`: silence, and the exit status of what was found."""
    status, _, err = met(name, files, tmp_path, "| :")
    assert (status, err) == (COMMANDS[name][1], "")


@pytest.mark.parametrize("name", ["compare", "census.json", "report.md", "list"])
def test_streams_are_closed(name: str, files: dict[str, str], tmp_path: Path) -> None:
    """As a daemon starts it: it does its work, and a file holds nothing that was meant for a stream."""
    status, _, err = met(name, files, tmp_path, "<&- >&-")
    assert (status, err) == (COMMANDS[name][1], "")
    for written in tmp_path.iterdir():
        assert written.read_text("utf-8")[0] in "{#"


@pytest.mark.parametrize("odd", ["HOME", "XDG_CACHE_HOME"])
def test_code_needs_a_cache(odd: str, files: dict[str, str], tmp_path: Path) -> None:
    """One line that says which folder to give."""
    home = {"HOME": "/dev/null", "XDG_CACHE_HOME": ""} if odd == "HOME" else {odd: "/dev/null"}
    status, _, err = met("census", files, tmp_path, **home)
    assert status == 2 and len(err.splitlines()) == 1 and "XDG_CACHE_HOME" in err


def test_figures_do_not_depend_on_the_user(files: dict[str, str], tmp_path: Path) -> None:
    """Neither an unusable home nor settings of matplotlib, in a file or in the environment, change a byte."""
    (tmp_path / "matplotlibrc").write_bytes(b"text.usetex: true\nnonsense\nfont.size: \xff")
    (tmp_path / "settings").write_text("lines.linewidth: 9\nfont.size: many\n")
    usual = {"OUT": str(tmp_path / "usual"), **files}
    odd = {"OUT": str(tmp_path / "odd"), "HOME": "/dev/null", "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": ""}
    odd |= {"MPLBACKEND": "nonsense", "MATPLOTLIBRC": str(tmp_path / "settings"), "MPLCONFIGDIR": "/proc/1"}
    command = '"$PYTHON" -m plots "$CENSUS" -o "$OUT" --format svg'
    for cwd, surroundings in ((ROOT, usual), (tmp_path, {**files, **odd})):
        done = shell(command, surroundings, cwd)
        assert (done.returncode, done.stderr) == (0, "")
    drawn = [
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("usual", "odd")
    ]
    assert drawn[0] == drawn[1] and "census.svg" in drawn[0]


def test_a_report_with_odd_surroundings_has_its_figures(files: dict[str, str], tmp_path: Path) -> None:
    """All that its data allow."""
    odd = {**C, "HOME": "/dev/null", "MPLBACKEND": "nonsense"}
    status, _, err = met("report.html", files, tmp_path, **odd)
    assert status == 0 and (tmp_path / "report.html").read_text("utf-8").count("<img") >= 6
    assert err == ""  # a figure that its data do not allow is no failure


NAMELESS = """
import contextlib, io, os, sys
from importlib import import_module

name, *argv = sys.argv[1:]
main = import_module(name).main
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    main([text.replace("OUT", "out-of-root") for text in argv])  # loads what only root may read
os.setgroups([])
os.setgid(54321)
os.setuid(54321)
sys.exit(main([text.replace("OUT", "out") for text in argv]))
"""


# setuid() needs root, as CI has it; elsewhere there is no way to try.
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user that does not exist")
@pytest.mark.parametrize(
    ("name", "argv", "expected"),
    [
        ("results.__main__", ("show", "run.json", "-o", "OUT.md"), 0),
        ("results.__main__", ("report", "run.json", "-o", "OUT.md"), 0),
        ("plots.__main__", (str(CENSUS), "-o", "OUT", "--format", "svg"), 0),
        ("benchmarks.census.__main__", ("--only", ONLY), 2),
    ],
)
def test_a_user_without_a_name(name: str, argv: tuple[str, ...], expected: int) -> None:
    """As in a container: not in /etc/passwd, and the home is somebody else's, so is its cache."""
    with tempfile.TemporaryDirectory(prefix="freepath-") as folder:
        Path(folder).chmod(0o777)
        runfile.write(Path(folder) / "run.json", runfile.document(runfile.FakeRun()))
        done = subprocess.run(
            [sys.executable, "-c", NAMELESS, name, *argv],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(Path.home())},
            capture_output=True,
            text=True,
        )
        assert done.returncode == expected, done.stderr
        assert len(done.stderr.splitlines()) == (expected == 2), done.stderr
        assert expected == 2 or any(Path(folder).glob("out*"))
