"""One Python function becomes one function of the compiled image.

Numba's own calls pass a return pointer and an exception pointer and jump through a register, and its
optimiser would inline the lot. The kernel's path makes four direct calls per page, so these do too.

Each function is compiled by itself; a call only names its callee. `link` (emit.py) puts the functions of an
image together and optimises them once. So a function that is alike in many images is compiled once.
"""

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils, compiler
from numba.core.registry import cpu_target

from model.kernel.namespace import kernel
from model.kernel.primitives import intrinsic

# No vector or x87 registers and no red zone: the kernel is compiled so.
KERNEL_ATTRIBUTES: Final = ("noimplicitfloat", "noredzone", "nounwind")

Types = tuple[Any, ...]
_compiled: dict[tuple[Any, ...], "Compiled"] = {}


class Compiled:
    """Numba's result for one function.

    Attributes
    ----------
    callees
        Whom it calls, with which types.
    ir
        LLVM IR of the function alone. What Numba would link in (its `int` or `max`) has no place here.
    """

    def __init__(self, function: Callable[..., Any], args: Types) -> None:
        self.callees: dict[str, Types] = {}
        _callers.append(self)
        try:
            cpu_target.typing_context.refresh()
            cpu_target.target_context.refresh()
            self.result = compiler.compile_extra(
                cpu_target.typing_context, cpu_target.target_context, function, args, None, _flags(), {}
            )
        finally:
            _callers.pop()
        self.ir = str(self.result.library.get_llvm_str())


_callers: list[Compiled] = []
"""Functions that are being compiled, the innermost last."""


def _flags() -> Any:
    """No exceptions for arithmetic, no Python wrappers, and no machine code: that is made per image."""
    flags: Any = compiler.Flags()
    flags.error_model = "numpy"
    flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    return flags


class KernelFunction:
    """A function of the modelled kernel.

    Attributes
    ----------
    name
        Its symbol.
    inline
        A `static inline` of the kernel, part of every caller; else it is really called.
    """

    def __init__(self, function: Callable[..., Any], inline: bool) -> None:
        self.function, self.inline = function, inline
        self.name = function.__name__

    def compile(self, args: Types) -> Compiled:
        """Compile for these types, or find what an equal function of another image compiled to."""
        # Closures of a variant are made anew for each image, but share their code.
        key = (self.function.__code__, args, self._environment())
        if key not in _compiled:
            _compiled[key] = Compiled(self.function, args)
        return _compiled[key]

    def _environment(self) -> tuple[Any, ...]:
        """What the function reads from elsewhere: constants by value, functions by symbol."""
        names = [name for name in self.function.__code__.co_names if hasattr(kernel, name)]
        found = [getattr(kernel, name) for name in names]
        found += [cell.cell_contents for cell in self.function.__closure__ or ()]
        return (*names, *((symbol(value) or value) for value in found))

    def declare(self, context: Any, module: Any, args: Types, returns: Any) -> Any:
        """Name the C function in a module; no value for None, since a dead zero would be an instruction."""
        if self.name in module.globals:
            return module.globals[self.name]
        kinds = [context.get_value_type(arg) for arg in args]
        result = ir.VoidType() if returns is types.none else context.get_value_type(returns)
        return ir.Function(module, ir.FunctionType(result, kinds), self.name)

    def define(self, context: Any, module: Any, compiled: Compiled) -> None:
        """Define the C function around Numba's own, which the optimiser then inlines into it."""
        signature = compiled.result.signature
        function = self.declare(context, module, signature.args, signature.return_type)
        function.linkage = "linkonce_odr"
        for attribute in (*KERNEL_ATTRIBUTES, "alwaysinline" if self.inline else "noinline"):
            function.attributes.add(attribute)
        builder = ir.IRBuilder(function.append_basic_block())
        inner = context.declare_function(module, compiled.result.fndesc)
        _, value = context.call_conv.call_function(
            builder, inner, signature.return_type, signature.args, function.args
        )
        if signature.return_type is types.none:
            builder.ret_void()
        else:
            builder.ret(value)
        for block in function.basic_blocks:
            for line in block.instructions:
                if isinstance(line, ir.CallInstr) and line.callee is inner:
                    line.attributes.add("alwaysinline")


FUNCTIONS: Final[dict[str, KernelFunction]] = {}
"""Every function by symbol; an image's own replace those of the image before."""


def symbol(value: Any) -> str | None:
    """Symbol of a function that compiled code calls, None for anything else."""
    return getattr(value, "kernel_symbol", None)


def _callable(function: Callable[..., Any], inline: bool) -> Any:
    """Register a function and make what compiled code calls it by."""
    target = KernelFunction(function, inline)
    FUNCTIONS[target.name] = target

    def call(typingctx: Any, *args: Any) -> Any:
        args = tuple(types.unliteral(arg) for arg in args)
        returns = FUNCTIONS[target.name].compile(args).result.signature.return_type

        # Numba remembers the typing above for other callers; the code below runs once per call.
        def codegen(context: Any, builder: Any, sig: Any, packed: Any) -> Any:
            if _callers[-1].callees.setdefault(target.name, args) != args:
                raise TypeError(
                    f"{target.name} is called with {args} and {_callers[-1].callees[target.name]}"
                )
            values = [
                context.cast(builder, value, have, want)
                for value, have, want in zip(
                    cgutils.unpack_tuple(builder, packed[0]), sig.args[0], args, strict=True
                )
            ]
            callee = FUNCTIONS[target.name].declare(context, builder.module, args, returns)
            value = builder.call(callee, values)
            return context.get_dummy_value() if returns is types.none else value

        return returns(types.StarArgTuple(args)), codegen

    call.__name__ = call.__qualname__ = target.name
    made = intrinsic(call)
    made.kernel_symbol = target.name
    return made


def static_inline(function: Callable[..., Any]) -> Any:
    """A `static inline` of the kernel: its body becomes part of every caller."""
    return _callable(function, inline=True)


def kernel_function(function: Callable[..., Any]) -> Any:
    """A function that is called: C convention, a direct `call`, its own symbol."""
    return _callable(function, inline=False)
