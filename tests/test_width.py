"""A terminal of 80 columns: no command writes a longer line, and no figure or name is cut off."""

import pytest

from tests import runfile
from tests.command import ROOT
from tests.terminal import shown

CENSUS = str(ROOT / "results" / "reference" / "census-x86-64-v3.json")
ONE_ARM = ("--only", "v1,gate=jump-label,memcg=on-idle,depth=pcp,page_kind=plain,checks=on,entry=__free*")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two runs of all memcg states."""
    folder = tmp_path_factory.mktemp("runs")
    document = runfile.headline()
    return [str(runfile.write(folder / f"{name}.json", document)) for name in ("old", "new")]


@pytest.mark.parametrize("command", ["answer", "show", "claims", "compare"])
def test_results(runs: list[str], command: str) -> None:
    """Tables leave columns out, texts are broken between words."""
    lines = shown("results", command, *((*runs, "--all") if command == "compare" else runs[:1]))
    assert len(lines) > 2
    assert [line for line in lines if len(line) > 80] == []
    assert not any("…" in line or "..." in line for line in lines)


@pytest.mark.parametrize(
    "command",
    [
        ("benchmarks", "--list"),
        ("benchmarks", "--doctor"),
        ("benchmarks", "--help"),
        ("benchmarks", "--only", "nosuch"),
        ("benchmarks.census", *ONE_ARM),
        ("benchmarks.disasm", "v1"),
        ("results", "--help"),
        ("results", "show", CENSUS),
        ("results", "machines"),
        ("plots", "--help"),
    ],
    ids=" ".join,
)
def test_other_commands(command: tuple[str, ...]) -> None:
    """Help, lists, listings, and messages."""
    lines = shown(*command)
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("columns", [40, 300])
def test_tables_fit_other_terminals(runs: list[str], columns: int) -> None:
    """A narrow one breaks names, and cuts nothing; a wide one has every column."""
    lines = shown("results", "show", runs[0], columns=columns)
    assert max(map(len, lines)) <= columns
    assert not any("…" in line for line in lines)
    assert columns == 40 or any("load-compare-store/none" in line and "cycles" not in line for line in lines)
