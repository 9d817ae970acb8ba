import json
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from bridge_kit import BRIDGE, Clock, answer, approve, browser, exchange, request_of
from document_server import DOCUMENT, DocumentServer, serving_documents
from joserfc.jwk import ECKey

from mcp_demo.bridge.cimd import Trust, freshness
from mcp_demo.errors import SetupError
from mcp_demo.oauth import client_assertion
from mcp_demo.registry.model import Client

CLIENT_ID = "https://client.example/oauth/metadata.json"
PINNED = json.dumps({CLIENT_ID: {**DOCUMENT, "client_id": CLIENT_ID}})


@pytest.fixture
async def server() -> AsyncGenerator[DocumentServer]:
    async with serving_documents() as running:
        yield running


def by(url: str, **changes: str | None) -> dict[str, str]:
    """A good authorization request of the client behind a document."""
    return request_of(Client(client_id=url, redirect_uris=("http://localhost:51234/callback",)), **changes)


async def open_page(url: str, **settings: Any) -> httpx.Response:
    async with browser(loopback_documents=True, **settings) as visit:
        return await visit.get("/authorize", params=by(url))


async def test_a_document_gets_its_client_to_the_consent_page(server: DocumentServer) -> None:
    page = await open_page(server.url)
    assert page.status_code == 200
    assert "Document client" in page.text
    assert f"localhost:{server.port}" in page.text


async def test_the_hosts_of_client_id_and_redirect_uri_are_unmistakable() -> None:
    async with browser(pinned_documents=PINNED) as visit:
        page = await visit.get("/authorize", params=by(CLIENT_ID))
    assert '<strong class="mono">client.example</strong>' in page.text
    assert '<strong class="mono">localhost:51234</strong>' in page.text
    assert "on your own computer" in page.text


async def test_a_client_of_loopback_uris_only_is_warned_about(server: DocumentServer) -> None:
    server.document(redirect_uris=["http://localhost/callback"])
    assert "This application runs on your own computer" in (await open_page(server.url)).text


async def test_script_in_a_name_stays_text(server: DocumentServer) -> None:
    server.document(client_name="<img src=x onerror=alert(1)>")
    page = await open_page(server.url)
    assert "<img" not in page.text
    assert "&lt;img" in page.text


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "http://localhost:1/other.json"},
        {"client_id": None},
        {"client_name": None},
        {"redirect_uris": None},
        {"redirect_uris": []},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"client_secret": "s"},
        {"token_endpoint_auth_method": "private_key_jwt"},
    ],
)
async def test_a_document_that_breaks_a_rule_ends_on_a_page_and_is_not_kept(
    server: DocumentServer, changes: dict[str, Any]
) -> None:
    server.document(**changes)
    async with browser(loopback_documents=True) as visit:
        page = await visit.get("/authorize", params=by(server.url))
        assert (page.status_code, "location" in page.headers) == (400, False)
        assert "could not check this application" in page.text
        server.document()
        assert (await visit.get("/authorize", params=by(server.url))).status_code == 200


async def test_a_failed_fetch_is_named_to_the_person_and_the_log_and_not_kept(
    server: DocumentServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.status = 404
    async with browser(loopback_documents=True) as visit:
        page = await visit.get("/authorize", params=by(server.url))
        assert page.status_code == 400
        assert "status 404" in page.text
        assert "status 404" in caplog.text
        server.status = 200
        assert (await visit.get("/authorize", params=by(server.url))).status_code == 200


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://client.example/metadata.json", "is not an https URL"),
        ("https://client.example", "has no path"),
        ("https://client.example/", "has no path"),
        ("https://client.example/a/../b", "dot segments"),
        ("https://client.example/a#b", "fragment"),
        ("https://user@client.example/a", "user information"),
        ("https://127.0.0.1/metadata.json", "not on the public internet"),
        ("https://localhost:1/metadata.json", "not on the public internet"),
        ("https://169.254.169.254/latest/meta-data", "not on the public internet"),
        ("HTTPS://10.0.0.1/x", "is not an https URL"),
        ("https://a..b/x", "cannot be reached"),
        (f"https://{'a' * 64}.example/x", "cannot be reached"),
    ],
)
async def test_urls_that_no_document_may_have_end_on_a_page(url: str, reason: str) -> None:
    async with browser() as visit:
        page = await visit.get("/authorize", params=by(url))
    assert (page.status_code, "location" in page.headers) == (400, False)
    assert reason in page.text


async def test_plain_http_on_this_machine_is_for_local_stacks_only(server: DocumentServer) -> None:
    async with browser() as visit:
        assert (await visit.get("/authorize", params=by(server.url))).status_code == 400
    assert server.requests == []


@pytest.mark.parametrize(
    ("redirect_uri", "status"),
    [
        ("http://localhost:51234/callback", 200),
        ("http://127.0.0.1:61234/callback", 200),
        ("https://app.example/cb", 200),
        ("https://app.example:8443/cb", 400),
        ("http://[::1]:51234/callback", 400),
        ("http://localhost:51234/other", 400),
    ],
)
async def test_only_listed_redirect_uris_pass_and_of_loopback_ones_any_port(
    server: DocumentServer, redirect_uri: str, status: int
) -> None:
    async with browser(loopback_documents=True) as visit:
        page = await visit.get("/authorize", params=by(server.url, redirect_uri=redirect_uri))
    assert page.status_code == status


@pytest.mark.parametrize(
    ("headers", "fetches"), [({"Cache-Control": "max-age=60"}, 1), ({"Cache-Control": "no-store"}, 2)]
)
async def test_a_document_is_kept_as_its_headers_allow(
    server: DocumentServer, headers: dict[str, str], fetches: int
) -> None:
    server.headers |= headers
    async with browser(loopback_documents=True) as visit:
        for _ in range(2):
            assert (await visit.get("/authorize", params=by(server.url))).status_code == 200
    assert len(server.requests) == fetches


async def test_a_document_is_fetched_again_when_it_is_stale(server: DocumentServer) -> None:
    clock = Clock()
    server.headers["Cache-Control"] = "max-age=60"
    async with browser(loopback_documents=True, clock=clock) as visit:
        for seconds, fetches in ((0, 1), (59, 1), (1, 2)):
            clock.now += seconds
            await visit.get("/authorize", params=by(server.url))
            assert len(server.requests) == fetches


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 300),
        ({"cache-control": "max-age=60"}, 60),
        ({"cache-control": 'public, max-age="60"'}, 60),
        ({"cache-control": "max-age=60, s-maxage=10"}, 10),
        ({"cache-control": "max-age=60", "age": "50"}, 10),
        ({"cache-control": "max-age=0"}, 0),
        ({"cache-control": "max-age=99999999"}, 86_400),
        ({"cache-control": "no-store, max-age=60"}, 0),
        ({"cache-control": "No-Cache"}, 0),
        ({"cache-control": "private, max-age=60"}, 0),
        ({"vary": "*"}, 0),
        ({"expires": "0"}, 0),
        ({"expires": "Fri, 15 Jan 2027 08:01:00 GMT", "date": "Fri, 15 Jan 2027 08:00:00 GMT"}, 60),
        ({"expires": "Fri, 15 Jan 2027 08:01:00 GMT"}, 60),
        ({"expires": "Fri, 15 Jan 99999 08:00:00 GMT"}, 0),
        ({"expires": f"Fri, 15 Jan 2027 {'9' * 400}:00:00 GMT"}, 0),
        ({"expires": "Fri, 15 Jan 2027 08:01:00 GMT", "date": "Fri, 15 Jan 99999 08:00:00 GMT"}, 0),
    ],
)
def test_freshness_follows_the_headers(headers: dict[str, str], seconds: float) -> None:
    assert freshness(headers, now=1_800_000_000.0) == seconds


@pytest.mark.parametrize(
    ("trust", "host", "allowed"),
    [
        (Trust(), "any.example", True),
        (Trust(welcome=("claude.ai",)), "claude.ai", True),
        (Trust(welcome=("claude.ai",)), "CLAUDE.AI.", True),
        (Trust(welcome=("claude.ai",)), "evil-claude.ai", False),
        (Trust(welcome=("claude.ai",)), "claude.ai.evil.example", False),
        (Trust(welcome=("*.example.com",)), "a.example.com", True),
        (Trust(welcome=("*.example.com",)), "example.com", False),
        (Trust(welcome=("*.example.com",)), "badexample.com", False),
        (Trust(blocked=("bad.example",)), "bad.example", False),
        (Trust(welcome=("*.example",), blocked=("bad.example",)), "bad.example", False),
    ],
)
def test_hosts_are_trusted_as_listed(trust: Trust, host: str, allowed: bool) -> None:
    assert trust.allows(host) is allowed


async def test_a_host_that_is_not_welcome_is_not_even_asked(server: DocumentServer) -> None:
    page = await open_page(server.url, metadata_document_hosts=["claude.ai"])
    assert page.status_code == 400
    assert "not accepted here" in page.text
    assert server.requests == []


async def test_urls_are_unknown_clients_when_documents_are_switched_off(server: DocumentServer) -> None:
    page = await open_page(server.url, metadata_documents=False)
    assert page.status_code == 400
    assert server.requests == []


async def test_a_client_whose_document_names_keys_has_to_use_them() -> None:
    keys = {"keys": [{"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}]}
    document = {**DOCUMENT, "client_id": CLIENT_ID, "token_endpoint_auth_method": "private_key_jwt", "jwks": keys}
    async with browser(pinned_documents=json.dumps({CLIENT_ID: document})) as visit:
        sent = answer(await approve(visit, by(CLIENT_ID)))
        code = answer(await visit.get("/callback", params={"code": "c", "state": sent["state"]}))["code"]
        response = await visit.post("/token", data=exchange(code, client_id=CLIENT_ID, redirect_uri=None))
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("pinned", ["[]", "{", '{"https://a.example/b": {}}'])
def test_malformed_pinned_documents_are_named_at_the_start(pinned: str) -> None:
    with pytest.raises(SetupError, match="pinned client metadata document"):
        browser(pinned_documents=pinned)


def _pinned(url: str, **changes: Any) -> Client:
    return Client(
        client_id=url, client_name="As pinned", redirect_uris=("http://localhost/callback",), source="cimd", **changes
    )


async def test_a_document_that_administrators_pinned_is_used_and_not_fetched(server: DocumentServer) -> None:
    async with browser(clients=(_pinned(server.url),), metadata_document_hosts=["claude.ai"]) as visit:
        page = await visit.get("/authorize", params=by(server.url))
    assert (page.status_code, server.requests) == (200, [])
    assert "As pinned" in page.text


async def test_a_client_with_a_document_that_administrators_denied_is_not_fetched_either(
    server: DocumentServer,
) -> None:
    async with browser(clients=(_pinned(server.url, status="denied"),), loopback_documents=True) as visit:
        page = await visit.get("/authorize", params=by(server.url))
        refused = await visit.post("/token", data=exchange("x", client_id=server.url))
    assert (page.status_code, server.requests) == (400, [])
    assert "was not approved" in page.text
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


async def test_no_client_of_another_kind_stands_in_for_a_document(server: DocumentServer) -> None:
    impostor = replace(_pinned(server.url), source="dcr")
    async with browser(clients=(impostor,), loopback_documents=True) as visit:
        page = await visit.get("/authorize", params=by(server.url))
    assert (page.status_code, len(server.requests)) == (200, 1)
    assert "Document client" in page.text


@pytest.mark.parametrize(("allowed", "error", "fetches"), [(True, "invalid_grant", 1), (False, "invalid_client", 0)])
async def test_keys_of_a_client_are_fetched_under_the_same_guard(
    server: DocumentServer, allowed: bool, error: str, fetches: int
) -> None:
    key = ECKey.generate_key("P-256", {"kid": "k1"})
    server.body = json.dumps({"keys": [key.as_dict(private=False)]}).encode()
    client = Client(
        client_id="app",
        redirect_uris=("https://app.example/cb",),
        token_endpoint_auth_method="private_key_jwt",
        jwks_uri=server.url,
    )
    signed = client_assertion.sign(key, client_id="app", issuer=BRIDGE, token_id="once", now=time.time())
    async with browser(clients=(client,), loopback_documents=allowed) as visit:
        response = await visit.post("/token", data=exchange("bogus", **client_assertion.form(signed)))
    assert response.json()["error"] == error
    assert len(server.requests) == fetches


async def test_nobody_spoils_the_document_of_another_by_calling_it_his_keys(server: DocumentServer) -> None:
    """Whoever registers may point `jwks_uri` at any URL, also at the document of a client that is not his."""
    attacker = Client(
        client_id="attacker",
        redirect_uris=("https://attacker.example/cb",),
        token_endpoint_auth_method="private_key_jwt",
        jwks_uri=server.url,
    )
    key = ECKey.generate_key("P-256")
    signed = client_assertion.sign(key, client_id="attacker", issuer=BRIDGE, token_id="once", now=time.time())
    async with browser(clients=(attacker,), loopback_documents=True) as visit:
        form = exchange("bogus", client_id="attacker", **client_assertion.form(signed))
        assert (await visit.post("/token", data=form)).json()["error"] == "invalid_client"
        page = await visit.get("/authorize", params=by(server.url))
    assert (page.status_code, len(server.requests)) == (200, 2)
    assert "Document client" in page.text


async def test_a_document_that_fails_at_the_token_endpoint_is_named_in_json(server: DocumentServer) -> None:
    server.status = 503
    async with browser(loopback_documents=True) as visit:
        response = await visit.post("/token", data=exchange("x", client_id=server.url))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_client")
    assert "status 503" in response.json()["error_description"]
