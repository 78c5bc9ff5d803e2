"""Which commit a figure is of, and a digest of the sources that measure."""

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
MEASURING: Final = ("model", "benchmarks")
"""Folders whose sources shape a figure."""
IMPORTED: Final = (".py", ".pyc", ".so")
"""Suffixes of files that Python imports; a .so comes before a .py of the same name."""
OF_GIT: Final = ("GIT_CONFIG", "GIT_EXEC_PATH")
"""Prefixes of variables that git is given: its configuration (safe.directory, say), not its repository."""
SHA256_DIGITS: Final = 64
"""Digits of an object id in a repository with --object-format=sha256; elsewhere 40, of SHA-1."""
UNKNOWN: Final = "unknown"
DIRTY: Final = "-dirty"
MARK: Final = ".freepath-commit"
"""File with commit and digest of sources that were unpacked from an archive (`benchmarks.fleet.remote`)."""

State = tuple[int, ...]
KNOWN: Final[dict[Path, tuple[dict[str, State], str]]] = {}
"""Checkout -> its files' states and their digest, which workers have from the process that they are forked
from."""


def commit(root: Path = ROOT) -> str:
    """Commit of the checkout; `-dirty` where a measuring source differs from it, `unknown` outside of git.

    Git's index is not used: it can be set to overlook a file, and an ignored variant is measured all the
    same. Sources that a fleet unpacked have a file that names their commit and digest.
    """
    if (root / MARK).is_file():
        known, _, digest = (root / MARK).read_text().strip().partition(" ")
        return known if digest == sources(root) else f"{known}{DIRTY}"
    try:
        # A tarball that was unpacked inside of some other checkout has no commit.
        if not Path(os.fsdecode(git(root, "rev-parse", "--show-toplevel")).rstrip("\n")).samefile(root):
            return UNKNOWN
        known = git(root, "rev-parse", "--short=12", "HEAD").decode().strip()
        objects = _committed(root, known)
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    here = {name: _object_id(content, objects.get(name, "")) for name, content in _measuring(root).items()}
    return known if here == objects else f"{known}{DIRTY}"


def git(root: Path, *arguments: str) -> bytes:
    """Output of git for this checkout, also where GIT_DIR or the like names another repository.

    Raises
    ------
    OSError, subprocess.CalledProcessError
        Without git, and where it fails.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    kept |= {name: value for name, value in os.environ.items() if name.startswith(OF_GIT)}
    command = ["git", "--no-replace-objects", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, check=True, env=kept).stdout


def _committed(root: Path, known: str) -> dict[str, str]:
    """Path -> object id of each file that measures, in a commit."""
    listed = os.fsdecode(git(root, "ls-tree", "-r", "-z", known, "--", *MEASURING)).split("\0")
    entries = (line.partition("\t") for line in listed if line)
    return {path: of.split()[2] for of, _, path in entries if _is_imported(path)}


def _object_id(content: bytes, like: str) -> str:
    """Git's object id of a content, by the hash function of another id."""
    hashed = hashlib.sha256() if len(like) == SHA256_DIGITS else hashlib.sha1(usedforsecurity=False)
    hashed.update(b"blob %d\0" % len(content) + content)
    return hashed.hexdigest()


def sources(root: Path = ROOT) -> str:
    """Digest of the files that measure: a parent and its workers must have the same."""
    states = {name: _state(path) for name, path in _found(root).items()}
    if root not in KNOWN or KNOWN[root][0] != states:
        hashed = hashlib.sha256()
        for name, content in sorted(_measuring(root).items()):
            hashed.update(os.fsencode(name) + b"\0" + content + b"\0")
        KNOWN[root] = states, hashed.hexdigest()[:16]
    return KNOWN[root][1]


def _state(path: Path) -> State:
    """What changes when a file is written or another takes its place."""
    now = path.stat()
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns


def _measuring(root: Path) -> dict[str, bytes]:
    """Path -> content of every file that can be imported and shapes a figure."""
    return {name: path.read_bytes() for name, path in _found(root).items()}


def _found(root: Path) -> dict[str, Path]:
    """The same files, where they lie; also through links to folders."""
    files: dict[str, Path] = {}
    above = len(os.path.join(root, ""))  # noqa: PTH118 (each worker does this: pathlib takes five times as long)
    for name in MEASURING:
        for folder, _, names in os.walk(root / name, followlinks=True):
            named = ((f"{folder}/{file}"[above:], file) for file in names)
            found = {path: Path(folder, file) for path, file in named if _is_imported(path)}
            files |= {path: file for path, file in found.items() if file.is_file()}
    return files


def _is_imported(path: str) -> bool:
    """Whether Python would import it; its caches of sources do not count."""
    return path.endswith(IMPORTED) and "/__pycache__/" not in path
