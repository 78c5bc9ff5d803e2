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


PAGES = {"report": ("report", "$RUN"), "compare": ("compare", "$RUN", "$WORSE", "--html")}


def test_pages_in_the_browser(tmp_path: Path) -> None:
    """axe-core and html-validate have nothing to say, and nothing is cut off in print.

    tests/set_up_browser.sh, which `make test` runs, installs what it can, and says aloud what it cannot.
    """
    if not MODULES.is_dir() or not shutil.which("node") or not any(map(shutil.which, BROWSERS)):
        pytest.skip("no browser: needs Node.js, Chromium and what tests/set_up_browser.sh installs")
    worse = runfile.FakeRun(arms=runfile.HEADLINE | {("v1", "jump-label"): 0.9}, seed=3)
    made = {
        "$RUN": runfile.write(tmp_path / "run.json", runfile.headline()),
        "$WORSE": runfile.write(tmp_path / "worse.json", runfile.document(worse)),
    }
    targets = [tmp_path / f"{name}.html" for name in PAGES]
    for target in targets:
        words = [str(made.get(word, word)) for word in PAGES[target.stem]]
        assert run("results", *words, "-o", str(target)).returncode in (0, 1)
        assert target.stat().st_size < 2_000_000
    command = ["node", str(ROOT / "tests" / "web_check.js"), str(MODULES), *map(str, targets)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {str(target): [] for target in targets}
