"""What every stage needs: errors, files, commands, child processes.

Nothing here imports anything else of the project, so every package may import it.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (a syntax error would end with 1, which means a finding)
    sys.stderr.write(
        f"freepath needs Python 3.11 to 3.13, and {sys.executable} is {sys.version.split()[0]}: "
        "make setup, then use .venv/bin/python or ./freepath\n"
    )
    sys.exit(2)
