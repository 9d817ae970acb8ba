"""What the tools do, for whom, and what they never show."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from mcp.server import streamable_http_manager
from server_kit import ISSUER, READ, WRITE, Running, running

from mcp_demo.errors import SetupError
from mcp_demo.oauth.access_token import AccessToken
from mcp_demo.server import contexts
from mcp_demo.server.answers import Challenges
from mcp_demo.server.app import create_app
from mcp_demo.server.authorization import Authorization
from mcp_demo.server.contexts import MAX_PER_OWNER, Owner, SqliteContexts, StoreFull
from mcp_demo.server.operations import Operations
from mcp_demo.settings import ServerSettings

BOTH = f"{READ} {WRITE}"


@pytest.fixture
async def server() -> AsyncGenerator[Running]:
    async with running() as found:
        yield found


async def test_whoami_says_what_the_token_says_and_not_the_token(server: Running) -> None:
    token = server.issuer.token()
    response = await server.call("tools/call", {"name": "whoami", "arguments": {}}, token=token)
    result = response.json()["result"]
    assert result["structuredContent"] == {
        "subject": "alice",
        "username": "demo",
        "client_id": "app",
        "issuer": ISSUER,
        "scopes": [READ],
        "expires_at": "2027-01-15T08:01:00Z",
    }
    assert "alice" in result["content"][0]["text"]
    assert not any(part in response.text for part in token.split("."))


async def test_a_plain_call_of_the_handshake_era_needs_no_transport_of_its_own(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def built(**_: object) -> None:
        raise AssertionError("The SDK builds a transport.")

    monkeypatch.setattr(streamable_http_manager, "StreamableHTTPServerTransport", built)
    for version in ("2025-06-18", "2025-11-25"):
        headers = [("mcp-protocol-version", version)]
        response = await server.call("tools/list", token=server.issuer.token(), headers=headers)
        assert response.json()["result"]["tools"]
    with pytest.raises(AssertionError, match="transport"):
        await server.call("initialize", token=server.issuer.token())


async def test_what_is_added_is_listed_oldest_first(server: Running) -> None:
    token = server.issuer.token(scope=BOTH)
    first = await server.use("add_context", token, name="one", text="1")
    server.now += 1
    second = await server.use("add_context", token, name="two", text="2")
    assert await server.use("list_contexts", token) == {"contexts": [first, second]}
    assert first["created"] == "2027-01-15T08:00:00Z"


async def test_contexts_belong_to_issuer_and_subject_of_the_token() -> None:
    second = {"issuer": "https://second.example", "jwks_uri": "https://second.example/jwks"}
    async with running(more_issuers=[second]) as server:
        await server.use("add_context", server.issuer.token(scope=BOTH), name="mine", text="secret")
        others: list[dict[str, Any]] = [{"sub": "bob"}, {"iss": "https://second.example"}, {"sub": "Alice"}]
        for other in others:
            assert await server.use("list_contexts", server.issuer.token(**other)) == {"contexts": []}
        same_person = server.issuer.token(client_id="another app", username="renamed")
        assert len((await server.use("list_contexts", same_person))["contexts"]) == 1


@pytest.mark.parametrize("extra", [{"owner": "alice"}, {"sub": "alice"}, {"subject": "alice", "issuer": ISSUER}])
async def test_an_argument_does_not_make_one_somebody_else(server: Running, extra: dict[str, str]) -> None:
    await server.use("add_context", server.issuer.token(scope=BOTH), name="mine", text="secret")
    params: dict[str, Any] = {"name": "list_contexts", "arguments": extra}
    response = await server.call("tools/call", params, token=server.issuer.token(sub="bob"))
    assert "secret" not in response.text


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"name": "a"},
        {"name": "", "text": "t"},
        {"name": "a", "text": ""},
        {"name": "n" * 81, "text": "t"},
        {"name": "a", "text": "t" * 4001},
        {"name": ["a"], "text": "t"},
        {"name": "a", "text": None},
    ],
)
async def test_arguments_beyond_their_limits_store_nothing(server: Running, arguments: dict[str, Any]) -> None:
    token = server.issuer.token(scope=BOTH)
    response = await server.call("tools/call", {"name": "add_context", "arguments": arguments}, token=token)
    assert response.json()["result"]["isError"]
    assert await server.use("list_contexts", token) == {"contexts": []}


async def test_the_longest_arguments_are_stored(server: Running) -> None:
    added = await server.use("add_context", server.issuer.token(scope=BOTH), name="ñ" * 80, text="✓" * 4000)
    assert len(added["text"]) == 4000


def test_an_owner_cannot_store_without_end() -> None:
    store = SqliteContexts()
    alice, bob = Owner(ISSUER, "alice"), Owner(ISSUER, "bob")
    for number in range(MAX_PER_OWNER):
        store.add(alice, str(number), "t", number)
    with pytest.raises(StoreFull):
        store.add(alice, "one more", "t", 0)
    store.add(bob, "first", "t", 0)
    store.close()


def test_all_owners_together_cannot_store_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "MAX_IN_ALL", 2)
    store = SqliteContexts()
    for subject in ("alice", "bob"):
        store.add(Owner(ISSUER, subject), "n", "t", 0)
    with pytest.raises(StoreFull):
        store.add(Owner(ISSUER, "carol"), "n", "t", 0)
    store.close()


async def test_a_full_store_is_explained(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "MAX_PER_OWNER", 0)
    params = {"name": "add_context", "arguments": {"name": "a", "text": "b"}}
    result = (await server.call("tools/call", params, token=server.issuer.token(scope=BOTH))).json()["result"]
    assert result["isError"]
    assert "no room" in result["content"][0]["text"]


async def test_contexts_in_a_file_survive_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "contexts.sqlite"
    for expected in (1, 2):
        async with running(contexts_file=file) as server:
            await server.use("add_context", server.issuer.token(scope=BOTH), name="n", text="t")
            assert len((await server.use("list_contexts", server.issuer.token()))["contexts"]) == expected


def test_a_file_that_cannot_be_used_is_named_with_the_cure(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "contexts.sqlite"
    settings = ServerSettings(
        mcp_url="http://localhost:3001/mcp",
        authorization_servers=["http://localhost:3004"],
        issuer=ISSUER,
        jwks_uri=f"{ISSUER}/jwks",
        contexts_file=missing,
    )
    with pytest.raises(SetupError, match=r"contexts\.sqlite") as raised:
        create_app(settings)
    assert "MCP_DEMO_CONTEXTS_FILE" in raised.value.cure


async def test_a_tool_asks_for_its_scope_again(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object) -> tuple[str, ...]:
        return ()

    monkeypatch.setattr(Operations, "missing", nothing)  # as if the layer had misread the body
    params = {"name": "add_context", "arguments": {"name": "a", "text": "b"}}
    result = (await server.call("tools/call", params, token=server.issuer.token())).json()["result"]
    assert result["isError"]
    assert "does not cover" in result["content"][0]["text"]
    monkeypatch.undo()
    assert await server.use("list_contexts", server.issuer.token()) == {"contexts": []}


async def test_the_token_ends_at_the_authorization_layer() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    class Verifier:
        async def verify(self, token: str) -> Any:
            return token_of_alice

    operations = Operations("https://mcp.example/mcp")
    token_of_alice = AccessToken(ISSUER, "alice", "app", None, operations.all, 1.0)
    layer = Authorization(
        app,
        frozenset({"/mcp"}),
        Verifier(),  # pyright: ignore[reportArgumentType]
        operations,
        Challenges("https://mcp.example/mcp", operations),
    )
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/mcp",
        "headers": [(b"authorization", b"Bearer canary"), (b"accept", b"*/*")],
    }

    async def receive() -> Any:
        raise AssertionError("nobody needs the body of a request that no scope can refuse")

    async def send(message: Any) -> None:
        pass

    await layer(scope, receive, send)
    assert seen[0]["headers"] == [(b"accept", b"*/*")]
    assert "canary" not in repr(seen)
