"""The MCP server calls an API for people, in the running system: by exchange, and never with what it was sent."""

import json
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from bridge_login import Person, claims
from pydantic import SecretStr

from mcp_demo.deploy.profile import Profile
from mcp_demo.local.domain.pool import Pool
from mcp_demo.local.domain.signing import Signer, TokenFacts
from mcp_demo.local.ports import Ports
from mcp_demo.local.state import Run
from mcp_demo.oauth import challenge
from mcp_demo.server.app import create_app
from mcp_demo.server.downstream import cognito_client
from mcp_demo.settings import DomainSettings, Downstream, ServerSettings

NOBODY = f"http://localhost:{Ports.free().server}"


def api(run: Run) -> str:
    assert run.downstream
    return run.downstream


def of_server(run: Run) -> Downstream:
    """How the running server gets its tokens."""
    found = ServerSettings.load(run.state / "env" / "server.env").downstream
    assert found
    return found


async def ask(http: httpx.AsyncClient, server: str, token: str) -> httpx.Response:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami_downstream"}}
    headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
    return await http.post(server, json=message, headers=headers)


async def at_api(run: Run, token: str | None) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(timeout=30) as http:
        return await http.get(f"{api(run)}/whoami", headers=headers)


def refused(response: httpx.Response, error: str | None, status: int = 401) -> None:
    assert response.status_code == status, response.text
    found = challenge.parse_bearer(response.headers.get_list("www-authenticate"))
    assert found is not None
    assert found.parameters.get("error") == error
    assert "subject" not in response.json()


@asynccontextmanager
async def server_with(run: Run, **changes: object) -> AsyncGenerator[httpx.AsyncClient]:
    """The MCP server in this process, with changes to how it gets its tokens."""
    downstream = of_server(run).model_copy(update=changes)
    running = ServerSettings.load(run.state / "env" / "server.env")
    app = create_app(running.model_copy(update={"downstream": downstream, "contexts_file": None}))
    transport = httpx.ASGITransport(app)
    async with app.lifespan_context(app), httpx.AsyncClient(transport=transport, timeout=30) as http:
        yield http


def issued(run: Run, act: Mapping[str, Any] | None, *, scope: str = "read", seconds: int = 60) -> str:
    """A token for the API that the user pool's own key signs, whoever acts."""
    settings = DomainSettings.load(run.state / "env" / "domain.env")
    user = Pool(settings).user(run.user.username)
    server = of_server(run)
    facts = TokenFacts(server.client_id, (f"{run.server}/{scope}",), 0, "", resource=api(run), act=act)
    now = int(time.time())
    return Signer(settings).access_token(facts, user, now=now - 60 + seconds, seconds=60)


async def test_the_api_sees_the_person_and_the_server_that_acts(stack: Run) -> None:
    async with Person(stack) as person:
        token = (await person.tokens())["access_token"]
        result = (await ask(person.http, stack.server, token)).json()["result"]
    assert not result["isError"], result
    seen, before = result["structuredContent"], claims(token)
    assert seen["subject"] == before["sub"]
    assert seen["actors"] == [of_server(stack).client_id]
    assert seen["audience"] == stack.downstream
    assert before["scope"].split() == [f"{stack.server}/read", f"{stack.server}/write"]
    assert seen["scopes"] == [f"{stack.server}/read"]
    assert "eyJ" not in json.dumps(result)


async def test_the_token_that_was_sent_to_the_server_opens_nothing_behind_it(stack: Run) -> None:
    async with Person(stack) as person:
        tokens = await person.tokens(scope=f"openid {person.read}")
        settings = of_server(stack)
        secret = settings.client_secret.get_secret_value()
        form = {"grant_type": "client_credentials", "client_id": settings.client_id, "client_secret": secret}
        own = (await person.http.post(settings.token_endpoint, data=form)).json()["access_token"]
        derived = cognito_client(settings).get_derived_token(
            ClientId=settings.client_id,
            ClientSecret=secret,
            SubjectToken=tokens["access_token"],
            SubjectTokenType="ACCESS_TOKEN",
            ActorToken=own,
            ActorTokenType="ACCESS_TOKEN",
            Resources=[settings.url],
        )["IssuedToken"]
        for stray in (tokens["access_token"], own, tokens["access_token"][:-8], "x"):
            refused(await at_api(stack, stray), "invalid_token")
        refused(await at_api(stack, None), None)
        assert (await at_api(stack, derived)).json()["subject"] == claims(tokens["access_token"])["sub"]
        refused(await ask(person.http, stack.server, derived), "invalid_token")  # nor does it work the other way round


async def test_only_the_one_who_acts_now_counts(stack: Run) -> None:
    ours = of_server(stack).client_id
    assert (await at_api(stack, issued(stack, {"sub": ours}))).status_code == 200
    assert (await at_api(stack, issued(stack, {"sub": ours, "act": {"sub": "gateway"}}))).status_code == 200
    strangers: list[Mapping[str, Any] | None] = [
        None,
        {"sub": "other"},
        {"sub": "other", "act": {"sub": ours}},
        {"sub": ours, "iss": "https://elsewhere.example"},
        {"client_id": ours},
        {},
    ]
    for act in strangers:
        refused(await at_api(stack, issued(stack, act)), "invalid_token")
    refused(await at_api(stack, issued(stack, {"sub": ours}, seconds=0)), "invalid_token")
    refused(await at_api(stack, issued(stack, {"sub": ours}, scope="write")), "insufficient_scope", 403)


async def test_a_call_that_cannot_be_made_is_a_clear_error_of_the_tool(
    stack: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    unreachable = "the user pool does not answer"
    failures: list[tuple[dict[str, object], str]] = [
        ({"url": NOBODY}, "(ResourceNotFoundException)"),  # not a resource server of the pool
        ({"endpoint": NOBODY}, unreachable),
        ({"token_endpoint": f"{NOBODY}/oauth2/token"}, unreachable),
        ({"client_secret": SecretStr("wrong")}, "gives this server no token of its own"),
        ({"client_id": stack.client_id}, "gives this server no token of its own"),
    ]
    async with Person(stack) as person:
        token = (await person.tokens())["access_token"]
        caplog.clear()  # the person's own steps, codes and all
        for changes, words in failures:
            async with server_with(stack, **changes) as http:
                result = (await ask(http, stack.server, token)).json()["result"]
            assert result["isError"]
            (said,) = result["content"]
            assert words in said["text"]
            assert "eyJ" not in said["text"]
    secret = of_server(stack).client_secret.get_secret_value()
    assert not any(word in caplog.text for word in (token, "eyJ", secret))


async def test_an_api_that_is_down_or_answers_nonsense_is_named(stack: Run) -> None:
    settings = DomainSettings.load(stack.state / "env" / "domain.env")
    cognito = Profile.local(stack.aws).cognito()
    elsewhere = {NOBODY: "does not answer", stack.domain: "refuses: 404"}
    async with Person(stack) as person:
        token = (await person.tokens())["access_token"]
        for url, words in elsewhere.items():
            cognito.create_resource_server(UserPoolId=settings.user_pool_id, Identifier=url, Name="elsewhere")
            async with server_with(stack, url=url) as http:
                result = (await ask(http, stack.server, token)).json()["result"]
            assert result["isError"]
            assert words in result["content"][0]["text"]
            cognito.delete_resource_server(UserPoolId=settings.user_pool_id, Identifier=url)


async def test_no_part_writes_a_token_into_its_log(stack: Run) -> None:
    async with Person(stack) as person:
        token = (await person.tokens())["access_token"]
        assert (await ask(person.http, stack.server, token)).status_code == 200
        await at_api(stack, token)
    logs = "".join(log.read_text(encoding="utf-8") for log in (stack.state / "logs").glob("*.log"))
    assert "eyJ" not in logs
    assert of_server(stack).client_secret.get_secret_value() not in logs
