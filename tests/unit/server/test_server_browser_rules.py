"""What browsers need and what they must not get: metadata for all, Origin, CORS, preflights."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from server_kit import BRIDGE, METADATA, ORIGIN, PAGE, READ, RESOURCE, Running, bearer, running

from mcp_demo.oauth import resource_metadata
from mcp_demo.server.answers import json_answer

PATH_FORM = "/.well-known/oauth-protected-resource/mcp"
ROOT_FORM = "/.well-known/oauth-protected-resource"
EVIL = "https://evil.example"
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,mcp-protocol-version,mcp-method,mcp-name",
}


@pytest.fixture
async def server() -> AsyncGenerator[Running]:
    async with running() as found:
        yield found


@pytest.mark.parametrize("path", [PATH_FORM, ROOT_FORM])
async def test_the_metadata_is_there_for_everybody(server: Running, path: str) -> None:
    response = await server.client.get(path, headers={"origin": EVIL, "host": "anything.example"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.json() == {
        "resource": RESOURCE,
        "resource_name": "MCP demo server",
        "authorization_servers": [BRIDGE],
        "scopes_supported": [READ],
        "bearer_methods_supported": ["header"],
    }
    resource_metadata.validate_resource(resource_metadata.parse(response.json()), RESOURCE)


async def test_the_challenge_leads_to_the_metadata_of_the_url_that_was_requested(server: Running) -> None:
    challenge = bearer(await server.call())
    document = (await server.client.get(challenge.parameters["resource_metadata"])).json()
    assert document["resource"] == RESOURCE
    assert challenge.parameters["resource_metadata"] == resource_metadata.well_known_url(RESOURCE) == METADATA


async def test_head_of_the_metadata_is_get_without_a_body(server: Running) -> None:
    get, head = await server.client.get(PATH_FORM), await server.client.head(PATH_FORM)
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers == get.headers


async def test_a_preflight_for_the_metadata_allows_the_version_header(server: Running) -> None:
    headers = {"origin": EVIL, **PREFLIGHT, "access-control-request-headers": "mcp-protocol-version"}
    response = await server.client.options(PATH_FORM, headers=headers)
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "*"
    assert "mcp-protocol-version" in response.headers["access-control-allow-headers"]


async def test_the_metadata_can_only_be_read(server: Running) -> None:
    response = await server.client.post(PATH_FORM)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-protected-resource/other",
        "/.well-known/oauth-protected-resource/mcp/",
    ],
)
async def test_other_well_known_addresses_plainly_do_not_exist(server: Running, path: str) -> None:
    response = await server.client.get(path)
    assert response.status_code == 404
    assert "www-authenticate" not in response.headers


async def test_the_metadata_does_not_lie_below_the_endpoint(server: Running) -> None:
    assert (await server.client.get("/mcp/.well-known/oauth-protected-resource")).status_code == 401


async def test_health_needs_no_token(server: Running) -> None:
    response = await server.client.get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "origin", [EVIL, "null", "http://localhost:3001.evil.example", f"{ORIGIN}/", "http://LOCALHOST:3001"]
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "OPTIONS"])
async def test_a_foreign_origin_is_refused_with_403_even_with_a_good_token(
    server: Running, origin: str, method: str
) -> None:
    headers = {"origin": origin, "authorization": f"Bearer {server.issuer.token()}", **PREFLIGHT}
    response = await server.client.request(method, "/mcp", headers=headers)
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers
    assert "www-authenticate" not in response.headers


@pytest.mark.parametrize("pair", [(PAGE, EVIL), (EVIL, PAGE), (PAGE, PAGE)])
async def test_two_origins_are_refused(server: Running, pair: tuple[str, str]) -> None:
    headers = [("origin", origin) for origin in pair]
    assert (await server.call(token=server.issuer.token(), headers=headers)).status_code == 403


@pytest.mark.parametrize("pair", [("localhost:3001", "evil.example"), ("evil.example", "localhost:3001")])
async def test_two_hosts_are_refused(server: Running, pair: tuple[str, str]) -> None:
    headers = [("host", host) for host in pair]
    response = await server.client.post("/mcp", headers=headers)
    assert response.status_code == 421


@pytest.mark.parametrize("origin", [ORIGIN, PAGE])
async def test_an_allowed_origin_may_call_and_read_the_answer(server: Running, origin: str) -> None:
    response = await server.call(token=server.issuer.token(), headers=[("origin", origin)])
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-credentials" not in response.headers
    assert "origin" in response.headers["vary"].lower()


@pytest.mark.parametrize("scope", [None, "openid"])
async def test_a_page_can_read_the_challenge(server: Running, scope: str | None) -> None:
    token = server.issuer.token(scope=scope) if scope else None
    response = await server.call(token=token, headers=[("origin", PAGE)])
    assert response.status_code == (403 if scope else 401)
    assert response.headers["access-control-allow-origin"] == PAGE
    assert "www-authenticate" in response.headers["access-control-expose-headers"].lower()


async def test_a_preflight_is_answered_without_a_token(server: Running) -> None:
    response = await server.client.options("/mcp", headers={"origin": PAGE, **PREFLIGHT})
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == PAGE
    allowed = {name.strip() for name in response.headers["access-control-allow-headers"].split(",")}
    assert allowed >= set(PREFLIGHT["access-control-request-headers"].split(","))
    assert "*" not in allowed
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in response.headers


async def test_options_that_is_no_preflight_needs_a_token(server: Running) -> None:
    assert (await server.client.options("/mcp", headers={"origin": PAGE})).status_code == 401


@pytest.mark.parametrize("host", ["localhost:3001", "LOCALHOST:3001", "127.0.0.1:3001", "[::1]:3001"])
async def test_the_own_host_is_known_by_its_loopback_names(server: Running, host: str) -> None:
    assert (await server.call(token=server.issuer.token(), headers=[("host", host)])).status_code == 200


async def test_off_loopback_only_the_configured_hosts_are_known() -> None:
    mcp_url = "https://mcp.example/mcp"
    async with running(mcp_url=mcp_url, allowed_hosts=["internal.example"]) as server:
        token = server.issuer.token(aud=mcp_url, scope=f"{mcp_url}/read")
        for host, status in {"mcp.example": 200, "internal.example": 200, "localhost": 421, "127.0.0.1": 421}.items():
            assert (await server.call(token=token, headers=[("host", host)])).status_code == status


@pytest.mark.parametrize(
    ("mcp_url", "path", "metadata"),
    [
        ("http://localhost:3001", "/", ROOT_FORM),
        ("http://localhost:3001/a/b", "/a/b", f"{ROOT_FORM}/a/b"),
        ("http://localhost:3001/a/", "/a/", f"{ROOT_FORM}/a/"),
    ],
)
async def test_the_endpoint_lies_where_its_url_says(mcp_url: str, path: str, metadata: str) -> None:
    async with running(mcp_url=mcp_url) as server:
        token = server.issuer.token(aud=mcp_url, scope=f"{mcp_url}/read")
        assert (await server.call(path=path, token=token)).status_code == 200
        document = (await server.client.get(metadata)).json()
        assert document["resource"] == mcp_url


VERSION = "mcp-protocol-version"
META = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": dict[str, str](),
    }
}


@pytest.mark.parametrize("version", ["1900-01-01", "latest", "2099-01-01", ""])
@pytest.mark.parametrize("params", [{}, META])
async def test_an_unknown_version_is_answered_with_the_known_ones(
    server: Running, version: str, params: dict[str, object]
) -> None:
    response = await server.call(params=params, token=server.issuer.token(), headers=[(VERSION, version)])
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == -32022
    assert {"2025-06-18", "2025-11-25", "2026-07-28"} <= set(error["data"]["supported"])
    assert response.json()["id"] == 1


@pytest.mark.parametrize("headers", [[], [(VERSION, "2025-11-25")], [(VERSION, "2025-06-18"), (VERSION, "2026-07-28")]])
async def test_a_body_of_the_new_era_needs_the_header_of_the_new_era(
    server: Running, headers: list[tuple[str, str]]
) -> None:
    response = await server.call(params=META, token=server.issuer.token(), headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == -32020


async def test_two_version_headers_are_refused_whatever_the_body_says(server: Running) -> None:
    headers = [(VERSION, "2025-06-18"), (VERSION, "2025-11-25")]
    response = await server.call(token=server.issuer.token(), headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == -32020


async def test_header_and_body_of_the_new_era_agree(server: Running) -> None:
    headers = [(VERSION, "2026-07-28"), ("mcp-method", "tools/list")]
    assert (await server.call(params=META, token=server.issuer.token(), headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers", [[], [(VERSION, "2025-03-26")], [(VERSION, "2025-06-18")], [(VERSION, "2025-11-25")]]
)
async def test_earlier_revisions_are_served_without_their_header_too(
    server: Running, headers: list[tuple[str, str]]
) -> None:
    assert (await server.call(token=server.issuer.token(), headers=headers)).status_code == 200


async def test_a_session_id_is_neither_issued_nor_of_any_use(server: Running) -> None:
    start = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    response = await server.call("initialize", start, token=server.issuer.token())
    assert response.status_code == 200
    assert "mcp-session-id" not in response.headers
    assert (await server.call(headers=[("mcp-session-id", "guessed")])).status_code == 401


@pytest.mark.parametrize(("head", "body"), [(True, b""), (False, b'{"a":1}')])
async def test_an_answer_to_head_sends_its_headers_only(head: bool, body: bytes) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await json_answer(200, {"a": 1}).send(send, head=head)
    assert (b"content-length", b"7") in sent[0]["headers"]
    assert sent[1]["body"] == body
