"""The cache of compiled code: never stale, never somebody else's, never half a file, never damaged."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from model.common.errors import CompileError, UnsupportedCPUError
from model.common.process import Child
from model.compiler.emit import assemble, assembly, check_cpu
from model.compiler.object_file import UnusableCodeError
from model.kernels import store as store_module
from model.kernels.store import Progress, Store
from model.kernels.v4_3.image import Allocator, Image, Spec, spec_of
from model.machine_code import image_cache as cache_module
from model.machine_code.image import to_json
from model.machine_code.image_cache import KEPT_FOLDERS, KEPT_S
from tests import cache_flips
from tests.command import ROOT
from tests.waiting import until_it_ran

IMAGE = Image("base", "none", memcg=True)
IMAGES = [
    IMAGE,
    Image("base", "none", memcg=False),
    Image("base-twin", "none", memcg=True),
    Image("load", "none", memcg=True),
    Image("nop", "none", memcg=True),
    Image("v1", "jump-label", memcg=True),
    Image("v1", "memory-flag", memcg=True),
]


@pytest.fixture(autouse=True)
def real_compilers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of their own, as users have them, not the forks of tests/compilers.py."""
    monkeypatch.setattr(store_module, "Child", Child)


@pytest.fixture
def cached(tmp_path: Path) -> Store:
    """A private cache that holds some images."""
    shared, own = Store(), Store(tmp_path / "cache")
    own.folder.mkdir(parents=True, mode=0o700)
    for image in IMAGES:
        shutil.copy(shared.path(image), own.path(image))
    return own


def test_an_edit_anywhere_in_the_model_changes_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numba's own cache would not see an edit in a callee's file."""
    shutil.copytree(store_module.MODEL, tmp_path / "model")
    monkeypatch.setattr(store_module, "MODEL", tmp_path / "model")
    before = store_module.digest_of.__wrapped__("x86-64")
    edited = tmp_path / "model" / "kernels" / "v4_3" / "variants" / "v1.py"
    edited.write_text(edited.read_text() + "# edited\n")
    assert store_module.digest_of.__wrapped__("x86-64") != before
    assert store_module.digest_of.__wrapped__("x86-64-v3") != store_module.digest_of.__wrapped__("x86-64")


def test_specs_survive_json() -> None:
    """The compiling process gets what was asked for."""
    for spec in (
        Image("v1", "memory-flag", memcg=True, checks="deferred", debug=True),
        Allocator("charged", memcg=False),
    ):
        assert spec_of(json.loads(json.dumps(to_json(spec)))) == spec


def test_every_flipped_bit_is_noticed(tmp_path: Path, cached: Store) -> None:
    """By a parent, which would compile it again, and by a worker, which refuses it."""
    worker = Store(cached.root, digest=cached.digest)
    worker.expect(cached.sums([cache_flips.IMAGE]))
    counts = cache_flips.flip(cached, worker, 200, seed=1)
    assert (counts.flips, counts.found, counts.refused, counts.loaded) == (200, 200, 200, 0)
    assert worker.load(cache_flips.IMAGE) == Store().load(cache_flips.IMAGE)


def sealed(store: Store, content: str) -> bytes:
    """A file of the cache that is whole, with this content."""
    inner = f"{store.digest}\n{content}".encode()
    return cache_module._sum(inner).encode() + b"\n" + inner


def saved_again(store: Store, images: Sequence[Spec], progress: Progress | None) -> None:
    """In the place of seconds of compiling: save what another cache holds."""
    for image in images:
        store.save(image, json.loads(Store()._content(image)))


def test_whatever_stands_in_an_images_place_is_compiled_again(
    cached: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with a line that names it; folders of other digests that nobody uses go on that occasion."""
    monkeypatch.setattr(Store, "_compile", saved_again)
    stale = [cached.root / f"{number:016x}-x86-64" for number in range(KEPT_FOLDERS + 1)]
    for age, folder in enumerate(stale):
        folder.mkdir()
        os.utime(folder, (0, time.time() - KEPT_S - 60 * (age + 1)))
    places = [cached.path(image) for image in IMAGES]
    swapped, half, null, array, folder, pipe, other = places
    shutil.copy(other, swapped)
    half.write_bytes(half.read_bytes()[:-1000])
    null.write_text("null")
    array.write_bytes(sealed(cached, '{"spec": [], "cpu": null}'))
    for place in (folder, pipe):
        place.unlink()
    folder.mkdir()
    os.mkfifo(pipe)
    elsewhere = Store(cached.root, digest="0" * 16)
    other.write_bytes(sealed(elsewhere, cached._content(IMAGES[-1]).decode()))
    assert cached.missing(IMAGES) == IMAGES
    cached.ensure(IMAGES)
    lines = [line for line in capsys.readouterr().err.splitlines() if "compiling it again" in line]
    assert [line.split(" ")[0] for line in lines] == [str(place) for place in places]
    for image in IMAGES:
        assert cached.load(image) == Store().load(image)
    assert [folder.exists() for folder in stale] == [True] * KEPT_FOLDERS + [False]
    assert not list(cached.folder.glob(".*"))  # no temporary file is left


def test_a_folder_with_something_in_it_is_not_removed(cached: Store) -> None:
    """It is nothing that we put there; one line names it."""
    cached.path(IMAGE).unlink()
    (cached.path(IMAGE) / "theirs").mkdir(parents=True)
    with pytest.raises(CompileError, match=r"base\.none\.memcg\.json is a folder .*remove it") as caught:
        cached.load(IMAGE)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_in_use_is_not_pruned(cached: Store) -> None:
    """However long ago its user came: a run may take days, and a laptop sleeps."""
    cached.ensure(IMAGES)
    times = (0, time.time() - 2 * KEPT_S)
    first, second = (Store(cached.root, digest=digit * 16) for digit in "12")
    for store in (first, second):
        store.folder.mkdir()
    first.ensure([])
    for folder in (first.folder, second.folder, cached.folder):
        os.utime(folder, times)
    for folder in (second.folder, first.folder, cached.folder):
        try:
            cache_module._remove_unused(folder)
        except BlockingIOError:
            assert folder != second.folder
    assert [store.folder.exists() for store in (first, second, cached)] == [True, False, True]
    cached.ensure(IMAGES)
    assert cached.folder.stat().st_mtime > times[1] + KEPT_S  # use is told by the folder's time


def test_settings_of_the_compiler_are_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """NUMBA_OPT=0 gives other code; in which order the variables come does not matter."""

    def key(**settings: str) -> str:
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            return store_module.digest_of.__wrapped__("x86-64")

    plain = key()
    # Numba's own cache passes over these three: findings/ has the experiment.
    others = [
        key(NUMBA_OPT="0"),
        key(NUMBA_OPT="1"),
        key(NUMBA_LOOP_VECTORIZE="0"),
        key(NUMBA_BOUNDSCHECK="1"),
    ]
    assert len({plain, *others, key(LLVMLITE_X="1")}) == 6
    assert key(NUMBA_OPT="0", NUMBA_A="1") == key(NUMBA_A="1", NUMBA_OPT="0")
    assert key(OTHER="1") == plain


def test_only_what_the_parent_has_seen_is_compiled(tmp_path: Path) -> None:
    """The sources that a compiler reads may have been edited since; and a CPU's name is no path."""
    with pytest.raises(CompileError, match="edited meanwhile: run again") as caught:
        Store(tmp_path / "cache", digest="0" * 16).load(IMAGE)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*.json"))
    with pytest.raises(CompileError, match=r"no CPU called '\.\./\.\./x'"):
        Store(tmp_path, cpu="../../x")


def test_code_that_others_could_have_written_is_refused(cached: Store) -> None:
    """It would be executed."""
    cached.path(IMAGE).chmod(0o666)
    with pytest.raises(CompileError, match="another user"):
        cached.load(IMAGE)


def test_code_that_changed_since_the_run_began_is_refused(cached: Store) -> None:
    """A worker loads what its parent told it to expect; what changed meanwhile is another experiment."""
    path = cached.path(IMAGE)
    cached.expect(cached.sums([IMAGE]))
    assert cached.load(IMAGE) == Store().load(IMAGE)
    content = path.read_bytes()
    changed = content.partition(b"\n")[2].partition(b"\n")[2].decode().replace('"code": "', '"code": "90')
    for other in (content + b"\n", sealed(cached, changed), None):
        path.unlink() if other is None else path.write_bytes(other)
        with pytest.raises(CompileError, match=r"not the code that this run began with.*--resume") as caught:
            cached.load(IMAGE)
        assert "\n" not in str(caught.value)
    path.write_bytes(content)
    assert cached.load(IMAGE).code
    with pytest.raises(CompileError, match="not the code that this run began with"):
        cached.load(IMAGES[1])  # whole, but nobody told of it


def test_an_image_that_is_kept_is_taken_while_its_file_holds_the_same(
    cached: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same content alone: the file is read and checked as ever."""
    monkeypatch.setattr(cache_module, "KEPT", {})
    kept = cached.keep(IMAGE)
    assert cached.load(IMAGE) is kept and cached.load(IMAGES[1]) is not kept
    path = cached.path(IMAGE)
    changed = path.read_bytes().partition(b"\n")[2].partition(b"\n")[2].decode()
    path.write_bytes(sealed(cached, changed.replace('"code": "', '"code": "90')))
    assert cached.load(IMAGE) is not kept and cached.load(IMAGE).code == b"\x90" + kept.code
    path.write_bytes(b"damaged")
    cached.expect({IMAGE.name: "another"})
    with pytest.raises(CompileError):
        cached.load(IMAGE)


def test_an_unwritable_cache_says_what_to_set(tmp_path: Path) -> None:
    """A file where the folder should be stands for every reason."""
    (tmp_path / "cache").write_text("")
    with pytest.raises(CompileError, match="XDG_CACHE_HOME"):
        Store(tmp_path / "cache").ensure([IMAGE])


def test_jit_disabled_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Interpreted code is not what is measured."""
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    with pytest.raises(CompileError, match="unset it"):
        Store(tmp_path / "cache").ensure([IMAGE])


def test_another_cpu_hears_what_still_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One message, and it names the memory flag."""
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(UnsupportedCPUError, match=r"aarch64.*memory-flag"):
        Store(tmp_path / "cache").ensure([IMAGE])


def test_an_unknown_cpu_target_is_refused() -> None:
    """LLVM itself only warns and compiles for something else."""
    check_cpu("x86-64-v3")
    with pytest.raises(UnusableCodeError, match="pentium99"):
        check_cpu("pentium99")


def test_a_failed_compilation_is_one_line(tmp_path: Path) -> None:
    """The compiling process's last line, not its traceback."""
    with pytest.raises(CompileError, match="pentium99") as caught:
        Store(tmp_path / "cache", cpu="pentium99").ensure([IMAGE])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("kill -9 $$", "was ended by SIGKILL .*memory"),
        ("echo 'a word' >&2; exit 7", "exit status 7; stderr: a word"),
        ("head -c 300000 /dev/zero | tr '\\\\0' '\\\\n' >&2; kill -SEGV $$", "was ended by SIGSEGV"),
    ],
)
def test_a_compiler_that_dies_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    """Its signal or exit status, and its stderr; with an address-space limit, that there is one."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(CompileError, match=words) as caught:
        Store(tmp_path / "cache").ensure(IMAGES)
    assert "address space" not in str(caught.value) and "\n" not in str(caught.value)
    monkeypatch.setattr(store_module, "address_space_limit", lambda: 1 << 30)
    with pytest.raises(CompileError, match=f"{words}.*limited to 1024 MiB.*ulimit -v"):
        Store(tmp_path / "cache").ensure(IMAGES)


COMPILE = """
import sys
from pathlib import Path
from model.kernels.store import Store
from tests.test_store import IMAGES
Store(Path(sys.argv[1])).ensure(IMAGES)
"""


@pytest.mark.parametrize("ran_s", [0.0, 1.0], ids=["starting", "compiling"])
def test_compilers_end_with_their_parent(tmp_path: Path, ran_s: float) -> None:
    """Also when it is killed, and cannot tell them."""
    parent = subprocess.Popen([sys.executable, "-c", COMPILE, str(tmp_path / "cache")], cwd=ROOT)
    compilers: list[psutil.Process] = []
    while not compilers:
        assert parent.poll() is None
        compilers = psutil.Process(parent.pid).children()
    until_it_ran(compilers[0], ran_s)
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(compilers, timeout=2)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_code_that_refers_outside_is_refused() -> None:
    """It could not run wherever it is copied."""
    import llvmlite.binding as llvm

    from model.compiler.object_file import read_object

    module = llvm.parse_assembly(
        "declare void @elsewhere()\ndefine void @entry() { call void @elsewhere() ret void }"
    )
    with pytest.raises(UnusableCodeError, match="elsewhere"):
        read_object(assemble(assembly(module, ["entry"], "x86-64"), "x86-64"))
