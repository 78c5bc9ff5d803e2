"""The parent's side of pyperf: its runner, with our options beside its own; its workers read the plan.

Only pyperf's public API is used, except for its facts of the machine (`pyperf_facts`).
"""

import os
from typing import Final

import pyperf

from benchmarks.timing import options
from benchmarks.timing.pyperf_facts import collect_what_can_be_read
from benchmarks.timing.scheme import Scheme
from model.common.streams import say

QUICK: Final = {"processes": 9, "values": 5}
DEFAULT: Final = {"processes": 16, "values": 8}
"""Processes and values without -p and -n, with --quick and without."""
ALONE: Final = ("-m", "benchmarks")
"""What a worker is started with where nobody forks it."""


class PairedRunner(pyperf.Runner):  # type: ignore[misc]
    """pyperf.Runner for cases, whose workers (`benchmarks.timing.worker`) read the plan of the run."""

    def __init__(self) -> None:
        collect_what_can_be_read()
        self.program = [*ALONE]
        """What pyperf starts as a worker; the list itself is pyperf's, too."""
        self._told, self._count = list[str](), 0
        super().__init__(
            add_cmdline_args=lambda command, args: command.extend(self._told),
            program_args=self.program,
            warmups=0,
            loops=Scheme().loops(),
            **DEFAULT,
        )

    def measure(self, told: list[str]) -> None:
        """Have processes measure the case that these options name; their results lie in its folder."""
        self._told = [*told, f"--parent={os.getpid()}"]
        self._count += 1
        # pyperf wants every name once, and a function in workers only; runs are stored under the case's name.
        self.bench_time_func(f"{self._count}", None)


def runner_of(argv: list[str], description: str) -> PairedRunner:
    """A runner with our options beside pyperf's, its arguments parsed; help begins with the description."""
    runner = PairedRunner()
    parser = runner.argparser
    options.become_ours(parser)
    pyperfs = parser.format_help()
    parser.print_help = lambda file=None: say(options.help_text(description, pyperfs))
    options.add_options(parser)
    parser.set_defaults(loops=None, values=None)
    first = parser.parse_args(argv)  # defaults depend on it
    loops = Scheme(first.builds, first.scheme).loops(first.loops)
    usual = QUICK if first.quick else DEFAULT
    parser.set_defaults(**usual, loops=loops)
    options.check_pyperfs(options.parse(runner, argv))
    # pyperf's --fast and --rigorous choose values, too.
    runner.args.values_given = first.values is not None or runner.args.values != usual["values"]
    return runner
