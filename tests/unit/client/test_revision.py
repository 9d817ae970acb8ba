"""What an older revision of MCP does not know is not done; what an older server does not know is made do without."""

import json
from typing import Any

import httpx
import pytest
from client_world import AS, REDIRECT, RS, World

from mcp_demo.client import mcp
from mcp_demo.client.drive import drive
from mcp_demo.client.engine import Engine, Policy
from mcp_demo.client.errors import CallFailed, DiscoveryFailed
from mcp_demo.client.registration import Identity
from mcp_demo.client.revision import Revision
from mcp_demo.oauth.errors import IssuerMismatch, PkceUnsupported

OLD: Revision = "2025-06-18"
MIDDLE: Revision = "2025-11-25"
NEW: Revision = "2026-07-28"
ALL: tuple[Revision, ...] = (OLD, MIDDLE, NEW)


async def call(world: World, revision: Revision, identity: Identity | None = None, scopes: Any = None) -> int:
    policy = Policy(revision=revision, scopes=scopes)
    flow = Engine(RS, identity or Identity(), REDIRECT, policy=policy).send(mcp.list_tools(RS))
    async with world.http() as http:
        return (await drive(flow, http, world.sign_in)).status


def asked_scope(world: World) -> str | None:
    return world.requests("/authorize")[-1].url.params.get("scope")


def test_the_newest_is_what_is_gone_by() -> None:
    assert Engine(RS, Identity(), REDIRECT).revision == NEW


async def test_only_the_oldest_insists_on_a_named_document() -> None:
    assert await call(World(challenge="Bearer"), MIDDLE) == 200
    with pytest.raises(DiscoveryFailed, match="does not name its metadata"):
        await call(World(challenge="Bearer"), OLD)


async def test_the_oldest_does_not_look_for_openid_metadata() -> None:
    place = f"{AS}/.well-known/openid-configuration"
    assert await call(World(metadata_at=place), MIDDLE) == 200
    with pytest.raises(DiscoveryFailed):
        await call(World(metadata_at=place), OLD)


async def test_the_oldest_takes_metadata_that_is_silent_about_pkce_but_uses_it_all_the_same() -> None:
    silent = {"code_challenge_methods_supported": None}
    world = World(metadata=silent)
    assert await call(world, OLD) == 200
    assert world.requests("/authorize")[-1].url.params["code_challenge_method"] == "S256"
    with pytest.raises(PkceUnsupported):
        await call(World(metadata={"code_challenge_methods_supported": ["plain"]}), OLD)
    for revision in ALL[1:]:
        with pytest.raises(PkceUnsupported):
            await call(World(metadata=silent), revision)


async def test_metadata_documents_are_not_shown_to_the_oldest() -> None:
    identity = Identity(metadata_url="https://client.example/client.json")
    for revision, registered in zip(ALL, (1, 0, 0), strict=True):
        world = World(metadata={"client_id_metadata_document_supported": True})
        assert await call(world, revision, identity) == 200
        assert len(world.requests("/register")) == registered


async def test_scopes_of_a_challenge_are_for_the_newer_ones() -> None:
    for revision, scope in zip(ALL, (None, "read", "read"), strict=True):
        world = World()
        assert await call(world, revision) == 200
        assert asked_scope(world) == scope


async def test_the_oldest_does_not_step_up() -> None:
    for revision, status in zip(ALL, (403, 200, 200), strict=True):
        world = World(required={"read", "write"})
        assert await call(world, revision, scopes=("read",)) == status


async def test_application_type_is_said_to_the_newest_only() -> None:
    for revision in ALL:
        world = World()
        await call(world, revision)
        assert ("application_type" in json.loads(world.requests("/register")[0].content)) == (revision == NEW)


async def test_an_issuer_that_is_there_is_compared_always_and_demanded_by_the_newest_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = World.sign_in

    def respond(world: World, revision: Revision, iss: str) -> Any:
        def sign_in(url: str, redirect_uri: str) -> str:
            before, _, _ = honest(world, url, redirect_uri).partition("&iss=")
            return before + iss

        return sign_in

    async def status(revision: Revision, iss: str) -> int:
        world = World()
        flow = Engine(RS, Identity(), REDIRECT, policy=Policy(revision=revision)).send(mcp.list_tools(RS))
        async with world.http() as http:
            return (await drive(flow, http, respond(world, revision, iss))).status

    assert await status(MIDDLE, "") == 200
    wrong: list[tuple[Revision, str]] = [
        (NEW, ""),
        (NEW, "&iss=https://evil.example"),
        (MIDDLE, "&iss=https://evil.example"),
    ]
    for revision, iss in wrong:
        with pytest.raises(IssuerMismatch):
            await status(revision, iss)


class Older:
    """A server that knows the handshake only, and says so or does not."""

    def __init__(self, chooses: str, refusal: dict[str, Any] | None = None, status: int = 400) -> None:
        self.chooses, self.refusal, self.status = chooses, refusal, status
        self.log: list[tuple[str, str | None, str | None]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        version = request.headers.get("mcp-protocol-version")
        self.log.append((body["method"], version, request.headers.get("mcp-session-id")))
        if body["method"] == "initialize":
            result = {"protocolVersion": self.chooses, "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}
            headers = {"mcp-session-id": "s1"}
            return httpx.Response(200, json={"jsonrpc": "2.0", "id": body["id"], "result": result}, headers=headers)
        if version not in (OLD, MIDDLE):
            return httpx.Response(self.status, json=self.refusal)
        if body["method"].startswith("notifications/"):
            return httpx.Response(202)
        assert "_meta" not in body["params"]
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": body["id"], "result": {"tools": []}})


async def talk(server: Older, revision: Revision = NEW) -> dict[str, Any]:
    flow = mcp.converse(Engine(RS, Identity(), REDIRECT, policy=Policy(revision=revision)), mcp.list_tools(RS))
    async with httpx.AsyncClient(transport=httpx.MockTransport(server.answer)) as http:
        return mcp.read(await drive(flow, http))


def unsupported(*supported: str) -> dict[str, Any]:
    error = {"code": -32022, "message": "no", "data": {"supported": list(supported), "requested": NEW}}
    return {"jsonrpc": "2.0", "id": 1, "error": error}


@pytest.mark.parametrize("refusal", [None, {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "no"}}])
async def test_a_server_that_refuses_as_older_ones_do_is_greeted_with_a_handshake(refusal: dict[str, Any]) -> None:
    server = Older(OLD, refusal)
    assert await talk(server) == {"tools": []}
    assert server.log == [
        ("tools/list", NEW, None),
        ("initialize", None, None),
        ("notifications/initialized", OLD, "s1"),
        ("tools/list", OLD, "s1"),
    ]


async def test_of_what_a_server_lists_the_newest_is_offered_and_what_it_chooses_is_spoken() -> None:
    server = Older(OLD, unsupported("2025-03-26", OLD))
    assert await talk(server) == {"tools": []}
    assert server.log[-1] == ("tools/list", OLD, "s1")


async def test_a_client_of_an_older_revision_begins_with_the_handshake() -> None:
    server = Older(MIDDLE)
    assert await talk(server, MIDDLE) == {"tools": []}
    assert [method for method, _, _ in server.log] == ["initialize", "notifications/initialized", "tools/list"]


async def test_without_a_shared_revision_it_ends_in_words() -> None:
    with pytest.raises(CallFailed, match="speaks none of the revisions"):
        await talk(Older(OLD, unsupported("2024-11-05")))
    with pytest.raises(CallFailed, match=r"chose revision 2024-11-05"):
        await talk(Older("2024-11-05"))


async def test_an_error_of_the_newest_revision_is_an_answer_and_no_reason_for_a_handshake() -> None:
    server = Older(OLD, {"jsonrpc": "2.0", "id": 1, "error": {"code": -32020, "message": "header mismatch"}})
    with pytest.raises(CallFailed, match="header mismatch"):
        await talk(server)
    assert len(server.log) == 1
