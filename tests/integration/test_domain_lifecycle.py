"""Revocation, rotation, sign-out everywhere, client credentials and native registration over a real MiniStack."""

import asyncio
from collections.abc import Generator
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from domain_harness import (
    ADMIN,
    CALLBACK,
    OTHER_READ,
    READ,
    RESOURCE,
    WRITE,
    Browser,
    Clock,
    Harness,
    answer,
    claims_of,
    make_client,
    running_harness,
)
from fastapi import FastAPI

from mcp_demo.settings import NativeRegistration

REGISTER = "aws.cognito/dcr/register"


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Generator[Harness]:
    with running_harness(tmp_path_factory.mktemp("aws")) as made:
        yield made


@pytest.fixture(scope="module")
def app(harness: Harness) -> FastAPI:
    return harness.app()


@pytest.fixture
def browser(app: FastAPI, harness: Harness) -> Browser:
    return Browser(app, harness.public)


async def refresh(browser: Browser, token: str) -> httpx.Response:
    return await browser.token(grant_type="refresh_token", refresh_token=token)


# ── revocation ───────────────────────────────────────────────────────────────


async def test_a_revoked_refresh_token_takes_its_access_tokens_with_it(harness: Harness, browser: Browser) -> None:
    tokens = await browser.tokens(harness.add_user(), scope=f"openid {ADMIN}")
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await browser.http.get("/oauth2/userInfo", headers=bearer)).status_code == 200
    form = {"token": tokens["refresh_token"], "client_id": browser.client_id}
    for _ in range(2):  # the second time it is an unknown token, which is fine too
        response = await browser.http.post("/oauth2/revoke", data=form)
        assert (response.status_code, response.content) == (200, b"")
    assert (await refresh(browser, tokens["refresh_token"])).json() == {"error": "invalid_grant"}
    assert (await browser.http.get("/oauth2/userInfo", headers=bearer)).status_code == 401
    with pytest.raises(ClientError, match="revoked"):
        harness.api.get_user(AccessToken=tokens["access_token"])


async def test_another_grant_of_the_same_user_survives_a_revocation(harness: Harness, browser: Browser) -> None:
    name = harness.add_user()
    first, second = await browser.tokens(name), await browser.tokens(name, prompt="login")
    await browser.http.post("/oauth2/revoke", data={"token": first["refresh_token"], "client_id": browser.client_id})
    assert (await refresh(browser, second["refresh_token"])).status_code == 200


async def test_revocation_gives_the_documented_refusals(harness: Harness, browser: Browser) -> None:
    tokens = await browser.tokens(harness.add_user())
    fixed, _ = make_client(harness.api, harness.settings.user_pool_id, EnableTokenRevocation=False)
    for form, status, error in (
        ({"client_id": browser.client_id}, 400, "invalid_request"),
        ({"client_id": fixed, "token": "x"}, 400, "invalid_request"),
        ({"client_id": browser.client_id, "token": tokens["access_token"]}, 400, "unsupported_token_type"),
        ({"client_id": "unknown", "token": "x"}, 401, "invalid_client"),
        ({"client_id": harness.confidential, "client_secret": "wrong", "token": "x"}, 401, "invalid_client"),
    ):
        response = await browser.http.post("/oauth2/revoke", data=form)
        assert (response.status_code, response.json()) == (status, {"error": error})


async def test_a_client_cannot_revoke_the_token_of_another(harness: Harness, browser: Browser) -> None:
    tokens = await browser.tokens(harness.add_user())
    form = {"client_id": harness.confidential, "client_secret": harness.secret, "token": tokens["refresh_token"]}
    assert (await browser.http.post("/oauth2/revoke", data=form)).status_code == 200
    assert (await refresh(browser, tokens["refresh_token"])).status_code == 200


async def test_signing_out_everywhere_ends_refresh_tokens_and_user_info(harness: Harness, browser: Browser) -> None:
    name = harness.add_user()
    tokens = await browser.tokens(name)
    harness.api.admin_user_global_sign_out(UserPoolId=harness.settings.user_pool_id, Username=name)
    assert (await refresh(browser, tokens["refresh_token"])).json() == {"error": "invalid_grant"}
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await browser.http.get("/oauth2/userInfo", headers=bearer)).status_code == 401


# ── rotation ─────────────────────────────────────────────────────────────────


async def test_with_rotation_each_refresh_gives_a_new_token_with_the_old_expiry(harness: Harness) -> None:
    clock = Clock()
    client_id, _ = make_client(
        harness.api,
        harness.settings.user_pool_id,
        RefreshTokenValidity=1,
        TokenValidityUnits={"RefreshToken": "hours"},
    )
    browser = Browser(harness.app(clock, rotation={client_id: 0}), client_id)
    token = (await browser.tokens(harness.add_user()))["refresh_token"]
    for _ in range(3):
        clock.now += 1000
        successor = (await refresh(browser, token)).json()["refresh_token"]
        assert successor != token
        assert (await refresh(browser, token)).json() == {"error": "invalid_grant"}  # replay
        token = successor  # and the family lives on
    clock.now += 600
    assert (await refresh(browser, token)).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize(("wait", "status"), [(29, 200), (30, 400), (31, 400)])
async def test_a_rotated_token_works_for_its_grace_and_no_longer(harness: Harness, wait: int, status: int) -> None:
    clock = Clock()
    browser = Browser(harness.app(clock, rotation={harness.public: 30}), harness.public)
    token = (await browser.tokens(harness.add_user()))["refresh_token"]
    successor = (await refresh(browser, token)).json()["refresh_token"]
    clock.now += wait
    assert (await refresh(browser, token)).status_code == status
    assert (await refresh(browser, successor)).status_code == 200  # a late replay does not kill the family


async def test_using_a_rotated_token_does_not_prolong_its_grace(harness: Harness) -> None:
    clock = Clock()
    browser = Browser(harness.app(clock, rotation={harness.public: 30}), harness.public)
    token = (await browser.tokens(harness.add_user()))["refresh_token"]
    for _ in range(3):
        assert (await refresh(browser, token)).status_code == 200
        clock.now += 10
    assert (await refresh(browser, token)).status_code == 400


async def test_without_grace_one_of_many_parallel_refreshes_wins(harness: Harness) -> None:
    browser = Browser(harness.app(rotation={harness.public: 0}), harness.public)
    token = (await browser.tokens(harness.add_user()))["refresh_token"]
    responses = await asyncio.gather(*(refresh(browser, token) for _ in range(10)))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 9


async def test_revoking_one_token_of_a_rotating_family_ends_it(harness: Harness) -> None:
    browser = Browser(harness.app(rotation={harness.public: 30}), harness.public)
    token = (await browser.tokens(harness.add_user()))["refresh_token"]
    successor = (await refresh(browser, token)).json()["refresh_token"]
    await browser.http.post("/oauth2/revoke", data={"token": token, "client_id": harness.public})
    assert (await refresh(browser, successor)).status_code == 400


# ── client credentials ───────────────────────────────────────────────────────


def machine_client(harness: Harness, **changes: Any) -> tuple[str, str]:
    machine = {"GenerateSecret": True, "AllowedOAuthFlows": ["client_credentials"], "AllowedOAuthScopes": [READ, WRITE]}
    return make_client(harness.api, harness.settings.user_pool_id, **{**machine, **changes})


async def test_a_client_gets_a_token_of_its_own_without_user_and_audience(harness: Harness, browser: Browser) -> None:
    client_id, secret = machine_client(harness)
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    answered = (await browser.token(**form, resource=RESOURCE)).json()
    assert answered.keys() == {"access_token", "expires_in", "token_type"}
    claims = claims_of(answered["access_token"])
    assert (claims["sub"], claims["client_id"], claims["token_use"]) == (client_id, client_id, "access")
    assert claims["scope"].split() == [READ, WRITE]
    assert {"username", "aud", "origin_jti"}.isdisjoint(claims)
    narrow = claims_of((await browser.token(**form, scope=READ)).json()["access_token"])
    assert narrow["scope"] == READ
    bearer = {"Authorization": f"Bearer {answered['access_token']}"}
    assert (await browser.http.get("/oauth2/userInfo", headers=bearer)).status_code == 401


async def test_client_credentials_are_refused_to_other_clients_and_for_other_scopes(
    harness: Harness, browser: Browser
) -> None:
    client_id, secret = machine_client(harness)
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    for scope in ("openid", OTHER_READ, "unknown/read"):
        assert (await browser.token(**form, scope=scope)).json() == {"error": "invalid_scope"}
    for other in ({"client_id": harness.public}, {"client_id": harness.confidential, "client_secret": harness.secret}):
        response = await browser.token(grant_type="client_credentials", **other)
        assert response.json() == {"error": "unauthorized_client"}
    assert (await browser.token(**{**form, "client_secret": "wrong"})).json() == {"error": "invalid_client"}


# ── native registration ──────────────────────────────────────────────────────


async def register(app: FastAPI, token: str | None = None, **metadata: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    given = {"redirect_uris": ["http://localhost:6274/oauth/callback"], "client_name": "Inspector", **metadata}
    return await Browser(app, "").http.post("/oauth2/register", json=given, headers=headers)


async def test_native_registration_is_off_unless_configured(app: FastAPI) -> None:
    assert (await register(app)).status_code == 404


async def test_an_openly_registered_client_can_sign_people_in(harness: Harness) -> None:
    app = harness.app(native_registration=NativeRegistration(open=True, allowed_scopes=[READ]))
    response = await register(app, token_endpoint_auth_method="none", scope=f"openid {READ}")
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    made = response.json()
    assert "client_secret" not in made
    assert made["scope"] == f"openid {READ}"
    browser = Browser(app, made["client_id"])
    signed_in = await browser.sign_in(
        harness.add_user(), redirect_uri="http://localhost:6274/oauth/callback", scope=f"openid {READ}"
    )
    assert "code" in answer(signed_in, "http://localhost:6274/oauth/callback")


async def test_registration_with_an_initial_access_token(harness: Harness) -> None:
    app = harness.app(native_registration=NativeRegistration(allowed_scopes=[READ]))
    assert (await register(app)).status_code == 401
    client_id, secret = machine_client(harness, AllowedOAuthScopes=[REGISTER])
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    browser = Browser(app, client_id)
    token = (await browser.token(**form)).json()["access_token"]
    made = (await register(app, token, grant_types=["client_credentials"], redirect_uris=[])).json()
    assert made["client_secret_expires_at"] == 0
    machine = {
        "grant_type": "client_credentials",
        "client_id": made["client_id"],
        "client_secret": made["client_secret"],
    }
    assert claims_of((await browser.token(**machine)).json()["access_token"])["scope"] == READ
    other_id, other_secret = machine_client(harness)
    form = {"grant_type": "client_credentials", "client_id": other_id, "client_secret": other_secret}
    wrong = (await browser.token(**form)).json()["access_token"]
    for refused in (wrong, "not-a-token"):
        response = await register(app, refused)
        assert response.status_code == 401
        assert "invalid_token" in response.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://evil.example/"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [CALLBACK, "https://a.example/#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https:///nowhere"]}, "invalid_redirect_uri"),
        ({"redirect_uris": "https://a.example/"}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK] * 101}, "invalid_client_metadata"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"grant_types": ["refresh_token"]}, "invalid_client_metadata"),
        ({"grant_types": []}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"scope": f"openid {WRITE}"}, "invalid_client_metadata"),
        ({"client_name": "<script>"}, "invalid_client_metadata"),
        ({"client_name": "x" * 129}, "invalid_client_metadata"),
        ({"client_name": "x" * 70_000}, "invalid_client_metadata"),
    ],
)
async def test_registrations_get_the_error_of_rfc_7591(harness: Harness, metadata: dict[str, Any], error: str) -> None:
    app = harness.app(native_registration=NativeRegistration(open=True, allowed_scopes=[READ]))
    response = await register(app, **metadata)
    assert (response.status_code, response.json()["error"]) == (400, error)
