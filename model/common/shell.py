"""Commands as a user can paste them into a shell."""

import shlex
import shutil
import sys
from pathlib import Path


def quoted(*arguments: str) -> str:
    """A command quoted for the shell: `.venv/bin/python -m results show 'my run.json'`."""
    return shlex.join([_python(), *arguments])


def _python() -> str:
    """Name of this Python in a command: `python` where that is this one, else its path, shortest form."""
    python = shutil.which("python")
    if python and Path(python).absolute() == Path(sys.executable).absolute():
        return "python"
    folder = Path.cwd()
    executable = Path(sys.executable)
    return str(executable.relative_to(folder) if executable.is_relative_to(folder) else executable)
