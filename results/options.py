"""Options that several commands of `python -m results` share, and what they ask for.

Slow imports stand inside, as in the commands.
"""

import argparse
from typing import TYPE_CHECKING

from model.common.errors import UsageError
from model.common.parser import Parser

if TYPE_CHECKING:
    from model.vocabulary.margin import Margin
    from results.analysis.groups import Analysis


def _parent() -> Parser:
    """Options that several commands share."""
    return Parser(add_help=False)


def file_option(made_with: str = "-o FILE") -> Parser:
    """The run to read."""
    parent = _parent()
    parent.add_argument("file", metavar="FILE", help=f"run of python -m benchmarks {made_with}")
    return parent


def census_option() -> Parser:
    """A census file beside it."""
    parent = _parent()
    about = "census file; the kept reference by default"
    parent.add_argument("census", metavar="CENSUS", nargs="?", help=about)
    return parent


def margin_option() -> Parser:
    """The smallest overhead that matters."""
    parent = _parent()
    about = "smallest overhead that matters: 0.05ns, 1%% (default)"
    parent.add_argument("--margin", default="1%", help=about)
    return parent


def format_option(*names: str) -> Parser:
    """Formats, the default first."""
    parent = _parent()
    parent.add_argument("--format", choices=names, default=names[0])
    return parent


def output() -> Parser:
    """Options of every command that writes a file."""
    parent = _parent()
    parent.add_argument("-o", "--output", metavar="OUT", help="write there, not to standard output (-)")
    parent.add_argument("--force", action="store_true", help="overwrite OUT")
    return parent


def add_pair(compare: Parser) -> None:
    """What is compared, and how."""
    compare.add_argument("old", metavar="OLD")
    compare.add_argument("new", metavar="NEW")
    about = "smallest change of interest: 0.1ns, 2%% of base (default)"
    compare.add_argument("--threshold", default="2%", help=about)
    about = "compare unlike machines or compilers too"
    compare.add_argument("--across-machines", action="store_true", help=about)
    about = "list every row; by default rows that are unsure or the same are counted"
    compare.add_argument("--all", action="store_true", help=about)
    about = "one self-contained page; with -o OUT.html"
    compare.add_argument("--html", action="store_true", help=about)
    about = "exit 3 when something is missing or unsure and there is no finding"
    compare.add_argument("--strict", action="store_true", help=about)


def analysed(args: argparse.Namespace) -> "Analysis":
    """The run of the command line at its margin."""
    from results.analysis.groups import analysis_of
    from results.reading.load import load

    return analysis_of(load(args.file), margin_of(args.margin, "--margin"))


def margin_of(text: str, option: str) -> "Margin":
    """Read a margin; a wrong one is a UsageError that names the option."""
    from model.vocabulary.margin import Margin

    try:
        return Margin.parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
