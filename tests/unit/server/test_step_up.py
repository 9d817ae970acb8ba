"""Scopes: what a token opens, and the 403 that says what else to ask for."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from server_kit import JSON_RPC, READ, RESOURCE, WRITE, Running, bearer, running

from mcp_demo.server.body import MAX_BODY, message_of, read_body
from mcp_demo.server.credentials import fields_of
from mcp_demo.server.operations import Announced, Operations, announced, called_tool

NOTE = {"name": "a", "text": "b"}
CALL: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
ADD: dict[str, Any] = {"name": "add_context", "arguments": NOTE}


@pytest.fixture
async def server() -> AsyncGenerator[Running]:
    async with running() as found:
        yield found


async def stored(server: Running) -> list[Any]:
    return (await server.use("list_contexts", server.issuer.token()))["contexts"]


async def test_a_write_with_a_token_to_read_is_answered_with_the_scopes_to_ask_for(server: Running) -> None:
    response = await server.call("tools/call", ADD, token=server.issuer.token())
    assert response.status_code == 403
    found = bearer(response)
    assert found.parameters["error"] == "insufficient_scope"
    assert found.scopes == (READ, WRITE)
    assert response.json()["error"] == "insufficient_scope"
    assert await stored(server) == []


async def test_the_newest_revision_names_the_scopes_of_the_operation_only(server: Running) -> None:
    response = await server.call_2026("add_context", NOTE, token=server.issuer.token())
    assert response.status_code == 403
    assert bearer(response).scopes == (WRITE,)
    assert await stored(server) == []


@pytest.mark.parametrize("version", [(), (("mcp-protocol-version", "2025-11-25"),)])
async def test_earlier_revisions_get_the_granted_scopes_repeated(server: Running, version: Any) -> None:
    token = server.issuer.token(scope=f"openid {READ} other/thing")
    response = await server.call("tools/call", ADD, token=token, headers=version)
    assert bearer(response).scopes == (READ, WRITE)


async def test_the_same_refusal_is_the_same_to_the_byte(server: Running) -> None:
    answers = [await server.call("tools/call", ADD, token=server.issuer.token()) for _ in range(2)]
    assert answers[0].headers["www-authenticate"] == answers[1].headers["www-authenticate"]


@pytest.mark.parametrize("tool", ["whoami", "list_contexts"])
async def test_reading_needs_the_scope_to_read(server: Running, tool: str) -> None:
    response = await server.call_2026(tool, {}, token=server.issuer.token(scope=WRITE))
    assert response.status_code == 403
    assert bearer(response).scopes == (READ,)


async def test_exactly_the_challenged_scope_is_enough_for_the_repeated_call(server: Running) -> None:
    response = await server.call_2026("add_context", NOTE, token=server.issuer.token(scope=WRITE))
    assert response.status_code == 200
    assert not response.json()["result"]["isError"]
    assert len(await stored(server)) == 1


@pytest.mark.parametrize("scope", [READ + "er", READ.upper(), f"x{READ}", "read", RESOURCE, f"{RESOURCE}/other/read"])
async def test_scopes_are_compared_whole(server: Running, scope: str) -> None:
    response = await server.call("tools/call", {"name": "whoami"}, token=server.issuer.token(scope=scope))
    assert response.status_code == 403
    assert bearer(response).scopes == (READ,)


@pytest.mark.parametrize("method", ["initialize", "tools/list", "ping", "notifications/initialized"])
async def test_a_token_without_any_scope_of_this_server_opens_nothing(server: Running, method: str) -> None:
    for scope in (None, "openid email"):
        response = await server.call(method, token=server.issuer.token(scope=scope))
        assert response.status_code == 403
        assert bearer(response).scopes == (READ,)


@pytest.mark.parametrize("scope", [READ, WRITE, f"{READ} {WRITE}"])
async def test_any_scope_of_this_server_opens_the_list_of_tools(server: Running, scope: str) -> None:
    response = await server.call(token=server.issuer.token(scope=scope))
    assert [tool["name"] for tool in response.json()["result"]["tools"]] == ["whoami", "list_contexts", "add_context"]


@pytest.mark.parametrize("scope", [READ, f"{READ} {WRITE}"])
@pytest.mark.parametrize(
    "lie",
    [
        {"mcp_name": "whoami"},
        {"mcp_name": "list_contexts"},
        {"mcp_name": ""},
        {"mcp_name": "no_such_tool"},
        {"mcp_name": "=?base64?d2hvYW1p?="},
        {"mcp_method": "tools/list"},
        {"mcp_method": "tools/list", "mcp_name": "whoami"},
        {"mcp_method": "ping"},
        {"mcp_method": "TOOLS/CALL"},
        {"mcp_method": "tools/call ,tools/list"},
        {"mcp_method": ""},
    ],
)
async def test_headers_that_lie_about_the_body_store_nothing(server: Running, lie: dict[str, str], scope: str) -> None:
    response = await server.call_2026("add_context", NOTE, token=server.issuer.token(scope=scope), **lie)
    assert response.status_code in (400, 403)
    if response.status_code == 400:
        assert response.json()["error"]["code"] == -32020
    assert await stored(server) == []


@pytest.mark.parametrize("name", ["mcp-method", "mcp-name", "mcp-protocol-version"])
@pytest.mark.parametrize("first", [True, False])
async def test_a_header_said_twice_stores_nothing(server: Running, name: str, first: bool) -> None:
    true = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "add_context"}
    lie = {"mcp-protocol-version": "2025-11-25", "mcp-method": "tools/list", "mcp-name": "whoami"}
    fields = [*true.items()]
    fields.insert(0 if first else len(fields), (name, lie[name]))
    meta: dict[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    for scope in (READ, f"{READ} {WRITE}"):
        response = await server.call(
            "tools/call", {**ADD, "_meta": meta}, token=server.issuer.token(scope=scope), headers=fields
        )
        assert response.status_code in (400, 403)
        assert await stored(server) == []


async def test_an_encoded_name_is_the_tool_it_stands_for(server: Running) -> None:
    name = {"mcp_name": "=?base64?YWRkX2NvbnRleHQ=?="}
    refused = await server.call_2026("add_context", NOTE, token=server.issuer.token(), **name)
    assert refused.status_code == 403
    token = server.issuer.token(scope=f"{READ} {WRITE}")
    assert (await server.call_2026("add_context", NOTE, token=token, **name)).status_code == 200
    assert len(await stored(server)) == 1


async def test_headers_of_an_earlier_revision_are_not_believed(server: Running) -> None:
    fields = [("mcp-protocol-version", "2025-11-25"), ("mcp-method", "tools/list")]
    response = await server.call("tools/call", ADD, token=server.issuer.token(), headers=fields)
    assert response.status_code == 403
    assert await stored(server) == []


@pytest.mark.parametrize(
    ("fields", "tool"),
    [
        ({"mcp-method": "tools/call", "mcp-name": "add_context"}, Announced("add_context")),
        ({"mcp-method": "tools/list"}, Announced(None)),
        ({"mcp-method": "tools/call", "mcp-name": "no_such_tool"}, None),
        ({"mcp-method": "tools/call"}, None),
        ({"mcp-name": "whoami"}, None),
        ({"mcp-method": "tools/list", "mcp-protocol-version": "2025-11-25"}, None),
    ],
)
def test_only_headers_that_the_sdk_compares_announce_the_body(fields: dict[str, str], tool: Announced | None) -> None:
    said = {"mcp-protocol-version": "2026-07-28", **fields}
    assert announced({name.encode(): value.encode() for name, value in said.items()}) == tool


async def test_header_and_body_that_disagree_are_refused_by_the_sdk(server: Running) -> None:
    token = server.issuer.token(scope=f"{READ} {WRITE}")
    response = await server.call_2026("add_context", NOTE, token=token, mcp_name="whoami")
    assert response.status_code == 400
    assert response.json()["error"]["code"] == -32020
    assert await stored(server) == []


@pytest.mark.parametrize("scope", [READ, WRITE, f"{READ} {WRITE}"])
@pytest.mark.parametrize("version", [(), (("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"))])
async def test_a_batch_runs_nothing(server: Running, scope: str, version: Any) -> None:
    batch = json.dumps([{**CALL, "params": ADD}, {**CALL, "id": 2, "params": ADD}])
    fields = [*JSON_RPC.items(), ("authorization", f"Bearer {server.issuer.token(scope=scope)}"), *version]
    response = await server.client.post("/mcp", content=batch, headers=fields)
    assert response.status_code == 400
    assert await stored(server) == []


HOSTILE_BODIES = [
    '{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":%s}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"tools/list","params":%s}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{},"params":%s}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/\\u0063all","params":%s}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%s} {}',
    '\ufeff{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%s}',
]


@pytest.mark.parametrize("body", HOSTILE_BODIES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_no_spelling_of_a_call_gets_past_the_scopes(server: Running, body: str, encoding: str) -> None:
    content = (body % json.dumps(ADD)).encode(encoding)
    headers = {**JSON_RPC, "authorization": f"Bearer {server.issuer.token()}"}
    response = await server.client.post("/mcp", content=content, headers=headers)
    assert response.status_code < 500
    assert await stored(server) == []


@pytest.mark.parametrize("body", [b"", b"{", b"null", b'"x"', b"[]", b"[" * 100_000, b'{"params":' * 9000, b"\xff"])
@pytest.mark.parametrize("scope", [READ, f"{READ} {WRITE}"])
async def test_a_broken_body_is_a_bad_request(server: Running, body: bytes, scope: str) -> None:
    headers = {**JSON_RPC, "authorization": f"Bearer {server.issuer.token(scope=scope)}"}
    assert (await server.client.post("/mcp", content=body, headers=headers)).status_code == 400


@pytest.mark.parametrize("scope", [READ, f"{READ} {WRITE}"])
@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_a_body_beyond_the_limit_is_too_large(server: Running, scope: str, version: str) -> None:
    headers = {"authorization": f"Bearer {server.issuer.token(scope=scope)}", "mcp-protocol-version": version}
    response = await server.client.post("/mcp", content=b" " * (MAX_BODY + 1), headers={**JSON_RPC, **headers})
    assert response.status_code == 413


@pytest.mark.parametrize(("size", "fits"), [(MAX_BODY - 1, True), (MAX_BODY, True), (MAX_BODY + 1, False)])
async def test_a_body_is_read_up_to_the_limit_and_not_further(size: int, fits: bool) -> None:
    parts = [b"x" * MAX_BODY, b"x" * (size - MAX_BODY)] if size > MAX_BODY else [b"x" * size]
    if not fits:
        parts.append(b"never asked for")

    async def receive() -> Any:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    body = await read_body(receive)
    assert body == (b"x" * size if fits else None)
    assert len(parts) == (0 if fits else 1)


async def test_a_body_that_breaks_off_says_nothing_though_it_looks_whole() -> None:
    arriving: list[Any] = [
        {"type": "http.request", "body": b'{"jsonrpc":"2.0","id":1,"method":"ping"}', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return arriving.pop(0)

    assert await read_body(receive) == b""


async def test_a_call_of_a_tool_that_does_not_exist_needs_the_basic_scope(server: Running) -> None:
    refused = await server.call("tools/call", {"name": "delete_all"}, token=server.issuer.token(scope=WRITE))
    assert refused.status_code == 403
    served = await server.call("tools/call", {"name": "delete_all"}, token=server.issuer.token())
    assert served.status_code == 200
    assert served.json()["result"]["isError"]


async def test_every_tool_has_a_scope(server: Running) -> None:
    listed = (await server.call(token=server.issuer.token())).json()["result"]["tools"]
    operations = Operations(RESOURCE)
    assert {tool["name"]: operations.for_tool(tool["name"]) for tool in listed} == {
        "whoami": (READ,),
        "list_contexts": (READ,),
        "add_context": (WRITE,),
    }


@pytest.mark.parametrize(
    "message",
    [
        {"method": "tools/call", "params": {"name": ["add_context"]}},
        {"method": "tools/call", "params": ["add_context"]},
        {"method": "tools/call"},
        {"method": ["tools/call"], "params": {"name": "add_context"}},
        {"method": "prompts/get", "params": {"name": "add_context"}},
        ["tools/call"],
    ],
)
def test_what_is_no_call_names_no_tool(message: object) -> None:
    assert called_tool(message_of(json.dumps(message).encode(), handshake=True)) is None


def test_what_is_said_twice_announces_nothing() -> None:
    said = [(b"mcp-protocol-version", b"2026-07-28"), (b"mcp-method", b"tools/list"), (b"accept", b"*/*")]
    assert announced(fields_of(said)) == Announced(None)
    assert announced(fields_of([(b"accept", b"text/html"), *said])) == Announced(None)
    for again in ((b"mcp-method", b"tools/list"), (b"mcp-protocol-version", b"2026-07-28")):
        assert announced(fields_of([again, *said])) is None
        assert announced(fields_of([*said, again])) is None
    assert announced(fields_of([*said, (b"mcp-name", b"whoami"), (b"mcp-name", b"whoami")])) is None
