"""No check passes when what it has to see is not there: each is judged alone, against targets that show nothing."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpx
import pytest
from joserfc.jwk import RSAKey

from conformance import catalogue
from conformance.check import Check
from conformance.documents import LoopbackDocuments
from conformance.issuer import TestIssuer
from conformance.journey import Journey
from conformance.mutants.authz_plant import Mutant, judged
from conformance.mutants.authz_reference import Wrapper
from conformance.mutants.plant import Answer as Answered
from conformance.mutants.plant import Forward, Seen, around
from conformance.run import judge_one
from conformance.session import Session
from conformance.target import KnownClient, Operation, Target

URL = "http://localhost:1/mcp"
ISSUER = "http://localhost:2"
SCOPES = (f"{URL}/read", f"{URL}/write")
CHECKS = [check for check in catalogue.load() if check.judge is not None and check.role != "client"]
Answer = Callable[[httpx.Request], httpx.Response]


def _unanswered(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused", request=request)


NOTHING: dict[str, Answer] = {
    "no answer": _unanswered,
    "empty": lambda request: httpx.Response(200),
    "no content": lambda request: httpx.Response(204),
    "500": lambda request: httpx.Response(500),
    "500 in JSON": lambda request: httpx.Response(500, json={"message": "Internal Server Error"}),
    "a web page": lambda request: httpx.Response(200, html="<!doctype html><title>Welcome</title><p>Hello."),
    "an empty object": lambda request: httpx.Response(200, json={}),
    "404": lambda request: httpx.Response(404, html="<h1>Not found</h1>"),
    "429": lambda request: httpx.Response(429, json={"message": "Too Many Requests"}),
}


def _but_discovery(answer: Answer) -> Answer:
    """Both metadata documents are as they should be, and all else is missing."""

    def answered(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "GET" and path.startswith("/.well-known/oauth-protected-resource"):
            document: dict[str, Any] = {"resource": URL, "authorization_servers": [ISSUER]}
            return httpx.Response(200, json={**document, "scopes_supported": SCOPES})
        if request.method == "GET" and path == "/.well-known/oauth-authorization-server":
            return httpx.Response(200, json=_metadata())
        return answer(request)

    return answered


def _metadata() -> dict[str, Any]:
    endpoints = {
        f"{name}_endpoint": f"{ISSUER}/{path}"
        for name, path in (("authorization", "authorize"), ("token", "token"), ("registration", "register"))
    }
    return {
        "issuer": ISSUER,
        **endpoints,
        "jwks_uri": f"{ISSUER}/keys",
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic"],
        "scopes_supported": list(SCOPES),
        "client_id_metadata_document_supported": True,
        "authorization_response_iss_parameter_supported": True,
    }


SEEN_IN_THE_DOCUMENTS = {
    "as.metadata.published",
    "as.metadata.issuer",
    "as.metadata.fields",
    "as.metadata.pkce",
    "as.transport.https",
    "rs.metadata.served",
    "rs.metadata.discoverable",
    "rs.metadata.well-known-path",
    "rs.metadata.resource-of-address",
    "rs.metadata.authorization-servers",
    "rs.metadata.issuer-form",
    "rs.metadata.well-formed",
    "rs.metadata.no-trailing-slash",
    "rs.metadata.no-offline-access",
}
"""What is judged by the documents alone, and so may pass where they are all there is."""


ALIKE = (Answered(200), Answered(500), Answered(404), Answered(400, [], b'{"error": "server_error"}'))
OF_A_PATH = {
    "/authorize": (
        "as.authorize.",
        "as.redirect.",
        "as.response.",
        "as.code.",
        "as.documents.",
        "as.fetching.",
        "as.proxy.",
    ),
    "/token": ("as.token.", "as.code.", "as.refresh."),
    "/register": ("as.registration.", "as.management.", "as.token.client-types", "as.token.client-auth"),
    "/consent": ("as.response.", "as.code.", "as.refresh.", "as.proxy."),
    "/callback": ("as.response.", "as.code.", "as.refresh.", "as.proxy.state"),
}
"""What cannot be judged any more when one path of the authorization server answers everything alike."""


class Nowhere:
    """A sign-in that leads nowhere."""

    def __call__(self, authorization_url: str, redirect_uri: str) -> str:
        return self.travel(authorization_url, redirect_uri).returned or ""

    def travel(self, url: str, redirect_uri: str, *, approve: bool = True) -> Journey:
        return Journey(None, (url,), (), "The pages lead nowhere.")


@pytest.fixture(scope="module")
def documents() -> Iterator[LoopbackDocuments]:
    with LoopbackDocuments() as served:
        yield served


@pytest.fixture(scope="module")
def target(documents: LoopbackDocuments) -> Target:
    key = RSAKey.generate_key(2048, {"kid": "missing"}, private=True)

    @contextmanager
    def cold() -> Generator[str]:
        yield URL

    return Target(
        URL,
        issuer=TestIssuer("https://issuer.example", key, URL, SCOPES),
        sign_in=Nowhere(),
        may_register=True,
        person=True,
        operation=Operation("tool"),
        origin="http://localhost:6274",
        broader=SCOPES[1],
        cold_start=cold,
        key_downloads=lambda: 0,
        client=KnownClient("app", "http://localhost:3000/callback", "planted"),
        documents=documents,
    )


def _passes(check: Check[Any], target: Target, answer: Answer) -> str | None:
    session = Session(target, transport=httpx.MockTransport(answer))
    try:
        result = judge_one(check, session)
    finally:
        session.close()
    assert result.verdict != "error", result.received
    return result.received if result.verdict == "pass" else None


def test_nothing_is_blocked_here_for_want_of_a_capability(target: Target) -> None:
    assert {need for check in CHECKS for need in check.needs} <= target.capabilities


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_passes_no_target_that_shows_nothing(check: Check[Any], target: Target) -> None:
    passed = {name: _passes(check, target, answer) for name, answer in NOTHING.items()}
    assert {name: words for name, words in passed.items() if words is not None} == {}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_passes_no_target_of_which_only_the_metadata_is_there(check: Check[Any], target: Target) -> None:
    passed = {name: _passes(check, target, _but_discovery(answer)) for name, answer in NOTHING.items()}
    if check.id not in SEEN_IN_THE_DOCUMENTS:
        assert {name: words for name, words in passed.items() if words is not None} == {}


@pytest.mark.slow
@pytest.mark.parametrize("path", OF_A_PATH)
@pytest.mark.parametrize("answer", ALIKE, ids=lambda answer: str(answer.status))
def test_no_check_passes_that_needs_a_path_which_answers_everything_alike(path: str, answer: Answered) -> None:
    async def alike(seen: Seen, forward: Forward, lab: Any) -> Answered:
        return answer if seen.path == path else await forward(seen)

    planted = Mutant("alike", "", "", frozenset(), cast("Wrapper", around(alike)))
    passed = {result.check.id for result in judged(planted).results if result.verdict == "pass"}
    assert {name for name in passed if name.startswith(OF_A_PATH[path])} == set()
