"""Signing in through an external OpenID Connect provider: another pool's domain plays it, on a real port."""

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from domain_harness import (
    DOMAIN,
    PASSWORD,
    Browser,
    Harness,
    answer,
    claims_of,
    make_client,
    make_harness,
    running_harness,
)
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import RSAKey
from on_a_port import serving

PROVIDER = "Acme"


@dataclass
class Federation:
    """Our pool, the other one, and the other's address."""

    own: Harness
    other: Harness
    other_url: str
    own_client: str
    other_client: str
    other_secret: str


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Generator[Federation]:
    with running_harness(tmp_path_factory.mktemp("aws"), AliasAttributes=["email"]) as own:
        other = make_harness(own.ministack)
        with serving(other.app()) as url:
            yield connect(own, other, url)


def connect(own: Harness, other: Harness, url: str) -> Federation:
    client_id, secret = make_client(
        other.api,
        other.settings.user_pool_id,
        GenerateSecret=True,
        CallbackURLs=[f"{DOMAIN}/oauth2/idpresponse"],
        AllowedOAuthScopes=["openid", "email", "profile"],
    )
    keys = f"{other.ministack.endpoint}/{other.settings.user_pool_id}/.well-known/jwks.json"
    own.api.create_identity_provider(
        UserPoolId=own.settings.user_pool_id,
        ProviderName=PROVIDER,
        ProviderType="OIDC",
        ProviderDetails={
            "client_id": client_id,
            "client_secret": secret,
            "oidc_issuer": other.settings.issuer,
            "authorize_scopes": "openid email profile",
            "attributes_request_method": "GET",
            "authorize_url": f"{url}/oauth2/authorize",
            "token_url": f"{url}/oauth2/token",
            "jwks_uri": keys,
        },
        AttributeMapping={"email": "email", "given_name": "given_name", "username": "sub"},
    )
    own_client, _ = make_client(own.api, own.settings.user_pool_id, SupportedIdentityProviders=["COGNITO", PROVIDER])
    return Federation(own, other, url, own_client, client_id, secret)


@pytest.fixture(scope="module")
def app(federation: Federation) -> FastAPI:
    return federation.own.app()


@pytest.fixture
def browser(app: FastAPI, federation: Federation) -> Browser:
    return Browser(app, federation.own_client)


async def to_the_provider(browser: Browser, **changes: str | None) -> httpx.Response:
    """From the button on our sign-in page to the provider's address."""
    await browser.authorize(**changes)
    page = await browser.follow()
    assert f"Continue with {PROVIDER}" in page.text
    return await browser.authorize(identity_provider=PROVIDER, **changes)


async def at_the_provider(federation: Federation, location: str, username: str) -> str:
    """Sign in there; returns the address that it sends the browser back to."""
    async with httpx.AsyncClient() as http:
        there = Browser(federation.other.app(), "")
        there.http = http
        there.page = await http.get(location)
        there.page = await http.get(federation.other_url + there.page.headers["location"])
        action = federation.other_url + "/login?"
        there.page = httpx.Response(200, text=there.page.text.replace('action="/login?', f'action="{action}'))
        response = await there.submit(username=username, password=PASSWORD)
        return response.headers["location"]


async def test_a_person_signs_in_there_and_gets_a_profile_here(federation: Federation, browser: Browser) -> None:
    name = federation.other.add_user(given_name="Ada")
    response = await to_the_provider(browser)
    query = parse_qs(urlsplit(response.headers["location"]).query)
    assert response.headers["location"].startswith(federation.other_url + "/oauth2/authorize")
    assert query["code_challenge_method"] == ["S256"]
    subs: set[str] = set()
    for _ in range(2):  # the second time the profile is there already
        back = await at_the_provider(federation, response.headers["location"], name)
        tokens = (await browser.exchange(answer(await browser.get(back))["code"])).json()
        identity = claims_of(tokens["id_token"])
        assert identity["cognito:username"].startswith(f"{PROVIDER}_")
        assert identity["email"] == f"{name}@example.com"
        subs.add(identity["sub"])
        response = await to_the_provider(browser, prompt="login")
    assert len(subs) == 1


async def test_a_linked_person_signs_in_to_the_profile_here(federation: Federation, browser: Browser) -> None:
    there, here = federation.other.add_user(), federation.own.add_user()
    other = federation.other
    found = other.api.admin_get_user(UserPoolId=other.settings.user_pool_id, Username=there)["UserAttributes"]
    sub = next(item.get("Value", "") for item in found if item["Name"] == "sub")
    federation.own.api.admin_link_provider_for_user(
        UserPoolId=federation.own.settings.user_pool_id,
        DestinationUser={"ProviderName": "Cognito", "ProviderAttributeValue": here},
        SourceUser={
            "ProviderName": PROVIDER,
            "ProviderAttributeName": "Cognito_Subject",
            "ProviderAttributeValue": sub,
        },
    )
    response = await to_the_provider(browser)
    back = await at_the_provider(federation, response.headers["location"], there)
    tokens = (await browser.exchange(answer(await browser.get(back))["code"])).json()
    assert claims_of(tokens["access_token"])["username"] == here


async def test_who_takes_the_name_of_a_federated_profile_first_gets_nobody_elses_sign_in(
    federation: Federation, browser: Browser
) -> None:
    there, other, own = federation.other.add_user(), federation.other, federation.own
    found = other.api.admin_get_user(UserPoolId=other.settings.user_pool_id, Username=there)["UserAttributes"]
    sub = next(item.get("Value", "") for item in found if item["Name"] == "sub")
    own.api.admin_create_user(
        UserPoolId=own.settings.user_pool_id, Username=f"{PROVIDER}_{sub}", MessageAction="SUPPRESS"
    )
    response = await to_the_provider(browser)
    back = await at_the_provider(federation, response.headers["location"], there)
    assert answer(await browser.get(back))["error"] == "invalid_request"


async def test_the_answer_of_a_provider_works_once_and_in_one_browser(
    app: FastAPI, federation: Federation, browser: Browser
) -> None:
    response = await to_the_provider(browser)
    back = await at_the_provider(federation, response.headers["location"], federation.other.add_user())
    thief = Browser(app, federation.own_client)
    assert (await thief.get(back)).status_code == 400
    assert (await browser.get(back)).status_code == 400  # spent by the attempt
    response = await to_the_provider(browser)
    back = await at_the_provider(federation, response.headers["location"], federation.other.add_user())
    assert "code" in answer(await browser.get(back))
    assert (await browser.get(back)).status_code == 400
    assert (await browser.get("/oauth2/idpresponse", code="x", state="forged")).status_code == 400


async def test_what_the_provider_refuses_is_told_to_the_app(federation: Federation, browser: Browser) -> None:
    response = await to_the_provider(browser)
    state = parse_qs(urlsplit(response.headers["location"]).query)["state"][0]
    refused = answer(await browser.get("/oauth2/idpresponse", error="access_denied", state=state))
    assert (refused["error"], refused["error_description"]) == ("invalid_request", f"{PROVIDER} Error - access_denied")
    response = await to_the_provider(browser)
    state = parse_qs(urlsplit(response.headers["location"]).query)["state"][0]
    refused = answer(await browser.get("/oauth2/idpresponse", code="not-one-of-its", state=state))
    assert refused["error_description"] == f"{PROVIDER} Error - 400 error getting token"


async def test_a_provider_that_the_client_does_not_offer_is_refused(app: FastAPI, federation: Federation) -> None:
    plain = Browser(app, federation.own.public)
    assert answer(await plain.authorize(identity_provider=PROVIDER))["error"] == "invalid_request"
    assert answer(await plain.authorize(identity_provider="https://evil.example"))["error"] == "invalid_request"


class DishonestProvider:
    """A provider that answers the code exchange with an ID token of our making."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "k"})
        self.id_token = ""
        self.app = FastAPI()
        self.app.post("/token")(lambda: {"id_token": self.id_token})
        self.app.get("/keys")(lambda: {"keys": [self.key.as_dict(private=False)]})

    def answer(self, nonce: str, issuer: str, changes: dict[str, Any], signed_by: RSAKey | None = None) -> None:
        """Prepare the ID token of the next exchange: a good one, or one with other claims."""
        good = {"iss": issuer, "aud": "ours", "sub": "subject", "exp": int(time.time()) + 300, "nonce": nonce}
        claims = {name: value for name, value in {**good, **changes}.items() if value is not None}
        self.id_token = jwt.encode({"alg": "RS256", "kid": "k"}, claims, signed_by or self.key)


@pytest.fixture(scope="module")
def dishonest(federation: Federation) -> Generator[tuple[DishonestProvider, str, str]]:
    provider = DishonestProvider()
    own, pool = federation.own, federation.own.settings.user_pool_id
    with serving(provider.app) as url:
        own.api.create_identity_provider(
            UserPoolId=pool,
            ProviderName="Dishonest",
            ProviderType="OIDC",
            ProviderDetails={
                "client_id": "ours",
                "client_secret": "s",
                "oidc_issuer": url,
                "authorize_scopes": "openid",
                "attributes_request_method": "GET",
                "authorize_url": f"{url}/authorize",
                "token_url": f"{url}/token",
                "jwks_uri": f"{url}/keys",
            },
            AttributeMapping={},
        )
        client_id, _ = make_client(own.api, pool, SupportedIdentityProviders=["Dishonest"])
        yield provider, url, client_id


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({}, True),
        ({"aud": ["another", "ours"]}, True),
        ({"aud": "another"}, False),
        ({"aud": None}, False),
        ({"iss": "https://someone.else"}, False),
        ({"nonce": "another"}, False),
        ({"nonce": None}, False),
        ({"exp": 1}, False),
        ({"exp": None}, False),
        ({"sub": None}, False),
        ({"sub": "a\nb"}, False),
        ("another key", False),
        ("none", False),
    ],
)
async def test_an_id_token_is_accepted_only_if_it_is_the_providers_and_for_this_sign_in(
    app: FastAPI, dishonest: tuple[DishonestProvider, str, str], changes: dict[str, Any] | str, accepted: bool
) -> None:
    provider, url, client_id = dishonest
    browser = Browser(app, client_id)
    location = (await browser.authorize(identity_provider="Dishonest")).headers["location"]
    query = parse_qs(urlsplit(location).query)
    if isinstance(changes, dict):
        provider.answer(query["nonce"][0], url, changes)
    else:
        provider.answer(query["nonce"][0], url, {}, signed_by=RSAKey.generate_key(2048, {"kid": "k"}))
        if changes == "none":
            provider.id_token = "eyJhbGciOiJub25lIn0." + provider.id_token.split(".")[1] + "."
    got = answer(await browser.get("/oauth2/idpresponse", code="c", state=query["state"][0]))
    assert ("code" in got) is accepted
    assert got.get("error") == (None if accepted else "invalid_request")
