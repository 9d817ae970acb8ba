"""The user-pool domain over a real MiniStack: sign-in, codes, tokens, and every documented refusal."""

import asyncio
import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from domain_harness import (
    ADMIN,
    CALLBACK,
    DOMAIN,
    OTHER_READ,
    OTHER_RESOURCE,
    READ,
    RESOURCE,
    SIGNED_OUT,
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
from joserfc import jwt
from joserfc.jwk import KeySet

from mcp_demo.errors import SetupError
from mcp_demo.local.domain.app import create_app
from mcp_demo.oauth import pkce
from mcp_demo.oauth.token import client_authentication
from mcp_demo.settings import DomainSettings


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


async def test_a_sign_in_gives_a_code_and_the_code_gives_tokens(harness: Harness, browser: Browser) -> None:
    name = harness.add_user()
    response = await browser.sign_in(name)
    assert answer(response).keys() == {"code", "state"}  # no `iss`: Cognito sends none
    assert answer(response)["state"] == "a state/+&"
    tokens = (await browser.exchange(answer(response)["code"])).json()
    assert tokens.keys() == {"access_token", "refresh_token", "id_token", "token_type", "expires_in"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 3600)


async def test_the_access_token_has_the_claims_of_cognito(harness: Harness, browser: Browser) -> None:
    name = harness.add_user()
    access = claims_of((await browser.tokens(name))["access_token"])
    assert access.keys() == {
        *("sub", "iss", "version", "client_id", "origin_jti", "event_id", "token_use", "scope"),
        *("auth_time", "exp", "iat", "jti", "username", "aud"),
    }
    assert access["iss"] == harness.settings.issuer
    assert (access["token_use"], access["version"], access["username"]) == ("access", 2, name)
    assert (access["client_id"], access["aud"]) == (harness.public, RESOURCE)
    assert access["scope"].split() == ["openid", "email", READ]
    assert access["exp"] - access["iat"] == 3600


async def test_the_id_token_has_the_claims_of_cognito(harness: Harness, browser: Browser) -> None:
    name = harness.add_user()
    tokens = await browser.tokens(name, nonce="n-1")
    identity = claims_of(tokens["id_token"])
    assert (identity["aud"], identity["token_use"], identity["nonce"]) == (harness.public, "id", "n-1")
    assert (identity["cognito:username"], identity["email"]) == (name, f"{name}@example.com")
    assert identity["email_verified"] is True
    left = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert identity["at_hash"] == urlsafe_b64encode(left).rstrip(b"=").decode()
    assert identity["origin_jti"] == claims_of(tokens["access_token"])["origin_jti"]


async def test_the_jwks_of_the_pool_verifies_both_tokens(harness: Harness, browser: Browser) -> None:
    tokens = await browser.tokens(harness.add_user())
    pool = harness.settings.user_pool_id
    keys = KeySet.import_key_set(httpx.get(f"{harness.ministack.endpoint}/{pool}/.well-known/jwks.json").json())
    kids = {jwt.decode(tokens[kind], keys, algorithms=["RS256"]).header["kid"] for kind in ("access_token", "id_token")}
    assert len(kids) == 2  # a key of its own for each kind, as in Cognito


async def test_get_user_of_the_pool_accepts_our_access_token(harness: Harness, browser: Browser) -> None:
    name = harness.add_user()
    tokens = await browser.tokens(name, scope=f"openid {ADMIN}")
    assert harness.api.get_user(AccessToken=tokens["access_token"])["Username"] == name


async def test_no_id_token_without_openid(harness: Harness, browser: Browser) -> None:
    assert "id_token" not in await browser.tokens(harness.add_user(), scope=READ)


async def test_openid_alone_shows_all_attributes_and_profile_only_its_own(harness: Harness, browser: Browser) -> None:
    name = harness.add_user(given_name="Ada")
    identity = claims_of((await browser.tokens(name, scope="openid"))["id_token"])
    assert (identity["given_name"], identity["email"]) == ("Ada", f"{name}@example.com")
    identity = claims_of(
        (await Browser(harness.app(), harness.public).tokens(name, scope="openid profile"))["id_token"]
    )
    assert identity["given_name"] == "Ada"
    assert "email" not in identity


# ── resource binding ─────────────────────────────────────────────────────────


async def test_without_resource_the_access_token_has_no_audience(harness: Harness, browser: Browser) -> None:
    assert "aud" not in claims_of((await browser.tokens(harness.add_user(), resource=None))["access_token"])


async def test_a_refresh_keeps_audience_scope_and_origin(harness: Harness, browser: Browser) -> None:
    first = await browser.tokens(harness.add_user())
    response = await browser.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert response.json().keys() == {"access_token", "id_token", "token_type", "expires_in"}
    old, new = claims_of(first["access_token"]), claims_of(response.json()["access_token"])
    kept = ("aud", "scope", "origin_jti", "auth_time", "client_id", "sub")
    assert [old[name] for name in kept] == [new[name] for name in kept]
    assert old["jti"] != new["jti"]


async def test_an_unregistered_resource_gives_a_code_whose_exchange_fails(harness: Harness, browser: Browser) -> None:
    for resource in ("https://unknown.example/mcp", RESOURCE + "/", RESOURCE.upper()):
        code = await browser.code(harness.add_user(), resource=resource, prompt="login")
        assert_json_error(await browser.exchange(code), "invalid_grant")


async def test_a_custom_scope_must_belong_to_the_resource(browser: Browser) -> None:
    refused = answer(await browser.authorize(scope=f"openid {READ} {OTHER_READ}"))
    assert (refused["error"], refused["state"]) == ("invalid_request", "a state/+&")


async def test_without_scope_all_of_the_clients_that_fit_the_resource_are_granted(
    harness: Harness, browser: Browser
) -> None:
    access = claims_of((await browser.tokens(harness.add_user(), scope=None))["access_token"])
    assert set(access["scope"].split()) == {"openid", "email", "profile", ADMIN, READ, WRITE}
    browser = Browser(harness.app(), harness.public)
    tokens = await browser.tokens(harness.add_user(), scope=None, resource=OTHER_RESOURCE)
    assert OTHER_READ in claims_of(tokens["access_token"])["scope"].split()


# ── refusals of the authorization endpoint ───────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "id_token"}, "invalid_request"),
        ({"response_type": "token"}, "unauthorized_client"),
        ({"scope": "openid unknown/read"}, "invalid_scope"),
        ({"scope": "openid offline_access"}, "invalid_scope"),
        ({"scope": "openid phone"}, "invalid_scope"),
        ({"scope": "email"}, "invalid_scope"),
        ({"scope": 'openid "'}, "invalid_scope"),
        ({"code_challenge": "A" * 43}, "invalid_request"),
        ({"code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge": "A" * 43, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
async def test_errors_go_to_the_redirect_uri_once_it_is_known_good(
    browser: Browser, changes: dict[str, str | None], error: str
) -> None:
    refused = answer(await browser.authorize(**changes))
    assert (refused["error"], refused["state"]) == (error, "a state/+&")
    assert refused["error_description"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": None}, "redirect_mismatch"),
        ({"redirect_uri": CALLBACK + "/"}, "redirect_mismatch"),
        ({"redirect_uri": CALLBACK.replace("3004", "3005")}, "redirect_mismatch"),
        ({"redirect_uri": CALLBACK.replace("localhost", "127.0.0.1")}, "redirect_mismatch"),
        ({"redirect_uri": "https://evil.example/"}, "redirect_mismatch"),
        ({"client_id": None}, "invalid_client"),
        ({"client_id": "unknown"}, "invalid_client"),
        ({"client_id": "../<script>"}, "invalid_client"),
    ],
)
@pytest.mark.parametrize("path", ["/oauth2/authorize", "/login", "/logout"])
async def test_nothing_is_sent_to_an_address_that_is_not_registered(
    browser: Browser, changes: dict[str, str | None], error: str, path: str
) -> None:
    request = {"response_type": "code", "client_id": browser.client_id, "redirect_uri": CALLBACK}
    response = await browser.get(path, **{**request, **changes})
    assert response.status_code == 400
    assert "location" not in response.headers
    assert error in response.text
    assert "<script>" not in response.text


async def test_a_repeated_parameter_is_refused_without_a_redirect(browser: Browser) -> None:
    response = await browser.http.get(
        "/oauth2/authorize",
        params=[("client_id", browser.client_id), ("redirect_uri", CALLBACK), ("redirect_uri", "https://evil.example")],
    )
    assert (response.status_code, "location" in response.headers) == (400, False)


# ── the sign-in page ─────────────────────────────────────────────────────────


async def test_every_page_says_that_it_is_a_stand_in_and_not_aws(browser: Browser) -> None:
    await browser.authorize()
    for response in (await browser.follow(), await browser.authorize(client_id="unknown")):
        assert "Local stand-in" in response.text
        assert "not AWS" in response.text
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert response.headers["cache-control"] == "no-store"


async def test_a_wrong_password_and_an_unknown_user_look_the_same(harness: Harness, browser: Browser) -> None:
    name = harness.add_user()
    texts: list[str] = []
    for username in (name, "nobody-of-that-name"):
        response = await browser.sign_in(username, "Wrong-horse-7")
        assert response.status_code == 400
        assert "The username or the password is wrong." in response.text
        csrf = response.text.split('name="csrf" value="')[1].split('"')[0]
        nonce = response.text.split('<style nonce="')[1].split('"')[0]
        texts.append(response.text.replace(username, "NAME").replace(csrf, "").replace(nonce, ""))
    assert texts[0] == texts[1]
    assert answer(await browser.submit(username=name, password="Correct-horse-7"))["code"]


async def test_markup_in_names_stays_text(harness: Harness, browser: Browser) -> None:
    response = await browser.sign_in('"><script>alert(1)</script>', "x")
    assert "<script>" not in response.text
    assert "A &lt;b&gt;client&lt;/b&gt;" in response.text


async def test_a_form_from_another_browser_is_refused(harness: Harness, browser: Browser) -> None:
    name = harness.add_user()
    await browser.authorize()
    await browser.follow()
    victim = Browser(harness.app(), harness.public)
    await victim.authorize()
    await victim.follow()
    victim.page = browser.page  # the attacker's form, the victim's cookie
    response = await victim.submit(username=name, password="Correct-horse-7")
    assert (response.status_code, "location" in response.headers) == (400, False)
    assert "set-cookie" not in response.headers


async def test_a_session_signs_in_without_a_page_for_an_hour(harness: Harness) -> None:
    clock = Clock()
    browser = Browser(harness.app(clock), harness.public)
    await browser.sign_in(harness.add_user())
    clock.now += 3599
    assert "code" in answer(await browser.authorize())
    clock.now += 1
    response = await browser.authorize()
    assert response.headers["location"].startswith("/login?")


async def test_prompt_login_shows_the_page_although_somebody_is_signed_in(harness: Harness, browser: Browser) -> None:
    await browser.sign_in(harness.add_user())
    assert (await browser.authorize(prompt="login")).headers["location"].startswith("/login?")


async def test_the_session_cookie_is_new_at_each_sign_in_and_closed_to_scripts(
    harness: Harness, browser: Browser
) -> None:
    name = harness.add_user()
    browser.http.cookies.set("mcp-demo-domain", "planted", domain="localhost.local")
    first = (await browser.sign_in(name)).headers["set-cookie"]
    second = (await browser.sign_in(name, prompt="login")).headers["set-cookie"]
    assert first != second
    assert "planted" not in first
    assert "HttpOnly" in first
    assert "SameSite=lax" in first


async def test_a_session_ends_when_its_user_is_disabled(harness: Harness, browser: Browser) -> None:
    name = harness.add_user()
    tokens = await browser.tokens(name)
    harness.api.admin_disable_user(UserPoolId=harness.settings.user_pool_id, Username=name)
    assert (await browser.authorize()).headers["location"].startswith("/login?")
    refreshed = await browser.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert_json_error(refreshed, "invalid_grant")


async def test_login_hint_fills_the_name(browser: Browser) -> None:
    await browser.authorize(login_hint="ada")
    assert 'value="ada"' in (await browser.follow()).text


async def test_logout_goes_to_registered_urls_only_and_ends_the_session(harness: Harness, browser: Browser) -> None:
    await browser.sign_in(harness.add_user())
    response = await browser.get("/logout", client_id=browser.client_id, logout_uri="https://evil.example/")
    assert (response.status_code, "location" in response.headers) == (400, False)
    assert answer(await browser.get("/logout", client_id=browser.client_id, logout_uri=SIGNED_OUT), SIGNED_OUT) == {}
    assert (await browser.authorize()).headers["location"].startswith("/login?")


async def test_logout_with_redirect_uri_goes_to_the_sign_in_page(harness: Harness, browser: Browser) -> None:
    await browser.sign_in(harness.add_user())
    response = await browser.get(
        "/logout", client_id=browser.client_id, redirect_uri=CALLBACK, response_type="code", state="s"
    )
    assert response.headers["location"].startswith("/login?")
    assert (await browser.follow()).status_code == 200


# ── the token endpoint ───────────────────────────────────────────────────────


def assert_json_error(response: httpx.Response, error: str) -> None:
    assert response.status_code == 400
    assert response.json() == {"error": error}
    assert response.headers["cache-control"] == "no-store"


async def test_of_fifty_redemptions_of_a_code_at_once_one_wins(harness: Harness, browser: Browser) -> None:
    code = await browser.code(harness.add_user())
    responses = await asyncio.gather(*(browser.exchange(code) for _ in range(50)))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 49


async def test_a_code_lives_for_five_minutes(harness: Harness) -> None:
    clock = Clock()
    browser = Browser(harness.app(clock), harness.public)
    name = harness.add_user()
    for age, status in ((299, 200), (300, 400), (301, 400)):
        code = await browser.code(name, prompt="login")
        clock.now += age
        assert (await browser.exchange(code)).status_code == status


async def test_a_code_goes_to_its_own_client_with_its_own_redirect_uri(harness: Harness, browser: Browser) -> None:
    code = await browser.code(harness.add_user())
    other = await browser.exchange(code, client_id=harness.confidential, client_secret=harness.secret)
    assert_json_error(other, "invalid_grant")
    assert_json_error(await browser.exchange(code, redirect_uri=CALLBACK + "/"), "invalid_grant")


async def test_pkce_is_verified_and_a_failed_attempt_spends_the_code(harness: Harness, browser: Browser) -> None:
    verifier = pkce.new_verifier()
    challenge = {"code_challenge": pkce.challenge(verifier), "code_challenge_method": "S256"}
    for wrong in ({}, {"code_verifier": pkce.new_verifier()}, {"code_verifier": "short"}):
        code = await browser.code(harness.add_user(), **challenge, prompt="login")
        assert_json_error(await browser.exchange(code, **wrong), "invalid_grant")
        assert_json_error(await browser.exchange(code, code_verifier=verifier), "invalid_grant")
    code = await browser.code(harness.add_user(), prompt="login")
    assert_json_error(await browser.exchange(code, code_verifier=verifier), "invalid_grant")


async def test_a_client_with_a_secret_shows_it_by_basic_or_post(harness: Harness) -> None:
    browser = Browser(harness.app(), harness.confidential)
    name = harness.add_user()
    code = await browser.code(name, prompt="login")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    basic = await browser.http.post("/oauth2/token", data=form, auth=(harness.confidential, harness.secret))
    assert basic.status_code == 200
    code = await browser.code(name, prompt="login")
    headers, _ = client_authentication("client_secret_basic", harness.confidential, harness.secret)
    assert (await browser.http.post("/oauth2/token", data={**form, "code": code}, headers=headers)).status_code == 200
    code = await browser.code(name, prompt="login")
    assert (await browser.exchange(code, client_secret=harness.secret)).status_code == 200
    for wrong in ({}, {"client_secret": "wrong"}):
        code = await browser.code(name, prompt="login")
        assert_json_error(await browser.exchange(code, **wrong), "invalid_client")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "unknown", "redirect_uri": CALLBACK}, "invalid_grant"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "unknown"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "unknown", "client_id": "unknown"}, "invalid_client"),
        ({"grant_type": "refresh_token", "refresh_token": "u", "client_secret": "of a public one"}, "invalid_client"),
    ],
)
async def test_token_requests_get_the_documented_error(browser: Browser, form: dict[str, str], error: str) -> None:
    assert_json_error(await browser.token(**form), error)


async def test_a_token_request_must_be_a_form(browser: Browser) -> None:
    response = await browser.http.post("/oauth2/token", json={"grant_type": "authorization_code"})
    assert_json_error(response, "invalid_request")
    response = await browser.http.post("/oauth2/token", data={"grant_type": "x" * 70_000})
    assert_json_error(response, "invalid_request")


async def test_a_refresh_token_is_bound_to_its_client(harness: Harness, browser: Browser) -> None:
    tokens = await browser.tokens(harness.add_user())
    response = await browser.token(
        grant_type="refresh_token",
        refresh_token=tokens["refresh_token"],
        client_id=harness.confidential,
        client_secret=harness.secret,
    )
    assert_json_error(response, "invalid_grant")


async def test_lifetimes_are_those_of_the_app_client(harness: Harness) -> None:
    clock = Clock()
    client_id, _ = make_client(
        harness.api,
        harness.settings.user_pool_id,
        AccessTokenValidity=10,
        RefreshTokenValidity=2,
        TokenValidityUnits={"AccessToken": "minutes", "RefreshToken": "hours"},
    )
    browser = Browser(harness.app(clock), client_id)
    tokens = await browser.tokens(harness.add_user())
    assert tokens["expires_in"] == 600
    for age, status in ((7199, 200), (1, 400)):
        clock.now += age
        response = await browser.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        assert response.status_code == status


async def test_a_client_without_the_code_flow_is_refused(harness: Harness) -> None:
    client_id, _ = make_client(harness.api, harness.settings.user_pool_id, AllowedOAuthFlowsUserPoolClient=False)
    assert answer(await Browser(harness.app(), client_id).authorize())["error"] == "unauthorized_client"


# ── user attributes ──────────────────────────────────────────────────────────


async def test_user_info_shows_what_the_scopes_allow(harness: Harness, browser: Browser) -> None:
    name = harness.add_user(given_name="Ada")
    tokens = await browser.tokens(name)
    response = await browser.http.get("/oauth2/userInfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    sub = claims_of(tokens["access_token"])["sub"]
    assert response.json() == {
        "sub": sub,
        "email": f"{name}@example.com",
        "email_verified": "true",
        "username": name,
    }


async def test_user_info_refuses_what_is_not_a_live_access_token_with_openid(harness: Harness) -> None:
    clock = Clock()
    browser = Browser(harness.app(clock), harness.public)
    tokens = await browser.tokens(harness.add_user())
    bare = await browser.tokens(harness.add_user(), scope=READ, prompt="login")
    head, payload, signature = tokens["access_token"].split(".")
    forged = f"{head}.{payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    for token in (tokens["id_token"], bare["access_token"], forged, "not-a-token"):
        response = await browser.http.get("/oauth2/userInfo", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 401
        assert 'error="invalid_token"' in response.headers["www-authenticate"]
    for age, status in ((3599, 200), (1, 401)):
        clock.now += age
        response = await browser.http.get(
            "/oauth2/userInfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}
        )
        assert response.status_code == status
    assert (await browser.get("/oauth2/userInfo")).status_code == 400


# ── loopback only, and restarts ──────────────────────────────────────────────


async def test_other_host_names_are_refused(browser: Browser) -> None:
    for host in ("evil.example", "localhost.evil.example", "10.0.0.1:4567"):
        assert (await browser.http.get("/health", headers={"Host": host})).status_code == 403
    for host in ("localhost:1", "127.0.0.1:4567", "[::1]:4567"):
        assert (await browser.http.get("/health", headers={"Host": host})).json() == {"status": "ok"}


async def test_a_caller_from_elsewhere_is_refused(harness: Harness) -> None:
    transport = httpx.ASGITransport(harness.app(), client=("192.0.2.7", 1234))
    async with httpx.AsyncClient(transport=transport, base_url=DOMAIN) as http:
        assert (await http.get("/health")).status_code == 403


@pytest.mark.parametrize("change", ["domain", "aws_endpoint"])
def test_settings_that_lead_off_this_machine_are_refused(harness: Harness, change: str) -> None:
    settings = harness.settings.model_copy(update={change: "https://p.auth.us-east-1.amazoncognito.com"})
    with pytest.raises(SetupError, match="not on this machine"):
        create_app(settings)


async def test_sessions_and_refresh_tokens_survive_a_restart(harness: Harness, tmp_path: Path) -> None:
    before = Browser(harness.app(state_dir=tmp_path), harness.public)
    tokens = await before.tokens(harness.add_user())
    after = Browser(harness.app(state_dir=tmp_path), harness.public)
    after.http.cookies = before.http.cookies
    assert "code" in answer(await after.authorize())
    refreshed = await after.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refreshed.status_code == 200
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert tokens["refresh_token"].encode() not in kept
    assert all(value.encode() not in kept for value in before.http.cookies.values())


def test_settings_come_from_the_environment(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in harness.settings.model_dump(exclude_none=True).items():
        monkeypatch.setenv(f"MCP_DEMO_{name.upper()}", str(value))
    assert DomainSettings.load() == harness.settings
    assert create_app()
