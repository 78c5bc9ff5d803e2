"""`--vmlinux` as users run it: what is measured, stored and refused."""

import hashlib
import json
import re
import shlex
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from benchmarks.timing.append import metadata_of
from tests.command import ROOT, drawn, refused, run
from tests.kernels import FOLDER, paths
from tests.kills import default_signals
from tests.waiting import until

BOOT = ("--boot", "thunk=none,retpoline=off")
LEAST = ("-p", "1", "-n", "1", "--quick")


@pytest.fixture(scope="module")
def kernels() -> list[str]:
    """Two real kernels."""
    if not paths():
        pytest.skip("NO REAL KERNEL IS RUN: sh tests/set_up_kernels.sh .venv/kernels")
    return [str(path) for path in (paths()[0], paths()[-1])]


def test_a_price_list_of_two_files(kernels: list[str], tmp_path: Path) -> None:
    """The second file is an arm of the first; the run says which files they are, not where they lie."""
    first, second = kernels
    file = tmp_path / "run.json"
    insert = ("--insert", "cmp=cmpl $$1, 48($0); je 2f")
    done = run("benchmarks", "--vmlinux", first, "--vmlinux", second, *BOOT, *insert, *LEAST, "-o", str(file))
    assert done.returncode == 0, done.stderr
    text = file.read_text()
    assert str(Path(first).parent) not in text and "sha256" in text and "thunk=none" in text
    shown = json.loads(run("results", "show", str(file), "--format", "json").stdout)
    variants = {cell["variant"] for cell in shown["cells"]}
    assert {"base-twin", "memcg-off", "no-list-check", "v1", "cmp"} <= variants
    assert any(name[0].isdigit() for name in variants)
    said = run("results", "answer", str(file), "--format", "mail")
    assert said.returncode == 0 and "never booted" in said.stdout and "Kernel file" in said.stdout
    assert run("results", "claims", str(file)).stdout == ""
    refused(run("results", "publish", str(file), "--to", str(tmp_path / "machines")), "kernel file")


def tutorial() -> list[str]:
    """Commands of docs/your-kernel.md, in order, each once."""
    lines = re.findall(r"^python -m (.*)$", (ROOT / "docs/your-kernel.md").read_text(), re.MULTILINE)
    return list(dict.fromkeys(lines))


def test_the_tutorial(kernels: list[str], tmp_path: Path) -> None:
    """Every command as written, on two real kernels and with one short process."""
    names = {"FILE": kernels[1], "OLD": kernels[0], "NEW": kernels[1], "block": "block=order-3"}
    for line in tutorial():
        module, *words = shlex.split(line)
        words = [kernels[1] if word.startswith("kernel/boot/") else names.get(word, word) for word in words]
        if "--vmlinux" in words:
            words += BOOT
        if module == "benchmarks" and "--list" not in words:
            words += ["-p", "2", "-n", "1"] if "pair.json" in words else ["-p", "1", "-n", "1"]
            words += ["--only", "[0-9]*,v1"] if "--quick" in words else []
            words += ["--only", "second"] if "--insert" in words else []
        done = run(module, *words, cwd=tmp_path)
        assert done.returncode in ((0, 1) if words[0] == "compare" else (0,)), (line, done.stderr)
        assert done.stdout.strip() or "wrote" in done.stderr
        if words[0] == "answer" and "pair.json" in words:
            assert re.search(r"fewer; [+-]\d+\.\d+( \[.*\])? ns: \w", done.stdout)
    assert {path.name for path in tmp_path.glob("*.json")} == {
        *("kernel.json", "put.json", "blocks.json", "pair.json", "old.json", "new.json")
    }
    measured_and_named(tmp_path / "put.json", "put_page, warm", "page")
    measured_and_named(tmp_path / "blocks.json", "__free_pages, order-3, warm", "block")


def measured_and_named(file: Path, name: str, freed: str) -> None:
    """Whether a run has the arms that any scenario has, and what its answer calls the scenario."""
    said = run("results", "answer", str(file)).stdout
    condition = "(, [a-z ]+)?"  # as the machine was: beside a busy sibling, say
    assert re.search(rf", {name}{condition}: \d+\.\d ns per freed {freed}$", said, re.MULTILINE), said
    shown = json.loads(run("results", "show", str(file), "--format", "json").stdout)
    assert {"base-twin", "v1"} <= {cell["variant"] for cell in shown["cells"]}


def test_counts_and_code(kernels: list[str]) -> None:
    """Census and disassembly name the fields by BTF."""
    census = run("benchmarks.census", "--vmlinux", kernels[0], *BOOT, "--json")
    assert census.returncode == 0, census.stderr
    (base, *_) = json.loads(census.stdout)["arms"]
    assert {"object": "page", "field": "flags"}.items() <= base["accesses"][0].items() or any(
        access["object"] == "page" for access in base["accesses"]
    )
    listing = run("benchmarks.disasm", "v1", "--vmlinux", kernels[0], *BOOT)
    assert listing.returncode == 0 and "page._refcount" in listing.stdout
    listed = run("benchmarks", "--vmlinux", kernels[0], *BOOT, "--list")
    assert "places for --insert --at" in listed.stdout


def test_the_listing_names_symbols_keys_and_patches(kernels: list[str]) -> None:
    """Base is the default; an arm's marks are its own change alone, wherever its code lies."""
    file = ("--vmlinux", kernels[1], *BOOT)
    whole = run("benchmarks.disasm", *file).stdout
    assert "out of line" not in whole and "patched, fentry call: nop" in whole
    assert re.search(r"static key check_pages_enabled on: JMP, target free_unref_page\+0x", whole)
    assert re.search(r"%gs:\w+(\+0x[0-9a-f]+)?\(%rip\)", whole)
    assert not re.search(r"[ :,-]0x[0-9a-f]+\(%rip\)", whole)
    changed = [line for line in run("benchmarks.disasm", "v1", *file).stdout.splitlines() if line[:1] == ">"]
    assert [line.split()[1] for line in changed] == ["cmpl", "je"]
    assert all("put in by the arm" in line for line in changed)
    (flipped,) = (
        line for line in run("benchmarks.disasm", "memcg-off", *file).stdout.splitlines() if line[:1] == ">"
    )
    assert re.search(r"static key memcg_kmem_online_key off: JMP", flipped)


def test_the_listing_of_one_function_and_of_another_way(kernels: list[str]) -> None:
    """A function in place of an arm; `--only` names another way to free."""
    file = ("--vmlinux", kernels[1], *BOOT)
    listing = run("benchmarks.disasm", "free_unref_page", *file).stdout
    assert listing.startswith("base/none, ") and "free_unref_page: " in listing
    assert "__free_pages: " not in listing
    assert "__folio_put: " in run("benchmarks.disasm", *file, "--only", "entry=put_page").stdout
    refused(run("benchmarks.disasm", "kmalloc", *file), "no arm kmalloc", "v1/none", "free_unref_page")
    refused(run("benchmarks.disasm", *file, "--only", "block=*"), "selects", "block=compound-3")
    refused(
        run("benchmarks.disasm", *file, "--memcg", "off"), "--memcg is for the models", "--boot memcg=off"
    )
    refused(run("benchmarks.disasm", "v1", "--only", "entry=put_page"), "--vmlinux FILE")
    refused(run("benchmarks.disasm"), "required: ARM")


def test_the_list_names_what_a_file_can_do(kernels: list[str]) -> None:
    """Every scenario with its arms; none that it cannot do."""
    listed = json.loads(run("benchmarks", "--vmlinux", kernels[0], *BOOT, "--list", "--json").stdout)
    rows = {(row["entry"], row["block"], row["page_kind"], row["memory"]): row for row in listed["scenarios"]}
    names = {key: {arm["variant"] for arm in row["arms"]} for key, row in rows.items()}
    usual = names["__free_pages", "page", "plain", "warm"]
    assert names["put_page", "page", "plain", "warm"] == usual == names["__free_pages", "page", "plain", "l3"]
    assert names["__free_pages", "page", "charged", "warm"] == usual - {"memcg-off"}
    for other in (("release_pages", "page"), ("__free_pages", "order-3"), ("__free_pages", "compound-3")):
        assert {"base", "base-twin", "memcg-off", "v1"} <= names[*other, "plain", "warm"] <= usual


MEASURED = {
    "--only=entry=release_pages,v1": ("release_pages, warm", "page"),
    "--only=block=compound-3,v1": ("__free_pages, compound-3, warm", "block"),
    "--only=memory=l2,order=random,v1": ("__free_pages, l2 random", "page"),
}
"""What is chosen -> how the answer calls it, and what is freed; the tutorial has put_page and a sweep."""


def test_other_scenarios_are_measured_and_named(kernels: list[str], tmp_path: Path) -> None:
    """Entries, blocks and cold pages of the newest file; every page is freed and checked."""
    for number, (chosen, (name, freed)) in enumerate(MEASURED.items()):
        file = tmp_path / f"{number}.json"
        options = (*BOOT, chosen, "-p", "1", "-n", "1", "-o", str(file))
        done = run("benchmarks", "--vmlinux", kernels[1], *options)
        assert done.returncode == 0, done.stderr
        measured_and_named(file, name, freed)


def test_what_user_space_cannot_run_is_counted(kernels: list[str], tmp_path: Path) -> None:
    """A charged page of a kernel whose stock has one slot: interrupts are turned off around it."""
    census = ("benchmarks.census", "--vmlinux", kernels[0], *BOOT, "--only", "page_kind=charged", "--json")
    arms = json.loads(run(*census).stdout)["arms"]
    assert {(arm["memcg"], arm["page_kind"], arm["stock"]) for arm in arms} == {
        ("on-charged", "charged", "hit")
    }
    timed = (
        "benchmarks",
        "--vmlinux",
        kernels[0],
        *BOOT,
        "-p",
        "1",
        "-n",
        "1",
        "-o",
        str(tmp_path / "no.json"),
    )
    refused(
        run(*timed, "--only", "page_kind=charged"),
        "only counted",
        "executes pushf",
        "which user space cannot",
    )
    assert not list(tmp_path.iterdir())
    cold = ("benchmarks.census", "--vmlinux", kernels[0], *BOOT, "--only", "memory=l2")
    refused(run(*cold), "counts are the same for every memory=")


def twin(path: str, target: Path) -> Path:
    """Another build of the same release: the same kernel, with another byte in its boot stub."""
    raw = bytearray(Path(path).read_bytes())
    checked = zlib.crc32(raw) == 0xFFFFFFFF
    raw[8] ^= 1
    if checked:
        raw[-4:] = struct.pack("<I", zlib.crc32(raw[:-4]) ^ 0xFFFFFFFF)
    target.write_bytes(raw)
    return target


def facts(run_file: Path) -> dict[str, Any]:
    """Metadata of a run."""
    (first, *_) = metadata_of(run_file)
    return first


def test_two_builds_of_one_release(kernels: list[str], tmp_path: Path) -> None:
    """As a developer has them: the second one has a name of its own, and is judged and reported like any."""
    file, second = tmp_path / "run.json", twin(kernels[-1], tmp_path / "bzImage")
    names = ("--only", "*-file2")
    done = run(
        "benchmarks",
        "--vmlinux",
        kernels[-1],
        "--vmlinux",
        str(second),
        *BOOT,
        *LEAST,
        *names,
        "-o",
        str(file),
    )
    assert done.returncode == 0, done.stderr
    said = facts(file)
    first, other = said["kernel_files"].split(" | ")
    release, banner = first.split()[0], first.partition(": ")[2]
    assert other.startswith(f"{release}-file2 sha256 ") and banner.startswith(f"Linux version {release} ")
    digests = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in (kernels[-1], second)]
    assert [each.split()[2] for each in (first, other)] == digests
    assert [each.split()[3] for each in (first, other)] == [str(second.stat().st_size)] * 2
    assert said["boot"].count("thunk=none") == 2
    assert f"--vmlinux {Path(kernels[-1]).name} --vmlinux bzImage " in said["freepath_command"]
    paths_of_run = file.read_text().replace(str(file), "")
    assert str(tmp_path) not in paths_of_run and str(FOLDER) not in paths_of_run
    page = tmp_path / "report.html"
    assert drawn("results", "report", str(file), "-o", str(page)).returncode == 0
    assert f"The price list of the free path of {release}, as compiled." in page.read_text()
    assert run("results", "report", str(file), "-o", str(tmp_path / "report.md")).returncode == 0
    assert "**The kernel was not booted**" in (tmp_path / "report.md").read_text()
    assert run("results", "compare", str(file), str(file)).returncode == 0
    exported = run("results", "export", str(file), "--format", "junit")
    assert exported.returncode == 0 and release in exported.stdout


def test_a_stopped_run_is_gone_on_with(kernels: list[str], tmp_path: Path) -> None:
    """With the files that it began with; another file under the same name is refused, and so is --append."""
    target, kernel = tmp_path / "run.json", tmp_path / "vmlinuz"
    kernel.write_bytes(Path(kernels[0]).read_bytes())
    asked = ("--vmlinux", str(kernel), *BOOT, "--quick", "--only", "v1", "-n", "1", "-p", "40")
    command = [sys.executable, "-m", "benchmarks", *asked, "-o", str(target)]
    parent = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=default_signals
    )
    folder = tmp_path / "run.json.partial"
    with parent:
        try:
            until(lambda: list(folder.glob("0-*.json")))
        finally:
            parent.send_signal(signal.SIGTERM)
        parent.communicate()
    assert parent.returncode == 128 + signal.SIGTERM and not target.exists()
    before = {path.name: path.read_bytes() for path in folder.glob("0-*.json")}
    plan = json.loads((folder / "plan.json").read_text())
    plan["argv"][plan["argv"].index("-p") + 1] = str(len(before) + 1)  # enough of it
    (folder / "plan.json").write_text(json.dumps(plan))
    twin(kernels[0], kernel)
    refused(run("benchmarks", "--resume", str(target)), "kernel_files", "sha256")
    assert {path.name: path.read_bytes() for path in folder.glob("0-*.json")} == before
    kernel.write_bytes(Path(kernels[0]).read_bytes())
    done = run("benchmarks", "--resume", str(target))
    assert done.returncode == 0, done.stderr
    assert len(json.loads(target.read_text())["benchmarks"][0]["runs"]) == len(before) + 1
    other = ("--vmlinux", str(kernel), "--boot", "thunk=none,retpoline=off,guest=no", *asked[4:])
    more = run("benchmarks", *(word for word in other if word != "40"), "1", "--append", str(target))
    refused(more, "--append", "boot", "not averaged")


def test_boot_options(kernels: list[str]) -> None:
    """The state is the scenario's, and what the key's arm then flips is the other one."""
    census = ("benchmarks.census", "--vmlinux", kernels[0], "--json", "--boot")
    booted = json.loads(run(*census, "thunk=none,retpoline=off,memcg=off").stdout)["arms"]
    usual = json.loads(run(*census, "thunk=none,retpoline=off").stdout)["arms"]
    assert {arm["memcg"] for arm in booted} == {"on-idle"}
    assert {arm["memcg"] for arm in usual} == {"on-active"}
    off = next(arm for arm in usual if arm["variant"] == "memcg-off")
    base, on = (next(arm for arm in booted if arm["variant"] == name) for name in ("base", "memcg-on"))
    for name in ("instructions", "loads", "stores", "accesses"):
        assert base[name] == off[name] and on[name] == usual[0][name]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--at", "nowhere+0x1", "--insert", "nop"), "--at nowhere+0x1"),
        (("--boot", "memcg=maybe"), "memcg"),
        (("--boot", "no_such_key=on"), "no_such_key"),
        (("--variant", "check.py"), "--variant is for the models: leave it out with --vmlinux"),
        (("--sweep", "between"), "axis 'between' cannot vary on"),
        (("--sweep", "entry=kfree"), "there is no entry=kfree on"),
        (("--only", "block=order-9"), "-amd64, but page, order-1"),
        (("--only", "entry=put_page,block=order-3"), "selects no scenario of"),
        (("--only", "depht=pcp"), "no axis is called 'depht'; there are variant, gate, memcg"),
        (("--memory", "l1"), "-amd64, but warm, l2, l3, dram"),
        (("--kernel", "v6.18", "--insert", "a=nop"), "--kernel is for the models"),
        (("--calibrate",), "for the models"),
        (("--new-variant", "mine"), "--new-variant is for the models"),
        (("--on", "tcp://127.0.0.1:9", "-o", "fleet"), "--on is for the models"),
        (("--at", "__free_pages+0x0"), "give --insert NAME=ASM, too"),
        (("--insert", "base=nop"), "--insert base: there is an arm of that name: choose another"),
        (("--insert", "memcg-off=nop"), "there is an arm of that name"),
        (("--insert", "a=nop", "--insert", "a=nop"), "there is an arm of that name"),
        (("--insert", "Abc=nop"), "'Abc' is no variant name: give lower-case letters"),
        (("--insert", "a="), "no assembly"),
        (("--boot", "thunk=wrong"), "thunk is one of none, retbleed"),
        (("--boot", "memcg=on,memcg=off"), "says memcg twice"),
        (("--boot", "memcg"), "write NAME=VALUE"),
        (("--only", "no-such-arm"), "selects no arm"),
        (("--insert", "bad=cli"), "cli"),
    ],
)
def test_what_cannot_be_is_refused(kernels: list[str], words: tuple[str, ...], said: str) -> None:
    """In one line, before anything is measured."""
    if "--on" not in words:
        words += ("--list",)
    refused(run("benchmarks", "--vmlinux", kernels[0], *words), said)


def test_what_is_no_kernel_is_refused(tmp_path: Path, kernels: list[str]) -> None:
    """A folder, another file, one that is not there; a file that is given twice; --boot without a file."""
    (tmp_path / "text").write_text("no kernel\n")
    for path in (tmp_path, tmp_path / "text", tmp_path / "none"):
        refused(run("benchmarks", "--vmlinux", str(path), "--list"), "--vmlinux")
    refused(run("benchmarks", "--vmlinux", kernels[0], "--vmlinux", kernels[0], "--list"), "twice")
    refused(run("benchmarks", "--boot", "memcg=off", "--list"), "--vmlinux FILE")


LIMITED = """
import ctypes, sys
from benchmarks.__main__ import start
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
{0}
sys.exit(start(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("libc.mmap(0x42000000, 4096, 0, 0x100022, -1, 0)", "these addresses are taken in this process"),
        ("if libc.prctl(65, 1, 0, 0, 0): sys.exit(77)", "forbids memory that is writable and executable"),
    ],
    ids=["addresses", "write and execute"],
)
def test_a_machine_on_which_it_cannot_run(kernels: list[str], line: str, said: str) -> None:
    """Met for real, in a process of its own: one line, where the emulator would end the process itself."""
    command = [sys.executable, "-c", LIMITED.format(line), "--vmlinux", kernels[0], *BOOT, *LEAST]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip("this kernel cannot deny write and execute")
    refused(done, f"--vmlinux {kernels[0]}: ", said)
