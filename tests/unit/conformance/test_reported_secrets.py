"""Whatever secret crossed the wire in a run, no form of the report shows it.

The secrets are not planted by name: all that the exchanges carried in places where secrets are is gathered, and looked
for in every form. One server also repeats what it is sent, in its error descriptions and pages.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from http.cookies import SimpleCookie
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from conformance import document
from conformance.mutants import matrix
from conformance.mutants.authz_plant import Mutant, judged
from conformance.mutants.authz_reference import Wrapper
from conformance.mutants.plant import Answer, Forward, Seen, around
from conformance.report import FORMS, terminal
from conformance.result import Report
from mcp_demo.exchange.model import Exchange, Request, Response

_SECRET = {
    "access_token",
    "refresh_token",
    "id_token",
    "code",
    "client_secret",
    "registration_access_token",
    "code_verifier",
    "password",
    "client_assertion",
    "ticket",
}
_SHORTEST = 16


async def _tells_all(seen: Seen, forward: Forward, lab: Any) -> Answer:
    """What was sent is repeated in whatever is said."""
    answer = await forward(seen)
    if seen.path == "/token" and answer.status == 400:
        words = f"Bad request: {seen.body.decode('latin-1')} {dict(seen.headers)}"
        return Answer(400, answer.headers, json.dumps({"error": "bad", "error_description": words}).encode())
    if seen.path == "/authorize" and answer.status == 400:
        return Answer(200, answer.headers, b"<p>" + seen.query + b" " + answer.body)
    return answer


@cache
def _report(name: str) -> Report:
    if name == "resource server":
        return matrix.judge_wrapped()
    wrap = cast("Wrapper", around(_tells_all))
    return judged(Mutant("tells_all", "", "", frozenset(), wrap)) if name == "talkative server" else judged()


def _pairs(found: object) -> Iterator[tuple[str, str]]:
    if isinstance(found, dict):
        for name, value in cast("dict[str, object]", found).items():
            if isinstance(value, str):
                yield name, value
            yield from _pairs(value)


def _carried(part: Request | Response) -> Iterator[tuple[str, str]]:
    """Name and value of all that a message carries."""
    for name, value in part.headers:
        if name.lower() == "location":
            yield from parse_qsl(urlsplit(value).query)
        if name.lower() in ("cookie", "set-cookie"):
            yield from (("password", morsel.value) for morsel in SimpleCookie(value).values())
        if name.lower() == "authorization":
            yield "password", value.partition(" ")[2]
    text = part.body.decode("utf-8", "replace")
    try:
        yield from _pairs(json.loads(text))
    except ValueError:
        yield from parse_qsl(text)


def _secrets(exchanges: Iterator[Exchange]) -> set[str]:
    found: set[str] = set()
    for exchange in exchanges:
        pairs = [*parse_qsl(urlsplit(exchange.request.url).query), *_carried(exchange.request)]
        pairs += _carried(exchange.response) if exchange.response else ()
        found |= {value for name, value in pairs if name in _SECRET and len(value) >= _SHORTEST}
    return found


def _in_all_forms(report: Report) -> Mapping[str, str]:
    built = document.build(report)
    screen = _Lines()
    shown = terminal.Terminal(screen, verbose=True)  # pyright: ignore[reportArgumentType]
    for number, result in enumerate(built["results"], 1):
        shown.result(number, len(built["results"]), result)
    shown.summary(built, [])
    return {"terminal": screen.text, **{form: make(built) for form, make in FORMS.items()}}


class _Lines:
    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize("name", ["resource server", "authorization server", "talkative server"])
def test_no_form_of_the_report_shows_a_secret_that_crossed_the_wire(name: str) -> None:
    report = _report(name)
    secrets = _secrets(exchange for result in report.results for exchange in result.exchanges)
    assert len(secrets) > 10
    for form, text in _in_all_forms(report).items():
        plain = unquote(text.replace("\\/", "/").replace("&amp;", "&"))
        assert {secret[:24] for secret in secrets if secret in text or secret in plain} == set(), form


def test_the_exchanges_of_a_run_carry_every_kind_of_secret() -> None:
    exchanges = [exchange for result in _report("authorization server").results for exchange in result.exchanges]
    names = {name for exchange in exchanges for part in _parts(exchange) for name, _ in _carried(part)}
    assert _SECRET - {"id_token", "ticket", "client_assertion"} <= names


def _parts(exchange: Exchange) -> Iterator[Request | Response]:
    yield exchange.request
    if exchange.response is not None:
        yield exchange.response
