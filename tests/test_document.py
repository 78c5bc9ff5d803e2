"""Files as strangers have them: pipes and devices, packed and damaged, in other encodings, unfinished."""

import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pyperf
import pytest

from model.vocabulary.margin import Margin
from results.analysis.groups import analysis_of
from results.analysis.history import history
from results.output.as_table import as_table
from results.reading import document
from results.reading.load import BadRunError, is_partial, load, read_json, regular
from tests import runfile
from tests.command import ROOT, refused, run

PERCENT = Margin(1.0, percent=True)
SMALL = runfile.FakeRun(processes=3, blocks=2)


@pytest.fixture
def data() -> bytes:
    """A run."""
    return json.dumps(runfile.document(SMALL)).encode()


@pytest.fixture
def file(tmp_path: Path, data: bytes) -> Path:
    """The same in a file."""
    path = tmp_path / "run.json"
    path.write_bytes(data)
    return path


def refusal(path: Path, content: bytes) -> str:
    """What is said of a file with this content."""
    path.write_bytes(content)
    with pytest.raises(BadRunError) as error:
        load(path)
    text = str(error.value)
    assert text.startswith((str(path), f"cannot read {path}")) and len(text) < len(str(path)) + 300
    return text


def test_encodings(file: Path, data: bytes) -> None:
    """UTF-8, with a byte order mark or without."""
    file.write_bytes(b"\xef\xbb\xbf" + data)
    assert len(load(file).scenarios[0].processes) == 3
    for encoding in ("utf-16", "utf-16-le", "utf-32"):
        assert "no JSON" in refusal(file, data.decode().encode(encoding))
    assert "not in UTF-8" in refusal(file, data.replace(b"simulated", "Gerät".encode("latin-1")))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": 1, "a": 2}', "'a' twice"),
        (b'{"\\u001b[31m": 1, "\\u001b[31m": 2}', "'\\x1b[31m' twice"),
        (b'{"benchmarks": ' * 2000, "nested too deeply"),
        (b'{"benchmarks": ' + b"[" * 500 + b"]" * 500 + b"}", "nested too deeply"),
        (b'{"benchmarks": [{"runs": [{"values": [1e999]}]}]}', "is Infinity, expected seconds per page"),
        (b'{"benchmarks": [{"runs": [{"values": [' + b"9" * 400 + b"]}]}]}", "values[0] is 9999"),
        (b'{"benchmarks": [{"runs": [{"values": [' + b"9" * 5000 + b"]}]}]}", "no JSON"),
        (b'{"benchmarks": [], "metadata": {"x": ' + b"1" * 400 + b"}}", "metadata.x is 1111"),
        (b'{"schema": "freepath.show/1"}', "a file of python -m results show --format json, so no run"),
        (b'{"schema": "freepath.census/1", "cpu": "x", "numba": "1", "arms": []}', "benchmarks.census"),
        (b'{"benchmarks": [{"runs": null}]}', "runs is null, expected a list"),
        (b'{"benchmarks": [{"runs": [{"values": null}]}]}', "no measured values"),
    ],
)
def test_what_is_no_run_is_one_line(content: bytes, words: str, tmp_path: Path) -> None:
    """Each names the place and what is there."""
    assert words in refusal(tmp_path / "run.json", content)


def test_too_many_values_are_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of empty lists takes twenty times its size."""
    monkeypatch.setattr(document, "MAX_PARTS", 1000)
    assert "more than 1000 values" in refusal(tmp_path / "run.json", b"[" + b"[]," * 1000 + b"[]]")


def test_a_name_among_many_is_found_at_once(tmp_path: Path) -> None:
    """Not by comparing each with each."""
    names = ", ".join(f'"{number}": 0' for number in [*range(200_000), 7])
    began = time.process_time()
    assert "'7' twice" in refusal(tmp_path / "run.json", f"{{{names}}}".encode())
    assert time.process_time() - began < 10


def test_damaged_gzip(file: Path, data: bytes) -> None:
    """Cut off, flipped, or packing more than any run: never a traceback."""
    packed = gzip.compress(data)
    file.write_bytes(packed)
    assert len(load(file).scenarios[0].processes) == 3
    for content in (
        packed[:-9],
        packed[: len(packed) // 2],
        packed[:10],
        packed[:2],
        packed[:-5] + b"\x00" + packed[-4:],
        packed[:3] + b"\xff" * 9 + packed[12:],
        packed + b"garbage",
    ):
        refusal(file, content)


def test_history_passes_over_what_is_damaged(
    file: Path, data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a line each; what is no run, and a pipe that nobody writes, in silence."""
    (tmp_path / "more.json.gz").write_bytes(gzip.compress(data))
    packed = gzip.compress(data)
    (tmp_path / "cut.json").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "damaged\n.json").write_bytes(data[:-40])
    (tmp_path / "other.json").write_text('{"name": "web", "version": 1}')
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    shutil.copytree(partial_of(tmp_path / "x", data), tmp_path / "run.json.partial")
    assert {len(row.points) for row in history(tmp_path)} == {2}
    said = [line.partition(str(tmp_path))[2].split()[0] for line in capsys.readouterr().err.splitlines()]
    assert said == ["/run.json.partial", "/x/run.json.partial", "/cut.json", "/damaged\\n.json"]


def show(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command with a standard input of its own, in 300 MiB more than it needs."""
    code = "import sys; from results.__main__ import main; sys.exit(main(sys.argv[1:]))"

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))

    return subprocess.run(
        [sys.executable, "-c", code, "show", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=bounded,
        **options,
    )


def test_pipes_and_standard_input(file: Path) -> None:
    """Read once: `-`, /dev/stdin, a FIFO; the same table as from the file."""
    expected = show(str(file)).stdout
    assert "v1/jump-label" in expected
    with file.open() as stream:
        assert show("-", stdin=stream).stdout == expected
    assert show("-", input=file.read_text()).stdout == expected
    assert show("/dev/stdin", input=file.read_text()).stdout == expected
    pipe = file.with_name("pipe")
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(file.read_bytes()))
    writer.start()
    assert show(str(pipe)).stdout == expected
    writer.join()


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/full", "-"])
def test_a_stream_without_end_is_refused_at_once(name: str) -> None:
    """By its first byte."""
    began = of_children()
    with Path("/dev/zero").open("rb") as zeros:
        done = show(name, stdin=zeros)
    refused(done, name, "begins with byte 0")
    assert of_children() - began < 10


def of_children() -> float:
    """Seconds of a CPU that the commands took so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_other_devices(tmp_path: Path) -> None:
    """Nothing to read is no JSON; a folder is none either, and is told how to be one."""
    refused(show("/dev/null"), "/dev/null is no JSON")
    refused(show("-", stdin=subprocess.DEVNULL), "- is no JSON")
    refused(show(str(tmp_path)), "a folder without plan.json")
    refused(show(str(tmp_path / "a\nb")), "a\\nb")


def test_a_regular_file_of_anything(file: Path, data: bytes) -> None:
    """Itself, or a copy that goes away; what cannot be read is refused."""
    with regular(file) as path:
        assert path == file
    with regular(file.parent) as path:
        assert path == file.parent
    pipe = file.with_name("pipe")
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(gzip.compress(data)))
    writer.start()
    with regular(pipe) as path:
        assert path.is_file() and len(load(path).scenarios) == len(load(path).scenarios) == 1
    writer.join()
    assert not path.exists()
    with pytest.raises(BadRunError, match="begins with byte 0"), regular("/dev/zero"):
        pass
    with regular(file.with_name("nowhere")) as path, pytest.raises(BadRunError, match="No such file"):
        load(path)


def partial_of(folder: Path, data: bytes) -> Path:
    """What an interrupted run leaves: a file per process, in a folder with a plan."""
    suite = json.loads(data)
    partial = folder / "run.json.partial"
    partial.mkdir(parents=True)
    (partial / "plan.json").write_text("{}")
    for number in range(len(suite["benchmarks"][0]["runs"])):
        benches = [bench | {"runs": [bench["runs"][number]]} for bench in suite["benchmarks"]]
        runfile.write(partial / f"0-{2 * number:04}.json", suite | {"benchmarks": benches})
    return partial


def test_an_interrupted_run_is_read(file: Path, data: bytes, tmp_path: Path) -> None:
    """As the run that its complete processes make, in the order of measuring."""
    partial = partial_of(tmp_path, data)
    for name in ("lock", "worker.err", "0-0001.plain.json", "x-1.json", "0-0001.json.tmp"):
        (partial / name).write_text("no process")
    (partial / "0-0004.json").rename(partial / "0-10000.json")
    run_, whole = load(partial), load(file)
    assert is_partial(partial) and not is_partial(file) and not is_partial(tmp_path)
    assert [p.pair_id for p in run_.scenarios[0].processes] == [
        p.pair_id for p in whole.scenarios[0].processes
    ]
    assert as_table(analysis_of(run_, PERCENT)).replace(f"warning: {run_.doubts[0]}\n", "") == as_table(
        analysis_of(whole, PERCENT)
    )
    (doubt,) = run_.doubts
    assert f"--resume {partial}" in doubt
    done = run("results", "show", str(partial))
    assert done.returncode == 0 and f"warning: {doubt}" in done.stdout


def test_damaged_processes_are_set_aside(data: bytes, tmp_path: Path) -> None:
    """Counted, with the first reason; without any process there is nothing to show."""
    partial = partial_of(tmp_path, data)
    first = partial / "0-0000.json"
    (partial / "1-0000.json").write_bytes(first.read_bytes())
    (partial / "1-0001.json").write_bytes(first.read_bytes()[:-30])
    (partial / "1-0002.json").symlink_to("/dev/zero")
    (partial / "1-0003.json").write_text("{}")
    run_ = load(partial)
    assert len(run_.scenarios[0].processes) == 3
    aside, _ = run_.doubts
    assert aside.startswith("4 of 7 processes set aside: ") and "there twice" in aside
    for path in partial.glob("?-*.json"):
        path.unlink()
    with pytest.raises(BadRunError, match="no measured values"):
        load(partial)


def test_base_alone_is_nothing_to_compare(tmp_path: Path) -> None:
    """As pyperf convert makes such a file; beside another scenario it changes nothing."""
    path = runfile.write(tmp_path / "run.json", runfile.headline())
    name = "on-idle/plain/warm/sequential/pcp: base/none"
    alone = tmp_path / "base.json"
    assert run("pyperf", "convert", str(path), "--include-benchmark", name, "-o", str(alone)).returncode == 0
    assert pyperf.BenchmarkSuite.load(str(alone)).get_benchmark_names() == [name]
    for command in ("show", "claims"):
        refused(run("results", command, str(alone)), "base.json", "nothing to compare", "--quick")
    refused(run("results", "history", str(tmp_path / "nowhere")), "no folder")
    path.unlink()
    done = run("results", "history", str(tmp_path))
    assert done.returncode == 2 and "left out: " in done.stderr and "holds no run" in done.stderr


def test_a_document_is_read_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a caller has read need not be read again."""
    from results.reading.load import run_of

    document = read_json(file)
    file.unlink()
    assert len(run_of(document, file).scenarios) == 1
