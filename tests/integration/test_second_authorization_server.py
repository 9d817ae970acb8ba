"""An MCP server that relies on the bridge and on `oidc-provider`, a certified server which knows nothing of us."""

import html
import re
import runpy
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from bridge_login import claims

from mcp_demo.client.api import call_tool, get_token
from mcp_demo.client.grant import Grant
from mcp_demo.client.policy import Policy
from mcp_demo.client.storage import MemoryStore, Vault
from mcp_demo.errors import SetupError
from mcp_demo.local.ports import Ports
from mcp_demo.local.stack import Options
from mcp_demo.local.state import Run
from mcp_demo.server.app import create_app
from mcp_demo.settings import Issuer, ServerSettings

EXAMPLE = runpy.run_path(
    str(Path(__file__).parents[2] / "examples" / "second_authorization_server" / "run.py"), run_name="example"
)
REDIRECT = "http://localhost:7777/callback"
TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": dict[str, str]()}
pytestmark = pytest.mark.slow

Both = tuple[Run, str]
SignIn = Callable[[str, str], Awaitable[str]]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Generator[Both]:
    try:
        EXAMPLE["installed"]()
    except SetupError as reason:
        pytest.skip(str(reason))
    options = Options(tmp_path_factory.mktemp("second"), Ports.free())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with EXAMPLE["running"](options, port) as found:
        yield found


def person(run: Run) -> SignIn:
    """Somebody with a browser and an account at either server."""

    async def sign_in(url: str, redirect_uri: str) -> str:
        async with httpx.AsyncClient(timeout=30) as http:
            response: httpx.Response = await http.get(url)
            for _ in range(15):
                if response.status_code == 200:
                    target, form = _filled(response, run)
                    response = await http.post(target, data=form)
                    continue
                location = urljoin(str(response.url), response.headers["location"])
                if location.startswith(redirect_uri):
                    return location
                response = await http.get(location)
        raise AssertionError(f"The sign-in stops at {response.url}.")

    return sign_in


def _filled(page: httpx.Response, run: Run) -> tuple[str, dict[str, str]]:
    form = re.search(r"<form[^>]*>.*?</form>", page.text, re.DOTALL)
    assert form, page.text
    action = re.search(r'<form[^>]*action="([^"]*)"', form[0])
    values = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[0]))
    data = {name: html.unescape(value) for name, value in values.items()}
    typed = {"username": run.user.username, "password": run.user.password, "login": "eve", "decision": "approve"}
    data |= {name: value for name, value in typed.items() if f'name="{name}"' in form[0]}
    return urljoin(str(page.url), html.unescape(action[1]) if action else ""), data


async def grant_of(run: Run, store: MemoryStore | None = None, **policy: Any) -> Grant:
    way = person(run)
    return await get_token(run.server, sign_in=way, redirect_uri=REDIRECT, store=store, policy=Policy(**policy))


async def status(http: httpx.AsyncClient, run: Run, token: str) -> int:
    headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
    return (await http.post(run.server, json=TOOLS, headers=headers)).status_code


@asynccontextmanager
async def trusting(run: Run, first: Issuer, *more: Issuer) -> AsyncGenerator[httpx.AsyncClient]:
    """The MCP server, in this process, with other ideas of whom to trust; keys come over the network."""
    settings = ServerSettings(
        mcp_url=run.server,
        authorization_servers=[run.bridge],
        issuer=first.issuer,
        jwks_uri=first.jwks_uri,
        audience=first.audience,
        more_issuers=list(more),
    )
    app = create_app(settings)
    async with app.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        yield http


async def test_a_token_of_each_server_works_and_the_metadata_names_both(both: Both) -> None:
    run, second = both
    async with httpx.AsyncClient() as http:
        document = (await http.get(run.server.replace("/mcp", "/.well-known/oauth-protected-resource/mcp"))).json()
    assert document["authorization_servers"] == [run.bridge, second]
    for server, issuer in ((run.bridge, run.issuer), (second, second)):
        store = MemoryStore()
        grant = await grant_of(run, store, issuers=(server,))
        assert (grant.issuer, claims(grant.access_token)["iss"]) == (server, issuer)
        result = await call_tool(
            run.server, "whoami", sign_in=person(run), redirect_uri=REDIRECT, store=store, policy=Policy()
        )
        assert result.structured_content and result.structured_content["issuer"] == issuer


async def test_a_token_of_one_server_under_the_rules_of_the_other_is_refused(both: Both) -> None:
    run, second = both
    of_first = (await grant_of(run, issuers=(run.bridge,))).access_token
    of_second = (await grant_of(run, issuers=(second,))).access_token
    pool = Issuer(issuer=run.issuer, jwks_uri=run.jwks_uri)
    other = Issuer(issuer=second, jwks_uri=f"{second}/jwks", profile="rfc9068")

    async def answers(first: Issuer, *more: Issuer) -> tuple[int, int]:
        async with trusting(run, first, *more) as http:
            return await status(http, run, of_first), await status(http, run, of_second)

    assert await answers(pool, other) == (200, 200)
    assert await answers(pool) == (200, 401)
    assert await answers(pool, other.model_copy(update={"profile": "cognito"})) == (200, 401)
    assert await answers(pool, other.model_copy(update={"audience": "scope"})) == (200, 401)
    assert await answers(pool, other.model_copy(update={"jwks_uri": run.jwks_uri})) == (200, 401)
    swapped = other.model_copy(update={"profile": "cognito"})
    assert await answers(swapped, pool.model_copy(update={"profile": "rfc9068"})) == (401, 401)


async def test_the_second_server_issues_tokens_for_this_resource_only(both: Both) -> None:
    run, second = both
    query = {"response_type": "code", "client_id": "x", "resource": "https://other.example/mcp"}
    async with httpx.AsyncClient() as http:
        redirects, form = [REDIRECT], {"token_endpoint_auth_method": "none", "application_type": "native"}
        registered = (await http.post(f"{second}/reg", json={**form, "redirect_uris": redirects})).json()
        pkce = {"code_challenge": "x" * 43, "code_challenge_method": "S256", "scope": f"{run.server}/read"}
        asked = {**query, **pkce, "client_id": registered["client_id"], "redirect_uri": REDIRECT}
        refused = await http.get(f"{second}/auth", params=asked)
    assert "error=invalid_target" in refused.headers["location"]


async def test_the_client_goes_by_existing_credentials_and_asks_only_without_them(both: Both) -> None:
    run, second = both
    asked: list[Sequence[str]] = []

    def choose(offered: Sequence[str]) -> str:
        asked.append(offered)
        return second

    store = MemoryStore()
    first_time = await grant_of(run, store, choose=choose)
    vault = Vault(store)
    vault.forget_grant(run.server)
    again = await grant_of(run, store, choose=choose)
    assert [first_time.issuer, again.issuer] == [second, second]
    assert first_time.client_id == again.client_id
    assert asked == [(run.bridge, second)]
    assert vault.registration(run.bridge) is None


async def test_the_second_server_refreshes_what_it_issued(both: Both) -> None:
    run, second = both
    store = MemoryStore()
    old = await grant_of(run, store, issuers=(second,))
    assert old.refresh_token
    new = await grant_of(run, store, issuers=(second,), leeway=10_000.0)
    assert (new.issuer, new.client_id) == (second, old.client_id)
    assert new.access_token != old.access_token
