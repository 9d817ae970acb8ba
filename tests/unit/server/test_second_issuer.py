"""A second issuer, independent of Cognito: RFC 9068 tokens, under rules of its own."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from server_kit import BRIDGE, METADATA, READ, RESOURCE, WRITE, Running, bearer, running

SECOND = "https://second.example"
RFC9068 = {"issuer": SECOND, "jwks_uri": f"{SECOND}/jwks", "profile": "rfc9068"}
AT = {"typ": "at+jwt"}
OURS: dict[str, Any] = {"iss": SECOND, "token_use": None, "username": None}


@pytest.fixture
async def server() -> AsyncGenerator[Running]:
    async with running(authorization_servers=[BRIDGE, SECOND], more_issuers=[RFC9068]) as found:
        yield found


async def test_the_metadata_names_both_authorization_servers(server: Running) -> None:
    document = (await server.client.get(METADATA)).json()
    assert document["authorization_servers"] == [BRIDGE, SECOND]


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt"])
async def test_its_access_tokens_need_no_claim_of_cognito(server: Running, kind: str) -> None:
    identity = await server.use("whoami", server.issuer.token({"typ": kind}, **OURS))
    assert (identity["issuer"], identity["username"]) == (SECOND, None)


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({}, {}),
        ({"typ": "JWT"}, {}),
        ({}, {"token_use": "access"}),
        (AT, {"aud": "https://other.example/mcp"}),
        (AT, {"aud": None}),
        (AT, {"iss": f"{SECOND}/"}),
    ],
)
async def test_what_only_the_first_issuer_may_say_is_refused(
    server: Running, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    refused = await server.call(token=server.issuer.token(header, **(OURS | claims)))
    assert refused.status_code == 401
    assert bearer(refused).parameters["error"] == "invalid_token"


async def test_a_token_of_the_first_needs_its_token_use_whatever_its_type(server: Running) -> None:
    assert (await server.call(token=server.issuer.token(AT, token_use=None))).status_code == 401
    assert (await server.call(token=server.issuer.token(AT))).status_code == 200


async def test_scopes_that_an_issuer_may_not_grant_count_for_nothing() -> None:
    async with running(more_issuers=[{**RFC9068, "scopes": ["read"]}]) as server:
        token = server.issuer.token(AT, **OURS, scope=f"openid {READ} {WRITE}")
        assert (await server.use("whoami", token))["scopes"] == ["openid", READ]
        params = {"name": "add_context", "arguments": {"name": "a", "text": "b"}}
        refused = await server.call("tools/call", params, token=token)
        assert (refused.status_code, bearer(refused).parameters["error"]) == (403, "insufficient_scope")
        assert (await server.call("tools/call", params, token=server.issuer.token(scope=WRITE))).status_code == 200
        only_write = server.issuer.token(AT, **OURS, scope=f"{RESOURCE}/write")
        assert (await server.call(token=only_write)).status_code == 403
