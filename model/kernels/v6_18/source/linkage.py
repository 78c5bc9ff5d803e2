"""The decorators with which v6.18's functions are registered, where they are written."""

from typing import Final

from model.compiler.function import Linkage
from model.kernels.v6_18.namespace import kernel as kernel

LINKAGE: Final = Linkage(kernel)
kernel_function = LINKAGE.kernel_function
static_inline = LINKAGE.static_inline
