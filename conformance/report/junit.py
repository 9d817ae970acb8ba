"""The report as JUnit XML: what CI systems show as tests."""

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

_ILLEGAL = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF))


def render(document: Mapping[str, Any]) -> str:
    """One suite, one test case a check; warnings that do not count pass, with the warning as output."""
    results = document["results"]
    failures = sum(result["counts"] for result in results)
    errors = sum(result["verdict"] == "error" for result in results)
    skipped = sum(_is_skipped(result) for result in results)
    suites = Element("testsuites", name="mcp-demo conformance")
    suite = SubElement(
        suites,
        "testsuite",
        name=_text(document["target"]),
        tests=str(len(results)),
        failures=str(failures),
        errors=str(errors),
        skipped=str(skipped),
        time=str(document["seconds"]),
        timestamp=document["started"],
    )
    for result in results:
        _case(suite, result)
    indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def _case(suite: Element, result: Mapping[str, Any]) -> None:
    classname = ".".join(result["check"].split(".")[:2])
    case = SubElement(suite, "testcase", classname=classname, name=result["check"], time=str(result["seconds"]))
    properties = SubElement(case, "properties")
    for name in ("level", "verdict"):
        SubElement(properties, "property", name=name, value=result[name])
    for requirement, source in zip(result["requirements"], result["refs"], strict=False):
        SubElement(properties, "property", name="requirement", value=_text(f"{requirement}: {source}"))
    words = f"Expected {result['expected']}\nReceived {result['received']}\nWhy {result['why']}\nFix {result['fix']}"
    if result["verdict"] == "error":
        SubElement(case, "error", message=_text(result["received"])).text = _text(words)
    elif result["counts"]:
        SubElement(case, "failure", message=_text(result["received"]), type=result["level"]).text = _text(words)
    elif _is_skipped(result):
        SubElement(case, "skipped", message=_text(f"{result['verdict']}: {result['received']}"))
    elif result["verdict"] != "pass":
        SubElement(case, "system-out").text = _text(f"{result['verdict']}: {words}")


def _is_skipped(result: Mapping[str, Any]) -> bool:
    return not result["counts"] and result["verdict"] in ("not-applicable", "blocked", "excluded")


def _text(words: str) -> str:
    """Without the characters that XML cannot hold, which a strange server's answer may well contain."""
    return words.translate(_ILLEGAL).encode("utf-8", "replace").decode()
