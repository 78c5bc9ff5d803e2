"""The cache of compiled code: never stale, never somebody else's, never half a file."""

import json
import shutil
from pathlib import Path

import pytest

from model import store as store_module
from model.common.errors import CompileError, UnsupportedCPUError
from model.image import Allocator, Image, from_json, to_json
from model.kernel.emit import UnusableCodeError, assemble, assembly, check_cpu
from model.store import Store

IMAGE = Image("base", "none", memcg=True)


@pytest.fixture
def cached(tmp_path: Path) -> Store:
    """A private cache that holds one image."""
    theirs, ours = Store(), Store(tmp_path / "cache")
    ours.folder.mkdir(parents=True, mode=0o700)
    shutil.copy(theirs.path(IMAGE), ours.path(IMAGE))
    return ours


def test_an_edit_anywhere_in_the_model_changes_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numba's own cache would not see an edit in a callee's file."""
    shutil.copytree(store_module.MODEL, tmp_path / "model")
    monkeypatch.setattr(store_module, "MODEL", tmp_path / "model")
    before = store_module.digest.__wrapped__("x86-64")
    edited = tmp_path / "model" / "variants" / "v1.py"
    edited.write_text(edited.read_text() + "# edited\n")
    assert store_module.digest.__wrapped__("x86-64") != before
    assert store_module.digest.__wrapped__("x86-64-v3") != store_module.digest.__wrapped__("x86-64")


def test_specs_survive_json() -> None:
    """The compiling process gets what was asked for."""
    for spec in (
        Image("v1", "memory-flag", memcg=True, checks="deferred", debug=True),
        Allocator("charged", memcg=False),
    ):
        assert from_json(json.loads(json.dumps(to_json(spec)))) == spec


def test_a_damaged_file_is_named(cached: Store) -> None:
    """The message says which file to delete."""
    cached.path(IMAGE).write_text("{")
    with pytest.raises(CompileError, match=r"base\.none\.memcg\.json is damaged .* delete it"):
        cached.load(IMAGE)


def test_code_that_others_could_have_written_is_refused(cached: Store) -> None:
    """It would be executed."""
    cached.path(IMAGE).chmod(0o666)
    with pytest.raises(CompileError, match="another user"):
        cached.load(IMAGE)


def test_code_that_changed_since_the_run_began_is_refused(cached: Store) -> None:
    """A worker loads what its parent told it to expect; what changed meanwhile is another experiment."""
    cached.expect(cached.sums([IMAGE]))
    assert cached.load(IMAGE) == Store().load(IMAGE)
    content = cached.path(IMAGE).read_text()
    cached.path(IMAGE).write_text(content + "\n")
    with pytest.raises(CompileError, match=r"not the code that this run began with.*run again") as caught:
        cached.load(IMAGE)
    assert "\n" not in str(caught.value)
    cached.path(IMAGE).write_text(content)
    assert cached.load(IMAGE).code


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


def test_code_that_refers_outside_is_refused() -> None:
    """It could not run wherever it is copied."""
    import llvmlite.binding as llvm

    from model.kernel.emit import read_object

    module = llvm.parse_assembly(
        "declare void @elsewhere()\ndefine void @entry() { call void @elsewhere() ret void }"
    )
    with pytest.raises(UnusableCodeError, match="elsewhere"):
        read_object(assemble(assembly(module, ["entry"], "x86-64"), "x86-64"))
