"""Parser of every command line."""

import argparse
from typing import Any, NoReturn

from model.common.errors import UsageError
from model.common.streams import say


class Parser(argparse.ArgumentParser):
    """Parser without abbreviated options, with errors of one line, and with help that `head` may cut."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)
        self.color = False  # from Python 3.14 on help would be coloured, with FORCE_COLOR in a pipe as well

    def error(self, message: str) -> NoReturn:
        """Raise it for `run` to print."""
        raise UsageError(f"{message}; {self.prog} --help lists what there is")

    def print_help(self, file: Any = None) -> None:
        """Print the help."""
        say(self.format_help())
