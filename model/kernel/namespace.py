"""The namespace in which the kernel's functions find each other and their configuration.

The source files of this package are linked anew for every image: `kernel.CONFIG_*` and the variant's patch
point first, then each function. Numba reads attributes of a module as constants, so a configuration
leaves no trace in the code, as with the preprocessor. A process links one image at a time.
"""

from types import ModuleType
from typing import Any

kernel: Any = ModuleType("kernel")
