"""python -m tests.hostile [N] [SEED]: N hostile files through every command that reads files.

tests/spoiled.py makes them. Each is read, and what is read goes through show, answer, claims, compare,
report, history and calibration in all their formats; some through the commands themselves and through plots.
A defect is any exception but FreepathError, any warning of NumPy, a document that its own schema refuses, a
character that a terminal would obey, Markdown that is not escaped, and any file touched outside the folder
that was named. The first input of each defect is kept and named, and the exit status is 1.
"""

import contextlib
import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings

from model.common.errors import FreepathError
from model.common.files import write_new
from model.vocabulary.margin import Margin
from plots import report
from results.analysis import compare, history
from results.analysis.groups import analysis_of
from results.claims import judging
from results.claims.claim import Answer
from results.output import (
    as_answer,
    as_calibration,
    as_changes,
    as_claims,
    as_csv,
    as_history,
    as_json,
    as_markdown,
    as_table,
)
from results.reading import census, formats
from results.reading.load import Run, load, read_json, run_of
from tests import runfile
from tests.command import ROOT
from tests.runfile import analysed
from tests.spoiled import KINDS, Spoiled, original, spoiled

PERCENT: Final = Margin(1.0, percent=True)
EVERY: Final = 200
"""Of so many inputs one goes through the commands, as a user calls them, and through plots."""
LONGEST_S: Final = 120.0
MOST_BYTES: Final = 4 << 30
RAW_MARKDOWN: Final = re.compile(r"(?<!\\)[<`]")
COMMANDS: Final = ("show", "answer", "claims", "compare", "report", "history", "calibration", "plots")
WRITING: Final = os.O_WRONLY | os.O_RDWR
CHANGES: Final = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate")


class DefectError(Exception):
    """A command did what it must not."""


class Sandbox:
    """A folder with everything that a command may look at or write: input, output, home, temporary files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs, self.out = folder / "runs", folder / "out"
        for name in ("runs", "out", "home", "tmp", "here"):
            (folder / name).mkdir()
        self.input = self.runs / "input.json"
        self.partial = folder / "run.json.partial"
        self.partial.mkdir()
        runfile.write(self.partial / "plan.json", {})
        process = runfile.document(runfile.FakeRun(processes=1, blocks=2, seed=3))
        runfile.write(self.partial / "0-0000.json", process)
        self.kind = ""
        self.originals = {k: run_of(json.loads(original(k)), k) for k in KINDS if k != "census"}
        self.census = runfile.write(folder / "census.json", json.loads(original("census")))
        self.touched: list[str] = []
        self.watching = False
        sys.addaudithook(self._audit)
        for day in (1, 2):
            other = runfile.document(runfile.FakeRun(processes=2, blocks=2, seed=day))
            runfile.write(self.runs / f"other-{day}.json", other)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note what is opened for writing, made, renamed or removed elsewhere."""
        writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if not self.watching or not (event in CHANGES or writing):
            return
        path = str(arguments[0])
        if isinstance(arguments[0], str | Path) and not path.startswith((str(self.folder), os.devnull)):
            self.touched.append(f"{event} {path}")

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Whatever happens inside may touch the output folder only."""
        before, keeps = self._tree(), sys.dont_write_bytecode
        self.touched, self.watching = [], True
        sys.dont_write_bytecode = True  # of what is imported meanwhile
        try:
            yield
        finally:
            self.watching, sys.dont_write_bytecode = False, keeps
        if self.touched or self._tree() != before:
            raise DefectError(f"touched {self.touched or 'what is beside the output folder'}")

    def _tree(self) -> list[tuple[str, int, int]]:
        """What is there but for the output, with the time at which files were written."""
        tree = []
        for place, folders, files in os.walk(self.folder):
            folders[:] = [name for name in folders if Path(place, name) != self.out]
            tree += [(str(Path(place, name)), 0, 0) for name in folders]
            stats = [(name, Path(place, name).lstat()) for name in files]
            tree += [(str(Path(place, name)), stat.st_size, stat.st_mtime_ns) for name, stat in stats]
        return sorted(tree)


def attempt(sandbox: Sandbox, made: Spoiled) -> str:
    """Put a file through everything; returns what became of it.

    Raises
    ------
    DefectError, Exception
        Anything but FreepathError.
    """
    sandbox.kind = made.kind
    sandbox.input.write_bytes(made.content)
    (sandbox.partial / "0-0001.json").write_bytes(made.content)
    said = io.StringIO()
    with sandbox.watched(), contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        use_partial(sandbox)
        try:
            document = read_json(sandbox.input)
            if census.is_census(document):
                use_census(sandbox, document)
                return "read"
            measured = load(sandbox.input)
        except FreepathError as error:
            one_line(str(error))
            return "refused"
        refused = use_run(sandbox, measured)
    shown(said.getvalue())
    if measured.doubts:
        return "set aside"
    return "read, and refused by a command" if refused else "read"


def use_partial(sandbox: Sandbox) -> None:
    """As a process of an interrupted run: it is one, or it is set aside."""
    try:
        measured = load(sandbox.partial)
        shown(*measured.doubts, as_table.as_table(analysis_of(measured, PERCENT)))
    except FreepathError as error:
        one_line(str(error))


def use_census(sandbox: Sandbox, document: dict[str, Any]) -> None:
    """Compare with another and itself, and let it decide claims."""
    for old in (json.loads(original("census")), document):
        with contextlib.suppress(FreepathError):
            written("compare", as_changes.as_json(changes := compare.compare_census(old, document)))
            shown(*as_changes.lines(changes, markdown=False))
            escaped(*as_changes.lines(changes, markdown=True))
    judged(judging.answers(analysis_of(sandbox.originals["run for claims"], PERCENT), sandbox.input))


def use_run(sandbox: Sandbox, measured: Run) -> bool:
    """Every command, in every format; whether one of them refused it."""
    refused = False
    for command in (use_show, use_claims, use_compare, use_report, use_history, use_calibration):
        try:
            command(sandbox, measured)
        except FreepathError as error:
            one_line(str(error))
            # A calibration that is none, or another machine, is no fault of the file.
            refused = refused or command in (use_show, use_claims, use_report)
    return refused


def use_show(sandbox: Sandbox, measured: Run) -> None:
    """Four formats."""
    written("show", as_json.as_json(analysis_of(measured, PERCENT)))
    shown(as_table.as_table(analysis_of(measured, PERCENT)), as_csv.as_csv(analysis_of(measured, PERCENT)))
    escaped(as_markdown.as_markdown(analysis_of(measured, PERCENT)))


def use_claims(sandbox: Sandbox, measured: Run) -> None:
    """By a census of its own; and the answer, which has them."""
    judged(answers := judging.answers(analysis_of(measured, PERCENT), sandbox.census))
    written("answer", as_answer.as_json(analysis_of(measured, PERCENT), answers))
    shown(*as_answer.lines(analysis_of(measured, PERCENT), answers))


def judged(answers: Sequence[Answer]) -> None:
    """Claims in three formats."""
    written("claims", as_claims.as_json(answers))
    shown(*as_claims.lines(answers, markdown=False))
    escaped(*as_claims.lines(answers, markdown=True))


def use_compare(sandbox: Sandbox, measured: Run) -> None:
    """With itself, and with another, whatever machine it was."""
    for old in (measured, sandbox.originals[sandbox.kind]):
        changes = compare.compare_runs(*analysed(old, measured), PERCENT, across=True)
        written("compare", as_changes.as_json(changes))
        shown(*as_changes.lines(changes, markdown=False))
        escaped(*as_changes.lines(changes, markdown=True))


def use_report(sandbox: Sandbox, measured: Run) -> None:
    """Markdown; the page is Jinja's and takes a process for its figures."""
    page: Any = report.as_text(analysis_of(measured, PERCENT), None)
    text = page if isinstance(page, str) else page.text
    escaped(text)
    write_new(sandbox.out / "report.md", text, replace=True)


def use_history(sandbox: Sandbox, measured: Run) -> None:
    """A folder of this and two others."""
    series = history.history(sandbox.runs)
    written("history", as_history.as_json(series))
    shown(*as_history.lines(series))


def use_calibration(sandbox: Sandbox, measured: Run) -> None:
    """For the few that are one."""
    written("calibration", json.dumps(as_calibration.document(measured, sandbox.input), allow_nan=False))
    shown(*as_calibration.lines(measured, None))


def written(name: str, text: str) -> None:
    """A document must be what its schema says, whatever was read."""
    wrong = formats.fault(json.loads(text, parse_constant=str), name)
    if wrong:
        raise DefectError(f"{name}: {wrong}")


def shown(*texts: str) -> None:
    """A terminal must have nothing to obey."""
    for text in texts:
        for line in text.split("\n"):
            if not line.isprintable():
                raise DefectError(f"not printable: {line!r}")


def escaped(*texts: str) -> None:
    """Markdown must show what it was given."""
    shown(*texts)
    for text in texts:
        if raw := RAW_MARKDOWN.search(text):
            raise DefectError(f"not escaped: {text[max(0, raw.start() - 40) : raw.start() + 40]!r}")


def one_line(text: str) -> None:
    """A refusal is short enough to be read."""
    if len(text) > 1200:
        raise DefectError(f"a long message: {text[:200]!r}")


def call_commands(sandbox: Sandbox) -> None:
    """As a user would: an exit status that says what happened, and one line when it is bad input."""
    place = {"HOME": str(sandbox.folder / "home"), "TMPDIR": str(sandbox.folder / "tmp")}
    place["XDG_CACHE_HOME"] = place["HOME"]
    path, out = str(sandbox.input), str(sandbox.out)
    calls = {
        "compare": ("results", "compare", path, path),
        "report": ("results", "report", path, "--force", "-o", f"{out}/report.md"),
        "history": ("results", "history", str(sandbox.runs)),
        "plots": ("plots", path, "--force", "--format", "svg", "-o", out),
    }
    with sandbox.watched():
        for name in COMMANDS:
            status, output = call(calls.get(name, ("results", name, path)), sandbox.folder / "here", place)
            if status not in (0, 1, 2) or "Traceback" in output or "report this" in output:
                raise DefectError(f"{name} ended with {status}: {output[-2000:]}")
            shown(output)


def call(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """A command's exit status and all that it says, in bounded time and memory."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST_S,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES)),
    )
    return done.returncode, done.stdout


def hostile(count: int, first_seed: int, every: int = EVERY) -> tuple[Counter[str], list[str]]:
    """Try so many inputs; one of so many goes through the commands.

    Returns
    -------
    Counter[str]
        Inputs by what became of them.
    list[str]
        Each kind of defect, with the input that shows it.
    """
    counts: Counter[str] = Counter()
    defects: dict[str, str] = {}
    kept = Path(tempfile.mkdtemp(prefix="freepath-hostile-"))
    with tempfile.TemporaryDirectory(prefix="freepath-sandbox-") as folder:
        sandbox = Sandbox(Path(folder))

        @seed(first_seed)
        @settings(
            max_examples=count,
            phases=(Phase.generate,),
            database=None,
            deadline=None,
            derandomize=False,
            suppress_health_check=list(HealthCheck),
        )
        @given(spoiled())
        def trial(made: Spoiled) -> None:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    outcome = attempt(sandbox, made)
                if counts.total() % EVERY == every - 1:
                    call_commands(sandbox)
            except Exception as error:
                outcome = "DEFECT"
                _keep(kept, made, error, defects)
            counts[outcome] += 1

        trial()
    if not defects:
        shutil.rmtree(kept)
    return counts, [f"{what}\n  {where}" for what, where in defects.items()]


def _keep(folder: Path, made: Spoiled, error: Exception, defects: dict[str, str]) -> None:
    """The first input of each kind of defect: by what it is, and by the line of ours that it comes from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if str(ROOT) in frame.filename]
    line = next((f for f in reversed(frames) if ".venv" not in f.filename), frames[-1])
    what = f"{type(error).__name__} in {Path(line.filename).name} line {line.lineno}"
    if what not in defects:
        path = folder / f"{len(defects)}.json"
        path.write_bytes(made.content)
        defects[what] = f"{made.kind}: {', '.join(made.ways)}: {path}\n  {str(error)[:1500]}"
        print(f"DEFECT {what}: {path}", file=sys.stderr)  # at once: the rest takes half an hour


def main(argv: Sequence[str]) -> int:
    """Print the counts; 1 when there is a defect."""
    sys.dont_write_bytecode = True  # a module that is imported late would touch the checkout
    count, first_seed = (*map(int, argv), *(10_000, 1)[len(argv) :])
    began = time.monotonic()
    counts, defects = hostile(count, first_seed)
    for outcome, number in counts.most_common():
        print(f"{number:6} {outcome}")
    took = time.monotonic() - began
    print(f"{counts.total():6} hostile files in {took:.0f} s, {len(defects)} kinds of defect")
    for defect in defects:
        print(defect)
    return int(bool(defects))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
