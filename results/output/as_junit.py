"""`python -m results export --format junit`: claims and arms as tests."""

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from results.analysis.groups import Analysis
from results.analysis.texts import cell_text
from results.claims.judging import answers
from results.output.levels import only


def junit(found: Sequence[Analysis]) -> str:
    """JUnit's XML, as pytest writes it: a suite of claims, and one per scenario.

    An arm that costs and a claim that fails are failures; an undecided one is skipped.
    """
    analysis = only(found, "junit")
    suites = ElementTree.Element("testsuites", name="freepath")
    judged = [(a.id, a.verdict, f"{a.claim}: {a.because}") for a in answers(analysis, None)]
    _suite(suites, "claims", judged, bad="fails")
    for group in analysis.groups:
        cells = [(c.overhead.arm.name, c.judgement.verdict, cell_text(c)) for c in group.cells]
        _suite(suites, group.scenario.name, cells, bad="costs")
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _suite(
    suites: ElementTree.Element, name: str, judged: Sequence[tuple[str, str, str]], *, bad: str
) -> None:
    verdicts = [verdict for _, verdict, _ in judged]
    counts: dict[str, Any] = {
        "tests": len(judged),
        "failures": verdicts.count(bad),
        "skipped": verdicts.count("undecided"),
        "errors": 0,
    }
    attributes = {"name": name, **{count: str(number) for count, number in counts.items()}}
    suite = ElementTree.SubElement(suites, "testsuite", attributes)
    for case, verdict, said in judged:
        test = ElementTree.SubElement(suite, "testcase", classname=f"freepath.{name}", name=case)
        if verdict == bad:
            ElementTree.SubElement(test, "failure", message=said, type=verdict).text = said
        elif verdict == "undecided":
            ElementTree.SubElement(test, "skipped", message=said)
        else:
            ElementTree.SubElement(test, "system-out").text = said
