"""The tokens and credentials that issue and catalogue name, over HTTP: status, error, challenge, and no result."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import RSAKey
from server_kit import ISSUER, JSON_RPC, NOW, READ, RESOURCE, WRITE, Issuer, Running, bearer, running


@pytest.fixture
async def server() -> AsyncGenerator[Running]:
    async with running() as found:
        yield found


def b64(content: object) -> str:
    return urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def unsigned(issuer: Issuer) -> str:
    _, claims, _ = issuer.token().split(".")
    return f"{b64({'alg': 'none', 'kid': issuer.key.kid})}.{claims}."


def signed_with_the_public_key(issuer: Issuer) -> str:
    pem = issuer.key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    content = f"{b64({'alg': 'HS256', 'kid': issuer.key.kid})}.{issuer.token().split('.')[1]}"
    digest = hmac.digest(pem, content.encode(), "sha256")
    return f"{content}.{urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def signed_by_a_stranger(issuer: Issuer) -> str:
    stranger = RSAKey.generate_key(2048, {"kid": issuer.key.kid or ""}, private=True)
    return Issuer(key=stranger).token()


def id_token(issuer: Issuer) -> str:
    return issuer.token(token_use="id", aud="app", client_id=None, scope=None)


REFUSED: dict[str, tuple[Callable[[Issuer], str], str]] = {
    "malformed": (lambda _: "not-a-jwt", "not a signed JWT"),
    "five segments": (lambda _: "a.b.c.d.e", "not a signed JWT"),
    "odd characters": (lambda _: '"><script>\\', "not a signed JWT"),
    "oversized": (lambda _: "a" * 16_384, "too large"),
    "expired at exactly exp": (lambda issuer: issuer.token(exp=NOW), "expired"),
    "without expiry": (lambda issuer: issuer.token(exp=None), "claim"),
    "before nbf": (lambda issuer: issuer.token(nbf=NOW + 1), "not valid yet"),
    "other issuer": (lambda issuer: issuer.token(iss=f"{ISSUER}d"), "issuer"),
    "other audience": (lambda issuer: issuer.token(aud="https://api.example"), "another server"),
    "audience with a suffix": (lambda issuer: issuer.token(aud=f"{RESOURCE}-evil"), "another server"),
    "no audience": (lambda issuer: issuer.token(aud=None), "another server"),
    "ID token": (id_token, "not an access token"),
    "alg none": (unsigned, "algorithm"),
    "HS256 with the public key": (signed_with_the_public_key, "algorithm"),
    "unknown kid": (lambda issuer: issuer.token({"kid": "unheard-of"}), "does not publish"),
    "another key under the same kid": (signed_by_a_stranger, "signature"),
    "critical extension": (lambda issuer: crit(issuer), "header"),
}


def crit(issuer: Issuer) -> str:
    _, claims, signature = issuer.token().split(".")
    return f"{b64({'alg': 'RS256', 'kid': issuer.key.kid, 'crit': ['x'], 'x': 1})}.{claims}.{signature}"


@pytest.mark.parametrize("name", REFUSED)
async def test_a_token_that_must_be_refused_is_refused(server: Running, name: str) -> None:
    make, words = REFUSED[name]
    response = await server.call(token=make(server.issuer))
    assert response.status_code == 401
    found = bearer(response)
    assert found.parameters["error"] == "invalid_token"
    assert words in found.parameters["error_description"]
    assert found.scopes == (READ,)
    assert "result" not in response.json()
    assert response.headers["cache-control"] == "no-store"


async def test_a_good_token_is_let_through(server: Running) -> None:
    response = await server.call(token=server.issuer.token())
    assert response.status_code == 200
    assert "tools" in response.json()["result"]


async def test_a_token_works_until_the_second_before_exp(server: Running) -> None:
    token = server.issuer.token(exp=NOW + 1)
    assert (await server.call(token=token)).status_code == 200
    server.now = NOW + 1
    assert (await server.call(token=token)).status_code == 401


async def test_without_credentials_the_challenge_names_no_error(server: Running) -> None:
    response = await server.call()
    assert response.status_code == 401
    assert set(bearer(response).parameters) == {"resource_metadata", "scope"}
    assert bearer(response).scopes == (READ,)


@pytest.mark.parametrize("value", ["Basic YTpi", "Token abc", "DPoP abc", "Negotiate", "abc"])
async def test_another_scheme_is_no_credential(server: Running, value: str) -> None:
    response = await server.call(headers=[("authorization", value)])
    assert response.status_code == 401
    assert "error" not in bearer(response).parameters


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
async def test_the_scheme_is_matched_without_regard_to_case(server: Running, scheme: str) -> None:
    response = await server.call(headers=[("authorization", f"{scheme} {server.issuer.token()}")])
    assert response.status_code == 200


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 0), (0, 2), (2, 0), (0, 3), (3, 0)])
async def test_two_authorization_headers_are_a_bad_request(server: Running, order: tuple[int, int]) -> None:
    values = (f"Bearer {server.issuer.token()}", "Bearer other", "Basic YTpi", "")
    response = await server.call(headers=[("authorization", values[index]) for index in order])
    assert response.status_code == 400
    assert bearer(response).parameters["error"] == "invalid_request"


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "bearer   "])
async def test_an_empty_bearer_is_a_bad_request(server: Running, value: str) -> None:
    response = await server.call(headers=[("authorization", value)])
    assert response.status_code == 400
    assert bearer(response).parameters["error"] == "invalid_request"


@pytest.mark.parametrize("value", ["Bearer {0},Bearer {0}", "Bearer {0}, Bearer x", "Bearer {0}, Basic eA=="])
async def test_two_headers_that_something_in_between_joined_are_a_bad_request(server: Running, value: str) -> None:
    response = await server.call(headers=[("authorization", value.format(server.issuer.token()))])
    assert response.status_code == 400
    assert bearer(response).parameters["error"] == "invalid_request"


@pytest.mark.parametrize("value", ["Bearer {0} {0}", 'Bearer "{0}"', "Bearer {0};x"])
async def test_what_is_no_token_is_refused(server: Running, value: str) -> None:
    response = await server.call(headers=[("authorization", value.format(server.issuer.token()))])
    assert response.status_code == 401
    assert bearer(response).parameters["error"] == "invalid_token"


async def test_a_token_in_the_query_is_not_looked_at(server: Running) -> None:
    good = server.issuer.token()
    alone = await server.call(path=f"/mcp?access_token={good}")
    assert alone.status_code == 401
    assert "error" not in bearer(alone).parameters
    assert (await server.call(path=f"/mcp?access_token={good}", token="bad")).status_code == 401
    assert (await server.call(path="/mcp?access_token=bad", token=good)).status_code == 200


async def test_a_token_in_a_form_is_no_credential(server: Running) -> None:
    response = await server.client.post("/mcp", data={"access_token": server.issuer.token()})
    assert response.status_code == 401
    assert "error" not in bearer(response).parameters


@pytest.mark.parametrize("scope", [READ, f"{READ} {WRITE}"])
async def test_a_token_in_header_and_form_is_a_bad_request(server: Running, scope: str) -> None:
    token = server.issuer.token(scope=scope)
    headers = {"authorization": f"Bearer {token}"}
    response = await server.client.post("/mcp", data={"access_token": token}, headers=headers)
    assert response.status_code == 400
    assert bearer(response).parameters["error"] == "invalid_request"


@pytest.mark.parametrize("first", [True, False])
async def test_a_second_content_type_does_not_hide_a_form(server: Running, first: bool) -> None:
    token = server.issuer.token()
    kinds = [("content-type", "application/json"), ("content-type", "application/x-www-form-urlencoded")]
    headers = [("authorization", f"Bearer {token}"), *(kinds if first else reversed(kinds))]
    response = await server.client.post("/mcp", content=f"access_token={token}", headers=headers)
    assert response.status_code == 400
    assert bearer(response).parameters["error"] == "invalid_request"


async def test_a_token_in_the_json_body_is_no_credential(server: Running) -> None:
    response = await server.call("tools/list", {"access_token": server.issuer.token()})
    assert response.status_code == 401


METHODS = ("initialize", "tools/list", "ping", "server/discover", "resources/list")
PATHS = ("/mcp/", "//mcp", "/MCP", "/mcp/x", "/mcp//", "/%6dcp", "/", "/docs", "/sse")
BATCH = [{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}]
ANONYMOUS: Sequence[tuple[str, str, Any]] = [
    *(("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": method}) for method in METHODS),
    ("POST", "/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"}),
    ("POST", "/mcp", BATCH),
    *((method, "/mcp", None) for method in ("GET", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS")),
    *(("POST", path, None) for path in PATHS),
]


@pytest.mark.parametrize(("method", "path", "body"), ANONYMOUS)
async def test_nothing_but_metadata_and_health_is_served_without_a_token(
    server: Running, method: str, path: str, body: object
) -> None:
    response = await server.client.request(method, path, json=body, headers={**JSON_RPC, "mcp-session-id": "guessed"})
    assert response.status_code == 401
    assert bearer(response).scopes == (READ,)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"])
async def test_with_a_token_other_methods_are_not_allowed(server: Running, method: str) -> None:
    headers = {"authorization": f"Bearer {server.issuer.token()}", "accept": "text/event-stream"}
    response = await server.client.request(method, "/mcp", headers=headers)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert bool(response.content) == (method != "HEAD")


async def test_a_trailing_slash_is_the_same_endpoint_not_a_redirect(server: Running) -> None:
    anonymous = await server.call(path="/mcp/")
    assert anonymous.headers["www-authenticate"] == (await server.call()).headers["www-authenticate"]
    assert (await server.call(path="/mcp/", token=server.issuer.token())).status_code == 200


@pytest.mark.parametrize("path", ["//mcp", "/MCP", "/mcp/x", "/", "/docs"])
async def test_with_a_token_other_addresses_do_not_exist(server: Running, path: str) -> None:
    assert (await server.call(path=path, token=server.issuer.token())).status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "localhost", "localhost:3001.evil.example", "localhost:80"])
async def test_a_foreign_host_is_refused_even_with_a_good_token(server: Running, host: str) -> None:
    response = await server.call(token=server.issuer.token(), headers=[("host", host)])
    assert response.status_code == 421
    assert "www-authenticate" not in response.headers


async def test_the_challenge_repeats_nothing_of_the_request(server: Running) -> None:
    headers = [("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example"), ("x-forwarded-proto", "ftp")]
    response = await server.call(headers=headers, token="canary-token")
    shown = response.text + str(response.headers)
    assert "evil" not in shown
    assert "canary" not in shown


async def test_by_scope_only_tokens_without_audience_are_accepted() -> None:
    async with running(audience="scope") as server:
        assert (await server.call(token=server.issuer.token(aud=None))).status_code == 200
        assert (await server.call(token=server.issuer.token())).status_code == 401
        assert (await server.call(token=server.issuer.token(aud=None, scope="openid"))).status_code == 401


async def test_a_second_issuer_has_rules_of_its_own() -> None:
    second = {"issuer": "https://second.example", "jwks_uri": "https://second.example/jwks", "audience": "scope"}
    async with running(more_issuers=[second]) as server:
        of_second = server.issuer.token(iss="https://second.example", aud=None)
        assert (await server.call(token=of_second)).status_code == 200
        assert (await server.call(token=server.issuer.token())).status_code == 200
        assert (await server.call(token=server.issuer.token(aud=None))).status_code == 401
        assert (await server.call(token=server.issuer.token(iss="https://second.example"))).status_code == 401


async def test_no_log_shows_a_token(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    tokens = [server.issuer.token(), server.issuer.token(exp=NOW), server.issuer.token({"kid": "unheard-of"})]
    call = {"name": "whoami", "arguments": dict[str, str]()}
    responses = [await server.call("tools/call", call, token=token) for token in (*tokens, "opaque-canary")]
    shown = caplog.text + "".join(response.text + str(response.headers) for response in responses)
    assert "Access token refused: expired" in caplog.text
    for token in tokens:
        assert token not in shown
        assert token.rpartition(".")[2] not in shown
    assert "opaque-canary" not in shown
