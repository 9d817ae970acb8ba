"""A bridge in this process and a browser that visits it: what the tests of the bridge start from."""

import re
import secrets
import time
from collections.abc import Callable
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import httpx

from mcp_demo.bridge.app import create_app
from mcp_demo.oauth import pkce
from mcp_demo.registry.composition import FixedRegistry
from mcp_demo.registry.model import Client, hash_secret
from mcp_demo.settings import BridgeSettings

BRIDGE = "http://localhost:3004"
DOMAIN = "http://localhost:4567"
RESOURCE = "http://localhost:3001/mcp"
READ, WRITE = f"{RESOURCE}/read", f"{RESOURCE}/write"
CALLBACK = "http://localhost:3000/callback"
VERIFIER = pkce.new_verifier()
KEY = secrets.token_urlsafe(32)
SECRET = "not-a-real-secret"

APP = Client(client_id="app", client_name="Static client", redirect_uris=(CALLBACK,))
CONFIDENTIAL = Client(
    client_id="confidential",
    redirect_uris=("https://app.example/cb",),
    token_endpoint_auth_method="client_secret_basic",
    secret_hash=hash_secret(SECRET),
)
STRANGER = Client(
    client_id="stranger",
    client_name="<script>alert(1)</script>",
    redirect_uris=("https://stranger.example/cb",),
    source="dcr",
)


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def settings(**changes: object) -> BridgeSettings:
    values: dict[str, object] = {
        "bridge_url": BRIDGE,
        "mcp_url": RESOURCE,
        "domain": DOMAIN,
        "bridge_client_id": "bridge-client",
        "bridge_client_secret": "bridge-secret",
        "envelope_keys": [KEY],
        **changes,
    }
    return BridgeSettings.model_validate(values)


def no_upstream(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"nothing may be asked of the user pool here: {request.url}")


def browser(
    *,
    upstream: Callable[[httpx.Request], httpx.Response] = no_upstream,
    clients: tuple[Client, ...] = (APP, CONFIDENTIAL, STRANGER),
    clock: Callable[[], float] | None = None,
    cookies: httpx.Cookies | None = None,
    **changes: object,
) -> httpx.AsyncClient:
    """A browser at a bridge of its own. `upstream` is the user pool's token endpoint, for when it fails."""
    app = create_app(
        settings(**changes),
        registry=FixedRegistry(clients),
        http=httpx.AsyncClient(transport=httpx.MockTransport(upstream)),
        clock=clock or time.time,
    )
    base = str(changes.get("bridge_url", BRIDGE))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=base, cookies=cookies)


def request_of(client: Client = APP, /, **changes: str | None) -> dict[str, str]:
    """The parameters of a good authorization request; None leaves one out."""
    parameters: dict[str, str | None] = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uris[0],
        "state": "client-state",
        "code_challenge": pkce.challenge(VERIFIER),
        "code_challenge_method": "S256",
        "resource": RESOURCE,
        "scope": f"{READ} {WRITE}",
        **changes,
    }
    return {name: value for name, value in parameters.items() if value is not None}


def ticket_in(page: str) -> str:
    match = re.search(r'name="ticket" value="([^"]+)"', page)
    assert match is not None, page
    return unescape(match[1])


async def approve(visit: httpx.AsyncClient, parameters: dict[str, str] | None = None) -> httpx.Response:
    """Open the consent page, leave everything ticked, press Allow; returns the redirect to the user pool."""
    page = await visit.get("/authorize", params=parameters or request_of())
    assert page.status_code == 200, page.text
    form = {"ticket": ticket_in(page.text), "decision": "approve", "scope": [WRITE]}
    return await visit.post("/consent", data=form)


async def code_of(visit: httpx.AsyncClient, parameters: dict[str, str] | None = None) -> str:
    """A code of the bridge around one that the user pool would have sent."""
    sent = answer(await approve(visit, parameters))
    back = await visit.get("/callback", params={"code": "upstream-code", "state": sent["state"]})
    return answer(back)["code"]


def answer(response: httpx.Response) -> dict[str, str]:
    """The parameters that a redirect carries, each once."""
    assert response.status_code in (302, 303), response.text
    pairs = parse_qsl(urlsplit(response.headers["location"]).query, keep_blank_values=True)
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


def exchange(issued: str, /, **changes: str | None) -> dict[str, str]:
    """A good token request for a code; None leaves a parameter out."""
    form: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "code": issued,
        "client_id": "app",
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        "resource": RESOURCE,
        **changes,
    }
    return {name: value for name, value in form.items() if value is not None}
