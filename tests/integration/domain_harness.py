"""A user pool in a real MiniStack, the local domain over it, and a browser without a screen."""

import hmac
import html
import json
import re
import secrets
import struct
import time
from base64 import b32decode, urlsafe_b64decode
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import boto3
import httpx
from fastapi import FastAPI

from mcp_demo.local.domain.app import create_app
from mcp_demo.local.ministack import ACCESS_KEY, SECRET_KEY, MiniStack, free_port, running_ministack
from mcp_demo.oauth import pkce
from mcp_demo.settings import DomainSettings

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient

DOMAIN = "http://localhost:4567"
CALLBACK = "http://localhost:3004/callback"
SIGNED_OUT = "http://localhost:3000/signed-out"
RESOURCE = "http://localhost:3001/mcp"
OTHER_RESOURCE = "https://other.example/api"
READ, WRITE = f"{RESOURCE}/read", f"{RESOURCE}/write"
OTHER_READ = f"{OTHER_RESOURCE}/read"
ADMIN = "aws.cognito.signin.user.admin"
PASSWORD = "Correct-horse-7"


@dataclass
class Clock:
    """A clock that tests can put forward."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Harness:
    """One pool and what is in it."""

    ministack: MiniStack
    api: "CognitoIdentityProviderClient"
    settings: DomainSettings
    public: str
    confidential: str
    secret: str = field(repr=False)

    def app(self, clock: Callable[[], float] | None = None, **changes: Any) -> FastAPI:
        """The domain: the same one each time, or one of its own with another clock or other settings."""
        if clock is None and not changes:
            return self._app
        settings = self.settings.model_copy(update=changes)
        return create_app(settings, clock=clock) if clock else create_app(settings)

    @cached_property
    def _app(self) -> FastAPI:
        return create_app(self.settings)

    def add_user(self, *, confirmed: bool = True, **attributes: str) -> str:
        """A user with PASSWORD; returns the name."""
        name = f"user-{secrets.token_hex(4)}"
        given = {"email": f"{name}@example.com", "email_verified": "true", **attributes}
        pool = self.settings.user_pool_id
        self.api.admin_create_user(
            UserPoolId=pool,
            Username=name,
            MessageAction="SUPPRESS",
            TemporaryPassword=PASSWORD,
            UserAttributes=[{"Name": key, "Value": value} for key, value in given.items()],
        )
        if confirmed:
            self.api.admin_set_user_password(UserPoolId=pool, Username=name, Password=PASSWORD, Permanent=True)
        return name


@contextmanager
def running_harness(state: Path, **pool: Any) -> Generator[Harness]:
    """MiniStack with a pool; `pool` are further arguments of CreateUserPool."""
    with running_ministack(state, free_port()) as ministack:
        yield make_harness(ministack, **pool)


def make_harness(ministack: MiniStack, **pool: Any) -> Harness:
    """Another pool in a MiniStack that runs, with its clients and resource servers."""
    api = boto3.client(  # pyright: ignore[reportUnknownMemberType]
        "cognito-idp",
        endpoint_url=ministack.endpoint,
        region_name=ministack.region,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    pool_id = api.create_user_pool(PoolName="p", **pool)["UserPool"].get("Id", "")
    for identifier in (RESOURCE, OTHER_RESOURCE):
        api.create_resource_server(
            UserPoolId=pool_id,
            Identifier=identifier,
            Name=identifier,
            Scopes=[{"ScopeName": name, "ScopeDescription": name} for name in ("read", "write")],
        )
    public = make_client(api, pool_id)
    confidential = make_client(api, pool_id, GenerateSecret=True)
    settings = DomainSettings(
        domain=DOMAIN,
        region=ministack.region,
        user_pool_id=pool_id,
        issuer=f"https://cognito-idp.{ministack.region}.amazonaws.com/{pool_id}",
        aws_endpoint=ministack.endpoint,
        key_dir=ministack.key_dir,
    )
    return Harness(ministack, api, settings, public[0], confidential[0], confidential[1])


def make_client(api: "CognitoIdentityProviderClient", pool_id: str, **changes: Any) -> tuple[str, str]:
    """An app client; its id and its secret, which may be empty."""
    wanted: dict[str, Any] = {
        "ClientName": "A <b>client</b>",
        "CallbackURLs": [CALLBACK],
        "LogoutURLs": [SIGNED_OUT],
        "AllowedOAuthFlowsUserPoolClient": True,
        "AllowedOAuthFlows": ["code"],
        "AllowedOAuthScopes": ["openid", "email", "profile", ADMIN, READ, WRITE, OTHER_READ],
        "ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH"],
        "SupportedIdentityProviders": ["COGNITO"],
    }
    made = api.create_user_pool_client(UserPoolId=pool_id, **{**wanted, **changes})["UserPoolClient"]
    return made.get("ClientId", ""), made.get("ClientSecret", "")


class Browser:
    """Opens pages and submits their forms as a browser would; follows no redirect by itself."""

    def __init__(self, app: FastAPI, client_id: str) -> None:
        self.client_id = client_id
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=DOMAIN)
        self.page: httpx.Response | None = None

    async def get(self, url: str, **parameters: str | None) -> httpx.Response:
        """Open a page."""
        query = {name: value for name, value in parameters.items() if value is not None}
        self.page = await self.http.get(url, params=query or None)
        return self.page

    async def authorize(self, **changes: str | None) -> httpx.Response:
        """Open the authorization endpoint with a good request, or one changed; None leaves a parameter out."""
        request: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "state": "a state/+&",
            "scope": f"openid email {READ}",
            "resource": RESOURCE,
        }
        return await self.get("/oauth2/authorize", **{**request, **changes})

    async def submit(self, **fields: str) -> httpx.Response:
        """Submit the form of the page, its hidden fields included."""
        assert self.page is not None
        form = re.search(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', self.page.text, re.DOTALL)
        assert form, self.page.text
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[2]))
        values = {name: html.unescape(value) for name, value in hidden.items()}
        self.page = await self.http.post(html.unescape(form[1]), data={**values, **fields})
        return self.page

    async def follow(self) -> httpx.Response:
        """Follow the redirect of the page."""
        assert self.page is not None
        return await self.get(self.page.headers["location"])

    async def sign_in(self, username: str, password: str = PASSWORD, **changes: str | None) -> httpx.Response:
        """From the authorization endpoint through the sign-in page."""
        await self.authorize(**changes)
        await self.follow()
        return await self.submit(username=username, password=password)

    async def code(self, username: str, **changes: str | None) -> str:
        """A code for a user."""
        return answer(await self.sign_in(username, PASSWORD, **changes))["code"]

    async def token(self, **form: str) -> httpx.Response:
        """Call the token endpoint as this browser's public client, unless the form says otherwise."""
        return await self.http.post("/oauth2/token", data={"client_id": self.client_id, **form})

    async def exchange(self, code: str, **form: str) -> httpx.Response:
        """Redeem a code."""
        return await self.token(**{"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, **form})

    async def tokens(self, username: str, **changes: str | None) -> dict[str, Any]:
        """Tokens for a user, with PKCE."""
        verifier = pkce.new_verifier()
        challenge = {"code_challenge": pkce.challenge(verifier), "code_challenge_method": "S256"}
        code = await self.code(username, **challenge, **changes)
        response = await self.exchange(code, code_verifier=verifier)
        assert response.status_code == 200, response.text
        return response.json()


def answer(response: httpx.Response, uri: str = CALLBACK) -> dict[str, str]:
    """The parameters of a redirect to the app."""
    assert response.status_code == 302, response.text
    assert "no-store" in response.headers["cache-control"]
    location = urlsplit(response.headers["location"])
    assert location._replace(query="").geturl() == uri
    return dict(parse_qsl(location.query))


def claims_of(token: str) -> dict[str, Any]:
    """What a token says; its signature is not looked at."""
    payload = token.split(".")[1]
    return json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def now_totp(secret: str, steps: int = 0) -> str:
    """The code of an authenticator app (RFC 6238), now or `steps` half-minutes later."""
    counter = struct.pack(">Q", int(time.time() // 30) + steps)
    mac = hmac.digest(b32decode(secret), counter, "sha1")
    offset = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[offset : offset + 4])[0] & 0x7FFFFFFF) % 10**6:06d}"
