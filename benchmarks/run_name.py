"""`python -m benchmarks.run_name`: the folder of a run of `make run`: when (UTC), where, which commit."""

import os
import re
from datetime import UTC, datetime

from benchmarks.commit import commit


def run_name() -> str:
    """`2026-11-27-104340Z-atlas-0123456789ab`: letters, digits and `_.-`, whatever the host is called."""
    host = re.sub(r"[^A-Za-z0-9_.-]", "_", os.uname().nodename)
    return f"{datetime.now(UTC):%Y-%m-%d-%H%M%SZ}-{host}-{commit()}"


if __name__ == "__main__":
    print(run_name())
