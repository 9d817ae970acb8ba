"""GetDerivedToken of the stand-in: what a token may be exchanged for, by whom, and all that is refused."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from domain_harness import (
    OTHER_READ,
    OTHER_RESOURCE,
    READ,
    RESOURCE,
    WRITE,
    Browser,
    Clock,
    Harness,
    claims_of,
    make_client,
    running_harness,
)

from mcp_demo.local.domain.derived_token import TARGET

DELEGATION, IMPERSONATION = "ALLOW_TOKEN_EXCHANGE_DELEGATION", "ALLOW_TOKEN_EXCHANGE_IMPERSONATION"
DOWNSTREAM = OTHER_RESOURCE


@dataclass
class Server:
    """An app client that acts for people, and how it calls the stand-in."""

    browser: Browser
    client_id: str
    secret: str

    async def own_token(self) -> str:
        """Its token by client credentials."""
        form = {"grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self.secret}
        return (await self.browser.http.post("/oauth2/token", data=form)).json()["access_token"]

    async def derive(self, subject: str, **changes: Any) -> httpx.Response:
        """A good request, or one changed; None leaves a member out."""
        wanted = {
            "ClientId": self.client_id,
            "ClientSecret": self.secret,
            "SubjectToken": subject,
            "SubjectTokenType": "ACCESS_TOKEN",
            "ActorToken": changes["ActorToken"] if "ActorToken" in changes else await self.own_token(),
            "ActorTokenType": "ACCESS_TOKEN",
            "Resources": [DOWNSTREAM],
            "Scopes": [READ],
        } | changes
        members = {name: value for name, value in wanted.items() if value is not None}
        headers = {"X-Amz-Target": TARGET, "Content-Type": "application/x-amz-json-1.1"}
        return await self.browser.http.post("/", json=members, headers=headers)


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Generator[Harness]:
    with running_harness(tmp_path_factory.mktemp("aws")) as made:
        yield made


@pytest.fixture
def browser(harness: Harness) -> Browser:
    return Browser(harness.app(), harness.public)


def acting_client(harness: Harness, browser: Browser, scopes: list[str], *flows: str) -> Server:
    made = make_client(
        harness.api,
        harness.settings.user_pool_id,
        GenerateSecret=True,
        AllowedOAuthFlows=["client_credentials"],
        AllowedOAuthScopes=scopes,
        ExplicitAuthFlows=list(flows),
        CallbackURLs=[],
        LogoutURLs=[],
    )
    return Server(browser, *made)


@pytest.fixture
def server(harness: Harness, browser: Browser) -> Server:
    return acting_client(harness, browser, [READ], DELEGATION)


async def signed_in(harness: Harness, user: str | None = None, **changes: str | None) -> dict[str, Any]:
    """Tokens of somebody who signs in with a browser of their own."""
    return await Browser(harness.app(), harness.public).tokens(user or harness.add_user(), **changes)


def refused(response: httpx.Response, kind: str = "NotAuthorizedException") -> str:
    assert response.status_code == 400, response.text
    assert response.json()["__type"] == kind, response.text
    assert "IssuedToken" not in response.json()
    return response.json()["message"]


async def test_the_derived_token_names_person_actor_and_target_with_less_scope(
    harness: Harness, browser: Browser, server: Server
) -> None:
    subject = (await signed_in(harness, scope=f"openid {READ} {WRITE}"))["access_token"]
    response = await server.derive(subject)
    assert response.status_code == 200, response.text
    answer, before = response.json(), claims_of(subject)
    claims = claims_of(answer["IssuedToken"])
    assert claims["sub"] == before["sub"] != server.client_id
    assert (claims["aud"], claims["act"]) == (DOWNSTREAM, {"sub": server.client_id})
    assert (claims["scope"], claims["client_id"], claims["token_use"]) == (READ, server.client_id, "access")
    assert claims["exp"] <= before["exp"]
    kinds = {"IssuedTokenType": "ACCESS_TOKEN", "TokenType": "Bearer", "Scopes": [READ]}
    assert answer == {"IssuedToken": answer["IssuedToken"], "ExpiresIn": claims["exp"] - claims["iat"], **kinds}
    assert response.headers["cache-control"] == "no-store"


async def test_no_scope_is_added_by_an_exchange(harness: Harness, browser: Browser, server: Server) -> None:
    both = (await signed_in(harness, scope=f"{READ} {WRITE}"))["access_token"]
    more = await server.derive(both, Scopes=[READ, WRITE, OTHER_READ, "aws.cognito.signin.user.admin"])
    assert more.json()["Scopes"] == [READ]
    assert (await server.derive(both, Scopes=None)).json()["Scopes"] == [READ]
    writes = (await signed_in(harness, scope=WRITE))["access_token"]
    for scopes in ([READ], [WRITE], [], None):
        assert "scope" in refused(await server.derive(writes, Scopes=scopes))


async def test_a_derived_token_ends_no_later_than_the_token_it_comes_from(harness: Harness) -> None:
    clock = Clock()
    browser = Browser(harness.app(clock), harness.public)
    server = acting_client(harness, browser, [READ], DELEGATION)
    subject = (await browser.tokens(harness.add_user(), scope=READ))["access_token"]
    clock.now += 3590
    answer = (await server.derive(subject)).json()
    assert answer["ExpiresIn"] == 10
    assert claims_of(answer["IssuedToken"])["exp"] == claims_of(subject)["exp"]
    clock.now += 10
    refused(await server.derive(subject))


async def test_only_a_token_meant_for_the_requesting_server_is_exchanged(
    harness: Harness, browser: Browser, server: Server
) -> None:
    user = harness.add_user()
    tokens = await signed_in(harness, user, scope=f"openid {READ}")
    elsewhere = (await signed_in(harness, user, scope=f"openid {OTHER_READ}", resource=OTHER_RESOURCE))["access_token"]
    unbound = (await signed_in(harness, user, scope=f"openid {READ}", resource=None))["access_token"]
    derived = (await server.derive(tokens["access_token"])).json()["IssuedToken"]
    for stray in (elsewhere, unbound, derived):
        assert "another resource server" in refused(await server.derive(stray))
    head, body, signature = tokens["access_token"].split(".")
    forged = f"{head}.{body}.{signature[::-1]}"
    for wrong in (tokens["id_token"], tokens["refresh_token"], forged, "", "x"):
        refused(await server.derive(wrong))
    for kind in ("ID_TOKEN", "SAML2"):
        refused(await server.derive(tokens["id_token"], SubjectTokenType=kind), "InvalidParameterException")
    refused(await server.derive(await server.own_token()))  # a client is no person


async def test_nobody_acts_but_the_requesting_client_itself(harness: Harness, browser: Browser, server: Server) -> None:
    tokens = await signed_in(harness, scope=f"openid {READ}")
    subject = tokens["access_token"]
    other = acting_client(harness, browser, [READ], DELEGATION)
    for actor in (await other.own_token(), subject, tokens["id_token"], "x"):
        assert "actor" in refused(await server.derive(subject, ActorToken=actor))
    refused(await server.derive(subject, ActorTokenType=None), "InvalidParameterException")
    refused(await server.derive(subject, ClientSecret=None))
    refused(await server.derive(subject, ClientSecret=other.secret))
    refused(await server.derive(subject, ClientId="nobody"), "ResourceNotFoundException")
    refused(await server.derive(subject, ClientId=harness.public, ClientSecret=None))  # lacks the flow


@pytest.mark.parametrize("secret", [None, ""])
async def test_a_client_without_a_secret_exchanges_nothing(
    secret: str | None, harness: Harness, browser: Browser
) -> None:
    subject = (await signed_in(harness, scope=READ))["access_token"]
    public = make_client(
        harness.api, harness.settings.user_pool_id, ExplicitAuthFlows=[IMPERSONATION], AllowedOAuthScopes=[READ]
    )
    anybody = Server(browser, *public)
    assert "secret" in refused(await anybody.derive(subject, ClientSecret=secret, ActorToken=None, ActorTokenType=None))


async def test_who_acts_is_no_matter_of_the_request(harness: Harness, browser: Browser, server: Server) -> None:
    subject = (await signed_in(harness, scope=READ))["access_token"]
    spoofed = {"act": {"sub": "root"}, "Act": {"sub": "root"}, "MayAct": {"sub": "root"}, "Sub": "root"}
    claims = claims_of((await server.derive(subject, **spoofed)).json()["IssuedToken"])
    assert (claims["act"], claims["sub"]) == ({"sub": server.client_id}, claims_of(subject)["sub"])


async def test_impersonation_needs_a_flow_of_its_own_and_names_no_actor(
    harness: Harness, browser: Browser, server: Server
) -> None:
    subject = (await signed_in(harness, scope=READ))["access_token"]
    assert IMPERSONATION in refused(await server.derive(subject, ActorToken=None, ActorTokenType=None))
    mask = acting_client(harness, browser, [READ], IMPERSONATION)
    answer = (await mask.derive(subject, ActorToken=None, ActorTokenType=None)).json()
    assert "act" not in claims_of(answer["IssuedToken"])
    assert DELEGATION in refused(await mask.derive(subject))


async def test_the_next_server_in_line_is_put_before_the_one_that_called_it(
    harness: Harness, browser: Browser, server: Server
) -> None:
    subject = (await signed_in(harness, scope=READ))["access_token"]
    derived = (await server.derive(subject)).json()["IssuedToken"]
    following = acting_client(harness, browser, [READ, OTHER_READ], DELEGATION)
    answer = (await following.derive(derived, Resources=[RESOURCE])).json()
    assert claims_of(answer["IssuedToken"])["act"] == {"sub": following.client_id, "act": {"sub": server.client_id}}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"Resources": ["https://unknown.example"]}, "ResourceNotFoundException"),
        ({"Resources": None}, "InvalidParameterException"),
        ({"Resources": [DOWNSTREAM, RESOURCE]}, "InvalidParameterException"),
        ({"Audiences": ["x"]}, "InvalidParameterException"),
        ({"Resources": None, "Audiences": ["x"]}, "InvalidParameterException"),
        ({"RequestedTokenType": "ID_TOKEN"}, "InvalidParameterException"),
        ({"RequestedTokenType": "SAML2"}, "InvalidParameterException"),
        ({"SubjectToken": None}, "InvalidParameterException"),
        ({"Scopes": READ}, "InvalidParameterException"),
    ],
)
async def test_a_request_that_makes_no_sense_is_named(
    changes: dict[str, Any], kind: str, harness: Harness, browser: Browser, server: Server
) -> None:
    subject = (await signed_in(harness, scope=READ))["access_token"]
    assert subject not in refused(await server.derive(subject, **changes), kind)


async def test_nothing_is_exchanged_for_a_person_who_is_gone_or_signed_out(
    harness: Harness, browser: Browser, server: Server
) -> None:
    pool = harness.settings.user_pool_id
    gone, away = harness.add_user(), harness.add_user()
    tokens = {name: (await signed_in(harness, name, scope=READ))["access_token"] for name in (gone, away)}
    assert (await server.derive(tokens[away])).status_code == 200
    harness.api.admin_disable_user(UserPoolId=pool, Username=gone)
    harness.api.admin_user_global_sign_out(UserPoolId=pool, Username=away)
    for token in tokens.values():
        refused(await server.derive(token))


async def test_no_other_operation_is_served(browser: Browser) -> None:
    for target in ("AWSCognitoIdentityProviderService.ListUsers", "", None):
        headers = {} if target is None else {"X-Amz-Target": target}
        refused(await browser.http.post("/", json={}, headers=headers), "UnknownOperationException")
