"""Runs that are kept or published say what they are of, and not whose machine it was."""

import json
import re
import shlex
from typing import Final

from model.vocabulary.sittings import OWN_NAMES

PLACES: Final = (
    *("hostname", "python_executable", "python_config_args", "boot_time"),
    *(own for own, name in OWN_NAMES.items() if name in ("hostname", "python_executable")),
)
"""pyperf metadata that identify the owner of a machine and affect no figure; left out of published runs."""
FOLDERS: Final = re.compile(r"^(|-o|--[a-z-]+=)/(?:[^/]*/)*")
"""The folders of an absolute path in a shell word, alone or behind an option."""


def without_places(source: bytes) -> bytes:
    """A run's file (JSON) without host name and folders."""
    data = json.loads(source)
    processes = [process for part in data["benchmarks"] for process in part["runs"]]
    for facts in (part.get("metadata", {}) for part in (data, *data["benchmarks"], *processes)):
        for name in PLACES:
            facts.pop(name, None)
        if "freepath_command" in facts:
            facts["freepath_command"] = command_without_places(facts["freepath_command"])
    return json.dumps(data, separators=(",", ":")).encode()


def command_without_places(command: str) -> str:
    """The command without folders of absolute paths; a command that no shell could parse is unchanged."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    return shlex.join(FOLDERS.sub(r"\1", word) for word in words)
