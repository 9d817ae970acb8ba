"""The tool that calls another API: only where there is one, and never with a token in its reach."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from botocore.session import Session
from server_kit import BRIDGE, ISSUER, READ, WRITE, Running, running

from mcp_demo.oauth.access_token import AccessToken
from mcp_demo.server import downstream
from mcp_demo.server.answers import Challenges
from mcp_demo.server.authorization import CALLER, Authorization
from mcp_demo.server.downstream import MODELS, ON_BEHALF, DownstreamApi, DownstreamFailed, Seen
from mcp_demo.server.operations import Operations
from mcp_demo.settings import Downstream

API = {
    "url": "http://api.example",
    "client_id": "mcp",
    "client_secret": "hush",
    "token_endpoint": "http://pool.example/oauth2/token",
    "region": "eu-central-1",
}
TOOL: dict[str, Any] = {"name": "whoami_downstream", "arguments": {}}


@pytest.fixture
async def server() -> AsyncGenerator[Running]:
    async with running(downstream=API) as made:
        yield made


async def _listed(server: Running) -> list[str]:
    response = await server.call(token=server.issuer.token())
    return [tool["name"] for tool in response.json()["result"]["tools"]]


async def test_the_tool_is_there_only_where_there_is_an_api_behind(server: Running) -> None:
    assert "whoami_downstream" in await _listed(server)
    async with running() as alone:
        assert "whoami_downstream" not in await _listed(alone)
        result = (await alone.call("tools/call", TOOL, token=alone.issuer.token())).json()
        assert "whoami_downstream" in str(result)
        assert "structuredContent" not in str(result)


async def test_it_needs_the_scope_to_read(server: Running) -> None:
    refused = await server.call("tools/call", TOOL, token=server.issuer.token(scope=WRITE))
    assert refused.status_code == 403
    assert READ in refused.headers["www-authenticate"]


async def test_a_refused_token_is_never_exchanged(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    exchanged: list[str] = []
    monkeypatch.setattr(DownstreamApi, "on_behalf_of", lambda _, token: exchanged.append(token))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    stray: list[dict[str, Any]] = [
        {"aud": "http://api.example"},
        {"token_use": "id"},
        {"exp": 1},
        {"act": 1},
        {"scope": WRITE},
    ]
    for changes in stray:
        refused = await server.call("tools/call", TOOL, token=server.issuer.token(**changes))
        assert refused.status_code in (401, 403)
    assert exchanged == []


async def test_the_user_pool_is_shown_no_token_of_another_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> Any:
        raise AssertionError("asked the user pool")

    monkeypatch.setattr(DownstreamApi, "_own_token", never)
    monkeypatch.setattr(DownstreamApi, "_derive", never)
    second = {"issuer": "https://second.example", "jwks_uri": "https://second.example/jwks", "profile": "rfc9068"}
    async with running(downstream=API, more_issuers=[second], authorization_servers=[BRIDGE]) as server:
        token = server.issuer.token({"typ": "at+jwt"}, iss=second["issuer"])
        result = (await server.call("tools/call", TOOL, token=token)).json()["result"]
    assert result["isError"]
    assert "of its user pool only" in result["content"][0]["text"]


async def test_behind_the_layer_the_token_is_in_nobodys_reach() -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)

    class Verifier:
        async def verify(self, token: str) -> Any:
            return AccessToken("https://as.example", "alice", "app", None, operations.all, 1.0)

    async def nothing(*_: object) -> Any: ...

    operations = Operations("https://mcp.example/mcp")
    api = DownstreamApi(Downstream.model_validate(API), ISSUER, (READ,), None)  # pyright: ignore[reportArgumentType]
    layer = Authorization(
        app,
        frozenset({"/mcp"}),
        Verifier(),  # pyright: ignore[reportArgumentType]
        operations,
        Challenges("https://mcp.example/mcp", operations),
        api.on_behalf_of,
    )
    headers = [(b"authorization", b"Bearer canary")]
    await layer({"type": "http", "method": "POST", "path": "/mcp", "headers": headers}, nothing, nothing)
    (seen,) = scopes
    assert set(seen) == {"type", "method", "path", "headers", CALLER, ON_BEHALF}
    on_behalf = seen[ON_BEHALF]
    shown = (repr(seen), str(on_behalf), repr(vars(api)))
    assert not any("canary" in text or "hush" in text for text in shown)


@pytest.mark.parametrize(
    "answer",
    [
        {"IssuedTokenType": "ID_TOKEN", "TokenType": "Bearer", "IssuedToken": "t"},
        {"IssuedTokenType": "ACCESS_TOKEN", "TokenType": "N_A", "IssuedToken": "t"},
        {"IssuedTokenType": "ACCESS_TOKEN", "TokenType": "Bearer", "IssuedToken": "t", "Scopes": [READ, WRITE]},
        {"IssuedTokenType": "ACCESS_TOKEN", "TokenType": "Bearer", "IssuedToken": ""},
        {"IssuedTokenType": "ACCESS_TOKEN", "TokenType": "Bearer"},
        {},
    ],
)
async def test_another_token_than_asked_for_goes_nowhere(
    answer: dict[str, Any], server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    async def own_token(_: object) -> str:
        return "own"

    async def call(_: object, token: str) -> Seen:
        sent.append(token)
        raise DownstreamFailed("sent")

    monkeypatch.setattr(DownstreamApi, "_own_token", own_token)
    monkeypatch.setattr(DownstreamApi, "_derive", lambda *_: answer)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setattr(DownstreamApi, "_call", call)
    result = (await server.call("tools/call", TOOL, token=server.issuer.token())).json()["result"]
    assert result["isError"]
    assert "another token" in result["content"][0]["text"]
    assert sent == []


def test_the_sdk_learns_the_operation_and_keeps_all_others() -> None:
    before = Session().get_service_model("cognito-idp")
    client = downstream.cognito_client(Downstream.model_validate(API | {"endpoint": "http://localhost:1"}))
    after = client.meta.service_model
    assert set(after.operation_names) - {"GetDerivedToken"} == set(before.operation_names) - {"GetDerivedToken"}
    operation = after.operation_model("GetDerivedToken")
    assert set(operation.input_shape.required_members) == {"ClientId", "SubjectToken", "SubjectTokenType"}
    assert (MODELS / "cognito-idp").is_dir()
