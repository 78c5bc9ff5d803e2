"""One Python function becomes one function of the compiled image.

A kernel version has one `Linkage`, with the decorators that register its functions.

Numba's own calls pass a return pointer and an exception pointer and jump through a register, and its
optimiser would inline the lot. The kernel's path makes four direct calls per page, so these do too.

Each function is compiled by itself; a call only names its callee. `link` (emit.py) puts the functions of an
image together and optimises them once. So a function that is alike in many images is compiled once.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils, compiler
from numba.core.registry import cpu_target

from model.compiler.intrinsics import intrinsic
from model.compiler.namespace import Namespace

# No vector or x87 registers and no red zone, as in the kernel.
KERNEL_ATTRIBUTES: Final = ("noimplicitfloat", "noredzone", "nounwind")

Types = tuple[Any, ...]
Entries = dict[str, Types]
"""Symbol and argument types of each function that is called from outside."""
Function = TypeVar("Function", bound=Callable[..., Any])
_compiled: dict[tuple[Any, ...], "Compiled"] = {}


class Compiled:
    """Numba's result for one function.

    Attributes
    ----------
    callees
        Functions that it calls, with their argument types.
    bitcode
        LLVM's bitcode of the function alone, without what Numba would link in (its `int` or `max`): each
        image reads it again, which takes a third of the time that its text does.
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
        self.bitcode: bytes = llvm.parse_assembly(str(self.result.library.get_llvm_str())).as_bitcode()


_callers: list[Compiled] = []
"""Functions that are being compiled, the innermost last."""


def _flags() -> Any:
    """No arithmetic exceptions, no Python wrappers, and no machine code: that is made per image."""
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

    def __init__(self, function: Callable[..., Any], namespace: Namespace, *, inline: bool) -> None:
        self.function, self.inline = function, inline
        self.name = function.__name__
        self._namespace = namespace

    def compile(self, args: Types) -> Compiled:
        """Compile for these types, or find what an equal function of another image compiled to."""
        # Closures of a variant are made anew for each image, but share their code. Python compares equal code
        # at the same line of two files as equal, and two kernel versions have such.
        code = self.function.__code__
        key = (code.co_filename, code, args, self._environment())
        if key not in _compiled:
            _compiled[key] = Compiled(self.function, args)
        return _compiled[key]

    def _environment(self) -> tuple[Any, ...]:
        """Globals and closure variables of the function: constants by value, functions by symbol."""
        names = [name for name in self.function.__code__.co_names if hasattr(self._namespace, name)]
        values = [getattr(self._namespace, name) for name in names]
        values += [cell.cell_contents for cell in self.function.__closure__ or ()]
        return (*names, *((symbol(value) or value) for value in values))

    def declare(self, context: Any, module: Any, args: Types, returns: Any) -> Any:
        """Declare the C function; it returns void for None, since an unused zero would be an instruction."""
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


def symbol(value: Any) -> str | None:
    """Symbol of a function that compiled code calls, None for anything else."""
    return getattr(value, "kernel_symbol", None)


class Linkage:
    """The functions of one kernel version, by symbol.

    Parameters
    ----------
    namespace
        Where variants find the functions by name; what is made here becomes its attribute.

    Attributes
    ----------
    functions
        In the order of their first registration, which is their order in every image. An image's own
        functions replace those of the image before.
    """

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.functions: dict[str, KernelFunction] = {}

    def static_inline(self, function: Function) -> Function:
        """A `static inline` of the kernel: its body becomes part of every caller."""
        return self._made(function, inline=True)

    def kernel_function(self, function: Function) -> Function:
        """A function that is called: C convention, a direct `call`, its own symbol."""
        return self._made(function, inline=False)

    def _made(self, function: Any, *, inline: bool) -> Any:
        """Register a function, and make the intrinsic by which compiled code calls it."""
        target = KernelFunction(function, self.namespace, inline=inline)
        self.functions[target.name] = target

        def call(typingctx: Any, *args: Any) -> Any:
            args = tuple(types.unliteral(arg) for arg in args)
            # A function that returns a constant has it as its type. A test of it would be gone from a caller
            # that is compiled now, and stay in one that was compiled with another form of the function.
            returns = types.unliteral(self.functions[target.name].compile(args).result.signature.return_type)

            # Numba remembers the typing above for other callers; the code below runs once per call.
            def codegen(context: Any, builder: Any, sig: Any, packed: Any) -> Any:
                return self._call(target.name, args, returns, context, builder, sig.args[0], packed[0])

            return returns(types.StarArgTuple(args)), codegen

        call.__name__ = call.__qualname__ = target.name
        made = intrinsic(call)
        made.kernel_symbol = target.name
        setattr(self.namespace, target.name, made)
        return made

    def _call(
        self, name: str, args: Types, returns: Any, context: Any, builder: Any, given: Types, packed: Any
    ) -> Any:
        """Emit the call; the callee is looked up now, for an image may have replaced it."""
        if _callers[-1].callees.setdefault(name, args) != args:
            raise TypeError(f"{name} is called with {args} and {_callers[-1].callees[name]}")
        values = [
            context.cast(builder, value, have, want)
            for value, have, want in zip(cgutils.unpack_tuple(builder, packed), given, args, strict=True)
        ]
        callee = self.functions[name].declare(context, builder.module, args, returns)
        value = builder.call(callee, values)
        return context.get_dummy_value() if returns is types.none else value
