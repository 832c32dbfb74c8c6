"""junit.xml, with the structure that pytest 9 writes, for the CI systems that show it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from ..record import BLOCKED, PASSED, UNGRADED

if TYPE_CHECKING:
    from ..record import GradeRecord
    from ..rubric import Rubric


def render(record: GradeRecord, rubric: Rubric) -> str:
    """The text of junit.xml: a failure for what lost its points, an error for what could not be graded."""
    root = ElementTree.Element("testsuites", name="autograder")
    cases = record.checks
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name=record.submission,
        tests=str(len(cases)),
        failures=str(sum(case.verdict not in (PASSED, BLOCKED, UNGRADED) for case in cases)),
        errors=str(len(record.ungraded)),
        skipped=str(sum(case.verdict == BLOCKED for case in cases)),
        time=f"{record.seconds:.3f}",
    )
    for case in cases:
        element = ElementTree.SubElement(
            suite, "testcase", classname=case.part, name=case.id, time=f"{case.seconds:.3f}"
        )
        properties = ElementTree.SubElement(element, "properties")
        for name, value in (("points", case.points), ("max_points", case.max_points), ("verdict", case.verdict)):
            ElementTree.SubElement(properties, "property", name=name, value=str(value))
        if case.bonus:
            ElementTree.SubElement(properties, "property", name="bonus", value="yes")
        if case.verdict != PASSED:
            kind = {BLOCKED: "skipped", UNGRADED: "error"}.get(case.verdict, "failure")
            ElementTree.SubElement(element, kind, message=case.message).text = case.output
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
