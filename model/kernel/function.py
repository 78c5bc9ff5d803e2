"""One Python function becomes one real function of the compiled image.

Numba's own calls pass a return pointer and an exception pointer and jump through a register, and its
optimiser would inline the lot. The kernel's path makes four direct calls per page, so these do too.
"""

from collections.abc import Callable
from typing import Any, Final

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils

from model.kernel.primitives import intrinsic

# No vector or x87 registers and no red zone: the kernel is compiled so.
KERNEL_ATTRIBUTES: Final = ("noinline", "noimplicitfloat", "noredzone", "nounwind")


def static_inline(function: Callable[..., Any]) -> Any:
    """A `static inline` of the kernel: its body becomes part of every caller.

    Numba without bounds or division checks and without Python wrappers.
    """
    njit: Any = numba.njit  # its annotation lacks the wrapper options
    return njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def kernel_function(function: Callable[..., Any]) -> Any:
    """Compile a Python function to one that is called: C convention, a direct `call`, its own symbol.

    Parameters
    ----------
    function
        Arguments and result are 64-bit integers, records or booleans; its name becomes the symbol.

    Raises
    ------
    TypeError
        When two calls in one image disagree about the argument types.
    """
    body = static_inline(function)
    name = function.__name__
    seen: list[tuple[Any, ...]] = []

    def call(typingctx: Any, *args: Any) -> Any:
        args = tuple(types.unliteral(arg) for arg in args)
        if seen and seen[0] != args:
            raise TypeError(f"{name} is called with {args} and with {seen[0]}")
        seen.append(args)
        body.compile(args)
        result = body.overloads[args]

        def codegen(context: Any, builder: Any, sig: Any, packed: Any) -> Any:
            context.add_linking_libs([result.library])
            callee = _declare(context, builder.module, name, result)
            values = [
                context.cast(builder, value, have, want)
                for value, have, want in zip(
                    cgutils.unpack_tuple(builder, packed[0]), sig.args[0], args, strict=True
                )
            ]
            value = builder.call(callee, values)
            return context.get_dummy_value() if result.signature.return_type is types.none else value

        return result.signature.return_type(types.StarArgTuple(args)), codegen

    call.__name__ = call.__qualname__ = name
    return intrinsic(call)


def _declare(context: Any, module: Any, name: str, result: Any) -> Any:
    """Define, once per module, the C function around Numba's; the optimiser inlines the inner one."""
    function = module.globals.get(name)
    if function is not None:
        return function
    signature = result.signature
    returns = signature.return_type
    argument_types = [context.get_value_type(arg) for arg in signature.args]
    # No value at all for None: a caller's dead "xor eax, eax" would be an instruction the kernel lacks.
    c_return = ir.VoidType() if returns is types.none else context.get_value_type(returns)
    function = ir.Function(module, ir.FunctionType(c_return, argument_types), name)
    function.linkage = "linkonce_odr"
    for attribute in KERNEL_ATTRIBUTES:
        function.attributes.add(attribute)
    builder = ir.IRBuilder(function.append_basic_block())
    inner = context.declare_function(module, result.fndesc)
    _, value = context.call_conv.call_function(builder, inner, returns, signature.args, function.args)
    for block in function.basic_blocks:
        for line in block.instructions:
            if isinstance(line, ir.CallInstr) and line.callee is inner:
                line.attributes.add("alwaysinline")
    if returns is types.none:
        builder.ret_void()
    else:
        builder.ret(value)
    return function
