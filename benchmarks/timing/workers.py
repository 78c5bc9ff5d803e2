"""Where pyperf's workers run and what they are given, and why one could not start.

pyperf gives a worker few variables of the environment, so that a run does not depend on who started it.
"""

import os
import subprocess
from typing import Any

from benchmarks.timing import partner
from benchmarks.timing.affinity import one_kind
from model.common.process import NEEDED_BY_PYTHON


def prepare(args: Any) -> None:
    """Complete pyperf's arguments: CPUs of one kind, ours, beside a partner one; what this Python needs."""
    args.affinity = one_kind(args.affinity)
    if args.sibling == partner.BUSY:
        args.affinity = str(partner.core_for(args.affinity)[0])
    args.inherit_environ = [*(args.inherit_environ or ()), *NEEDED_BY_PYTHON]


def variables(args: Any) -> list[str]:
    """Names of the variables that workers get, of those that there are."""
    names = ("PATH", "HOME", *args.inherit_environ)
    return [name for name in os.environ if args.copy_env or name in names]


def what_stops_a_worker(args: Any) -> list[str]:
    """Stderr of a Python that is started as workers are, for a worker that failed before it wrote its own.

    Parameters
    ----------
    args
        pyperf's. It gives workers PATH, HOME, the locale and what is named in `inherit_environ`.
    """
    given = {name: os.environ[name] for name in variables(args)}
    command = [args.python, "-c", "import benchmarks.__main__"]
    try:
        done = subprocess.run(command, env=given, stdin=subprocess.DEVNULL, capture_output=True)
    except OSError as error:
        return [f"{args.python}: {error.strerror}"]
    return done.stderr.decode(errors="replace").strip().splitlines() if done.returncode else []
