"""A version that is a difference from another one takes a few short files, and every command has it then."""

import json
from pathlib import Path
from typing import Final

import pytest

from model.vocabulary.scenario import AXES
from tests import runfile
from tests.checkouts import copied, met

NEW: Final = "v7.2"
USUAL: Final = f"on-active/plain/warm/sequential/pcp/{NEW}"
FILES: Final = {
    "__init__.py": """
from typing import Final

DIFFERS_FROM: Final = "v7.1"
""",
    "image.py": """
from dataclasses import dataclass
from typing import ClassVar

from model.kernels.v7_1 import image as v7_1
from model.kernels.v7_2.variants import variant_called


@dataclass(frozen=True)
class Image(v7_1.Image):
    kernel: ClassVar[str] = "v7.2"
    variant_called = staticmethod(variant_called)
""",
    "path.py": """
from model.kernels.v7_1 import path as v7_1
from model.kernels.v7_2.image import Image
from model.kernels.v7_2.variants import CALIBRATION, VARIANTS


class FreePath(v7_1.FreePath):
    image_type = Image
    variants, calibration = VARIANTS, CALIBRATION
""",
    "oracle.py": """
from model.kernels.v7_1 import oracle as v7_1
from model.kernels.v7_2.variants import variant_called


class Oracle(v7_1.Oracle):
    clears_private = "never"
    variant_called = staticmethod(variant_called)
""",
    "kernel.py": """
from model.kernels.kit.version import like
from model.kernels.v7_1.kernel import KERNEL as V7_1
from model.kernels.v7_2 import variants
from model.kernels.v7_2.image import Image
from model.kernels.v7_2.path import FreePath


def linkage():
    from model.kernels.v7_2.source import link

    return link.LINKAGE, link.link


KERNEL = like(V7_1, "v7.2", FreePath(), variants, Image.of, linkage)
""",
    "source/__init__.py": "",
    "source/link.py": """
from model.kernels.v6_18.source.steps import leave_private
from model.kernels.v7_1.source.link import LINKAGE as LINKAGE
from model.kernels.v7_1.source.link import OWN, link_as
from model.kernels.v7_2.variants import variant_called


def link(image):
    return link_as(image, variant_called(image.variant), {**OWN, "private_step": leave_private})
""",
    "variants/__init__.py": """
from collections import ChainMap

from model.kernels.kit.borrow import borrowed
from model.kernels.kit.ladder import SHARED, calibration, ladder
from model.kernels.v6_18.page import PAGE_TYPE
from model.kernels.v7_1 import variants as v7_1
from model.kernels.variants import find

HOLD = dict.fromkeys((name for name in v7_1.VARIANTS if name not in ("base", "no-private", *SHARED)), "")
TAKEN = borrowed(v7_1.VARIANTS, HOLD, "v7.1", "v7.2").values()
VARIANTS = find(__name__, v7_1.FIRST, [*ladder("page_type", PAGE_TYPE), *TAKEN])
CALIBRATION = calibration()
variant_called = ChainMap(VARIANTS, CALIBRATION).__getitem__
""",
    "variants/base.py": 'SUMMARY = "the kernel as it is"\n',
    "variants/private_store.py": 'SUMMARY = "adds: the store to page->private"\nPRIVATE = "always"\n',
}
"""v7.1 without the store to page->private, which is a variant in its place."""
NAMED: Final = '    "v7.1": {"memcg": "on-active"'
"""The beginning of v7.1's line in USUAL_OF."""


def with_it(root: Path, *, usual: bool) -> Path:
    """A checkout with that version; `usual` says whether its usual state is declared."""
    checkout = copied(root, after="v7.1", name=NEW)
    for name, text in FILES.items():
        file = checkout / "model/kernels/v7_2" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    words = checkout / "model/vocabulary/scenario.py"
    (line,) = (line for line in words.read_text().splitlines() if line.startswith(NAMED))
    if usual:
        words.write_text(words.read_text().replace(line, f"{line}\n{line.replace('v7.1', NEW)}"))
    return checkout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Freepath with it."""
    return with_it(tmp_path_factory.mktemp("difference"), usual=True)


def test_it_is_listed_and_counted(checkout: Path) -> None:
    """With its own usual state, its template, and one store fewer than v7.1 until a variant makes it."""
    along = json.loads(met(checkout, "benchmarks", "--list", "--json", "--sweep", "kernel"))
    assert [scenario["kernel"] for scenario in along["scenarios"]] == [*AXES["kernel"], NEW]
    assert along["scenarios"][-1]["scenario"] == USUAL
    made = met(checkout, "benchmarks", "--new-variant", "my-check", "--kernel", NEW)
    assert f'KERNEL = "{NEW}"' in made and f"Kernel: {NEW}, in" in made and "VERSION" not in made
    fields = "memcg=on-active,page_kind=plain,depth=pcp,checks=off,entry=__free_pages,block=page"
    chosen = f"kernel=v7.1,kernel={NEW},base,private-store,no-private,config=distribution,{fields}"
    counted = json.loads(met(checkout, "benchmarks.census", "--only", chosen, "--json"))["arms"]
    stores = {
        (arm["kernel"], arm["variant"]): arm["stores"] for arm in counted if arm["variant"] != "base-twin"
    }
    least = stores["v7.1", "base"] - 1
    assert stores == {
        ("v7.1", "base"): least + 1,
        ("v7.1", "no-private"): least,
        (NEW, "base"): least,
        (NEW, "private-store"): least + 1,
    }


@pytest.fixture(scope="module")
def alone(checkout: Path) -> Path:
    """A run of it alone, on its usual state."""
    newer = {"memcg": "on-active", "checks": "off", "config": "distribution", "cgroup": "v2"}
    arms = dict.fromkeys((("base", "jump-label"), ("base-twin", "jump-label")), 0.0)
    arms |= {("no-type-test", "jump-label"): -0.1, ("memcg-off", "jump-label"): -0.3}
    made = runfile.FakeRun(axes={"kernel": NEW, "scenario": USUAL, **newer}, arms=arms)
    return runfile.write(checkout / "alone.json", runfile.of_machine(runfile.document(made)))


def test_it_is_answered_and_drawn(checkout: Path, alone: Path) -> None:
    """By the steps that it shares with others; no claim of 2015 is judged by it."""
    said = met(checkout, "results", "answer", str(alone))
    assert f"The {NEW} path, memcg key on" in said and "without the memcg test" in said
    assert "Claims of the mails" not in said and met(checkout, "results", "claims", str(alone)) == ""
    drawn = met(checkout, "plots", str(alone), "-o", str(checkout / "figures"), "--format", "svg")
    assert "steps-v7-2.svg" in drawn and NEW in (checkout / "figures/steps-v7-2.svg").read_text()


def test_a_forgotten_usual_state_is_refused(tmp_path: Path) -> None:
    """Else --insert and --sweep kernel would measure it in the state of 2015, and not say so."""
    done = met(with_it(tmp_path, usual=False), "benchmarks", "--list", fails=True)
    assert f"{NEW}: quick lacks the usual scenario" in done and "USUAL_OF" in done
