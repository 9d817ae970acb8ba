import json
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
from bridge_kit import (
    CALLBACK,
    CONFIDENTIAL,
    DOMAIN,
    KEY,
    READ,
    RESOURCE,
    SECRET,
    VERIFIER,
    WRITE,
    Clock,
    browser,
    code_of,
    exchange,
    request_of,
)

from mcp_demo.bridge.envelope import Envelopes
from mcp_demo.bridge.payloads import RefreshGrant
from mcp_demo.oauth import pkce
from mcp_demo.registry.model import Client, hash_secret

Upstream = Callable[[httpx.Request], httpx.Response]
POST = Client(
    client_id="poster",
    redirect_uris=("https://app.example/cb",),
    token_endpoint_auth_method="client_secret_post",
    secret_hash=hash_secret(SECRET),
)


def refresh_token(**changes: Any) -> str:
    grant = RefreshGrant(
        refresh_token="upstream-refresh",
        family="f",
        generation=0,
        expires=2e9,
        client_id="app",
        scopes=(READ, WRITE),
        resource=RESOURCE,
    )
    return Envelopes([KEY]).seal(grant.model_copy(update=changes))


def refresh(token: str, **more: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": token, "client_id": "app", **more}


def refused(response: httpx.Response, error: str, status: int = 400) -> None:
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "password", "client_id": None}, "unsupported_grant_type"),
        ({"code": None}, "invalid_request"),
        ({"code": "bogus"}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"code_verifier": pkce.new_verifier()}, "invalid_grant"),
        ({"redirect_uri": CALLBACK + "/"}, "invalid_grant"),
        ({"redirect_uri": "http://localhost:3999/callback"}, "invalid_grant"),
        ({"resource": "https://other.example/mcp"}, "invalid_target"),
        ({"resource": f"{RESOURCE}#x"}, "invalid_target"),
    ],
)
async def test_a_wrong_code_exchange_is_refused_before_the_user_pool_hears_of_it(
    changes: dict[str, str | None], error: str
) -> None:
    async with browser() as visit:
        code = await code_of(visit)
        refused(await visit.post("/token", data=exchange(code, **changes)), error)


async def test_a_code_of_one_client_is_worthless_to_another() -> None:
    async with browser(clients=(Client(client_id="app", redirect_uris=(CALLBACK,)), POST)) as visit:
        form = exchange(await code_of(visit), client_id="poster", client_secret=SECRET)
        refused(await visit.post("/token", data=form), "invalid_grant")


@pytest.mark.parametrize(("seconds", "reaches_the_pool"), [(299, True), (300, False)])
async def test_a_code_is_good_for_five_minutes(seconds: int, reaches_the_pool: bool) -> None:
    clock = Clock()
    asked: list[httpx.Request] = []

    def upstream(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(400, json={"error": "invalid_grant"})

    async with browser(clock=clock, upstream=upstream) as visit:
        code = await code_of(visit)
        clock.now += seconds
        refused(await visit.post("/token", data=exchange(code)), "invalid_grant")
    assert bool(asked) is reaches_the_pool


async def test_the_user_pool_gets_the_verifier_the_bridges_secret_and_nothing_of_the_client() -> None:
    asked: list[httpx.Request] = []

    def upstream(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(400, json={"error": "invalid_grant", "error_description": "internals"})

    async with browser(upstream=upstream) as visit:
        response = await visit.post("/token", data=exchange(await code_of(visit)))
    refused(response, "invalid_grant")
    assert "internals" not in response.text
    assert str(asked[0].url) == f"{DOMAIN}/oauth2/token"
    assert asked[0].headers["authorization"] == "Basic " + b64encode(b"bridge-client:bridge-secret").decode()
    form = dict(httpx.QueryParams(asked[0].content.decode()))
    assert form == {
        "grant_type": "authorization_code",
        "code": "upstream-code",
        "redirect_uri": "http://localhost:3004/callback",
        "code_verifier": VERIFIER,
    }


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + b64encode(f"{client_id}:{secret}".encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "form", "error", "status"),
    [
        (basic("confidential", "wrong"), {"client_id": None}, "invalid_client", 401),
        (basic("confidential", SECRET), {"client_id": None}, "invalid_grant", 400),
        (basic("confidential", SECRET), {"client_id": "confidential"}, "invalid_grant", 400),
        (basic("confidential", SECRET), {"client_id": "app"}, "invalid_request", 400),
        (basic("confidential", SECRET), {"client_id": None, "client_secret": SECRET}, "invalid_request", 400),
        (basic("app", SECRET), {"client_id": None}, "invalid_client", 401),
        ({"authorization": "Bearer x"}, {"client_id": None}, "invalid_client", 401),
        ({"authorization": "Basic !!"}, {"client_id": None}, "invalid_client", 401),
        ({}, {"client_id": "confidential"}, "invalid_client", 401),
        ({}, {"client_id": "confidential", "client_secret": SECRET}, "invalid_client", 401),
        ({}, {"client_id": "poster", "client_secret": SECRET}, "invalid_grant", 400),
        ({}, {"client_id": "poster", "client_secret": "wrong"}, "invalid_client", 401),
        ({}, {"client_id": None}, "invalid_client", 401),
        ({}, {"client_id": "unknown"}, "invalid_client", 401),
        ({}, {"client_id": "app", "client_secret": "x"}, "invalid_client", 401),
    ],
)
async def test_a_client_authenticates_by_its_own_method_and_no_other(
    headers: dict[str, str], form: dict[str, str | None], error: str, status: int
) -> None:
    app = Client(client_id="app", redirect_uris=(CALLBACK,))
    async with browser(clients=(app, CONFIDENTIAL, POST)) as visit:
        response = await visit.post("/token", data=exchange("bogus", **form), headers=headers)
    refused(response, error, status)
    assert ("www-authenticate" in response.headers) == (status == 401 and bool(headers))


async def test_a_client_without_the_refresh_grant_cannot_refresh() -> None:
    client = Client(client_id="app", redirect_uris=(CALLBACK,), grant_types=("authorization_code",))
    async with browser(clients=(client,)) as visit:
        refused(await visit.post("/token", data=refresh(refresh_token())), "unauthorized_client")


@pytest.mark.parametrize(
    ("token", "more", "error"),
    [
        ("bogus", {}, "invalid_grant"),
        (refresh_token(client_id="confidential"), {}, "invalid_grant"),
        (refresh_token(), {"resource": "https://other.example"}, "invalid_target"),
        (refresh_token(scopes=(READ,)), {"scope": f"{READ} {WRITE}"}, "invalid_scope"),
        (refresh_token(), {"scope": READ}, "invalid_scope"),
        (refresh_token(), {"scope": "nonsense"}, "invalid_scope"),
    ],
)
async def test_a_refresh_token_works_for_its_client_resource_and_scopes_only(
    token: str, more: dict[str, str], error: str
) -> None:
    async with browser() as visit:
        refused(await visit.post("/token", data=refresh(token, **more)), error)


async def test_a_code_is_no_refresh_token_and_a_refresh_token_no_code() -> None:
    async with browser() as visit:
        code = await code_of(visit)
        refused(await visit.post("/token", data=refresh(code)), "invalid_grant")
        refused(await visit.post("/token", data=exchange(refresh_token())), "invalid_grant")


@pytest.mark.parametrize("name", ["code", "client_id", "grant_type", "code_verifier", "redirect_uri"])
async def test_repeated_parameters_are_refused(name: str) -> None:
    async with browser() as visit:
        form = exchange("bogus")
        response = await visit.post("/token", data={**form, name: [form[name], "again"]})
    refused(response, "invalid_request")


async def test_what_is_no_form_post_is_refused_in_json() -> None:
    async with browser() as visit:
        text = await visit.post("/token", content="grant_type=password", headers={"content-type": "text/plain"})
        refused(text, "invalid_request")
        refused(await visit.post("/token", json=exchange("x")), "invalid_request")
        refused(await visit.post("/token", data={"code": "x" * 40_000}), "invalid_request", 413)
        get = await visit.get("/token")
    refused(get, "invalid_request", 405)
    assert get.headers["allow"] == "POST"


def broken_connection(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def always(answered: httpx.Response) -> Upstream:
    return lambda request: answered


@pytest.mark.parametrize(
    ("upstream", "error", "status"),
    [
        (broken_connection, "temporarily_unavailable", 503),
        (always(httpx.Response(500, text="<html>oops</html>")), "temporarily_unavailable", 503),
        (always(httpx.Response(429, json={"error": "TooManyRequests"})), "temporarily_unavailable", 503),
        (always(httpx.Response(200, text="<html>maintenance</html>")), "server_error", 502),
        (always(httpx.Response(302, headers={"location": "https://evil.example"})), "server_error", 502),
        (always(httpx.Response(200, json={"token_type": "Bearer"})), "server_error", 502),
        (always(httpx.Response(200, json=["x"])), "server_error", 502),
        (always(httpx.Response(401, json={"error": "invalid_client"})), "server_error", 500),
    ],
)
@pytest.mark.parametrize("grant", ["code", "refresh"])
async def test_a_failing_user_pool_is_named_in_json_with_the_right_status(
    upstream: Upstream, error: str, status: int, grant: str
) -> None:
    async with browser(upstream=upstream) as visit:
        form = exchange(await code_of(visit)) if grant == "code" else refresh(refresh_token())
        refused(await visit.post("/token", data=form), error, status)


async def test_a_user_pool_that_never_answers_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_demo.bridge.upstream._SECONDS", 0.05)

    async def upstream(request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    async with browser(upstream=upstream) as visit:  # pyright: ignore[reportArgumentType]
        response = await visit.post("/token", data=refresh(refresh_token()))
    refused(response, "temporarily_unavailable", 503)
    assert response.headers["retry-after"] == "2"


def token_with(scope: str) -> str:
    payload = urlsafe_b64encode(json.dumps({"scope": scope}).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.c2ln"


async def test_a_token_with_more_than_was_agreed_to_is_not_handed_out() -> None:
    wide = token_with(f"{READ} {WRITE}")
    async with browser(
        upstream=lambda _: httpx.Response(200, json={"access_token": wide, "token_type": "Bearer"})
    ) as v:
        code = await code_of(v, request_of(scope=READ))
        response = await v.post("/token", data=exchange(code))
    refused(response, "server_error", 500)
    assert wide not in response.text


async def test_a_crash_is_answered_in_json_too() -> None:
    def upstream(request: httpx.Request) -> httpx.Response:
        raise RuntimeError(secrets.token_hex(8))

    async with browser(upstream=upstream) as visit:
        refused(await visit.post("/token", data=refresh(refresh_token())), "server_error", 500)


async def test_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="mcp_demo")
    async with browser(upstream=broken_connection) as visit:
        code = await code_of(visit)
        await visit.post("/token", data=exchange(code))
        await visit.post("/token", data=exchange(code, code_verifier=pkce.new_verifier()))
        await visit.post("/token", data=exchange(code, client_id="confidential"), headers=basic("x", SECRET))
        await visit.get("/callback", params={"code": "upstream-code", "state": "client-state"})
    assert caplog.records
    for secret in (code, VERIFIER, SECRET, "upstream-code", "bridge-secret", "client-state"):
        assert secret not in caplog.text
