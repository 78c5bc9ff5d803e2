"""The kernel files that this process was given, apart from what reads and emulates them.

Most commands are given none, and see that here without loading it.
"""

from typing import Any, Final

FILES: Final[dict[str, Any]] = {}
"""Release -> `KnownFile`, in the order of the command line; `model.kernels.kernel_file.known` adds them."""


def known_files() -> list[Any]:
    """Each a `KnownFile`, in the order of the command line."""
    return list(FILES.values())
