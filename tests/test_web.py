"""The report in a real browser: accessible in light and dark, wide, narrow and printed; valid HTML."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import runfile
from tests.command import ROOT, run

MODULES = ROOT / ".venv" / "web" / "node_modules"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def test_report_in_the_browser(tmp_path: Path) -> None:
    """axe-core and html-validate have nothing to say, and nothing is cut off in print.

    tests/set_up_browser.sh, which `make test` runs, installs what it can, and says aloud what it cannot.
    """
    if not MODULES.is_dir() or not shutil.which("node") or not any(map(shutil.which, BROWSERS)):
        pytest.skip("no browser: needs Node.js, Chromium and what tests/set_up_browser.sh installs")
    file = runfile.write(tmp_path / "run.json", runfile.headline())
    target = tmp_path / "report.html"
    assert run("results", "report", str(file), "-o", str(target)).returncode == 0
    command = ["node", str(ROOT / "tests" / "web_check.js"), str(MODULES), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
