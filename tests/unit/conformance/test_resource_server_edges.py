"""What the planted bugs cannot show: TLS, methods that are open on purpose, and other people's habits."""

from collections.abc import Callable
from dataclasses import replace

import httpx

from conformance import catalogue
from conformance.catalogue import Selection
from conformance.mutants.in_process import InProcess
from conformance.mutants.matrix import MUTANTS
from conformance.mutants.reference import served
from conformance.result import Result
from conformance.run import judge
from conformance.session import Session
from conformance.target import Target

_SECURE = "https://mcp.example/mcp"
_METADATA = "https://mcp.example/.well-known/oauth-protected-resource/mcp"
Answer = Callable[[httpx.Request], httpx.Response]


def _one(check: str, target: Target, transport: httpx.BaseTransport) -> Result:
    session = Session(target, transport=transport, sleep=lambda _: None)
    return judge(target, Selection(select=(check,)).of(catalogue.load()), session=session).results[0]


def _https(plain: Answer, metadata: str = _METADATA) -> Result:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.scheme == "http":
            return plain(request)
        if "well-known" in request.url.path:
            return httpx.Response(200, json={"resource": _SECURE, "authorization_servers": ["https://as.example"]})
        return httpx.Response(401, headers={"www-authenticate": f'Bearer resource_metadata="{metadata}"'})

    return _one("rs.transport.https", Target(_SECURE), httpx.MockTransport(answer))


def test_a_port_80_that_is_closed_or_redirects_is_fine() -> None:
    def closed(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    assert _https(closed).verdict == "pass"
    assert _https(lambda request: httpx.Response(308, headers={"location": _SECURE})).verdict == "pass"


def test_a_port_80_that_asks_for_a_token_is_not() -> None:
    assert _https(lambda request: httpx.Response(401)).verdict == "fail"


def test_metadata_in_clear_text_is_not() -> None:
    found = _https(lambda request: httpx.Response(308), metadata=_METADATA.replace("https", "http"))
    assert found.verdict == "fail"


def test_a_method_that_is_open_on_purpose_is_no_finding() -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "opens_ping")
    network = InProcess()
    with served(mutant.wrap, network=network) as target:
        declared = replace(target, anonymous=frozenset({"ping"}))
        assert _one("rs.challenge.every-request", declared, network).verdict == "pass"
        assert _one("rs.challenge.every-request", target, network).verdict == "fail"
    network.end()


def test_a_broader_scope_that_is_understood_passes() -> None:
    network = InProcess()
    with served(network=network) as target:
        assert target.issuer is not None
        wide = replace(target, broader=" ".join(target.issuer.scopes))
        assert _one("rs.scope.hierarchy", wide, network).verdict == "pass"
    network.end()
