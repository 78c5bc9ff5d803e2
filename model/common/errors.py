"""Errors that a user can fix; a command prints one line and exits with 2."""

from collections.abc import Sequence


class FreepathError(Exception):
    """Base of all errors that say what to do.

    Attributes
    ----------
    shown
        Lines below the message: where in a text it went wrong.
    """

    def __init__(self, message: str, shown: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.shown = tuple(shown)


class UsageError(FreepathError):
    """The command line is wrong, or requests what cannot be done."""


class FileError(FreepathError):
    """A file cannot be read or written."""


class UnsupportedCPUError(FreepathError):
    """The compiled path exists for x86-64 only."""


class CompileError(FreepathError):
    """An image could not be compiled or its cached code cannot be used."""


class OutOfMemoryError(FreepathError):
    """The page array does not fit into the memory that is free."""


class KernelReportError(FreepathError):
    """The modelled kernel printed something: a bad page, a failed assertion, a counter below zero."""


class KeysBusyError(FreepathError):
    """A static key cannot change, because another thread runs the code that it would patch."""


class KernelFileError(FreepathError):
    """A kernel file cannot be read, or lacks what is needed to run its free path."""
