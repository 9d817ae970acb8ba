"""The handler of a function: an application behind events, started once, and again when it could not be."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from pydantic import BaseModel, SecretStr
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse

from mcp_demo.bridge.app import create_app
from mcp_demo.errors import SetupError
from mcp_demo.serverless.asgi import Instance
from mcp_demo.settings import BridgeSettings

Make = Callable[[Callable[[], Any], str], Instance]

DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetSecretValue")


class Strict(BaseModel):
    number: int


def event(method: str = "GET", path: str = "/", **headers: str) -> dict[str, Any]:
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": ""}
    context = {"http": http, "requestId": "the-request", "stage": "$default", "domainName": "auth.example"}
    common = {"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "isBase64Encoded": False}
    return {**common, "headers": {"host": "auth.example", **headers}, "requestContext": context}


@pytest.fixture
def instance() -> Generator[Make]:
    made: list[Instance] = []

    def make(create: Callable[[], Any], part: str) -> Instance:
        made.append(Instance(create, part))
        return made[-1]

    yield make
    for one in made:
        one.close()
    asyncio.set_event_loop(None)


def counting(starts: list[int], fails: Callable[[int], Exception | None]) -> Callable[[], Starlette]:
    """Makes applications that say how often one was started."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        yield

    def create() -> Starlette:
        starts.append(1)
        if error := fails(len(starts)):
            raise error
        app = Starlette(lifespan=lifespan)
        app.mount("/", PlainTextResponse(str(len(starts))))
        return app

    return create


def test_an_instance_starts_once_for_all_its_calls(instance: Make) -> None:
    starts: list[int] = []
    handler = instance(counting(starts, lambda _: None), "part")
    assert [handler(event(), None)["body"] for _ in range(3)] == ["1", "1", "1"]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (DENIED, "AccessDeniedException"),
        (EndpointConnectionError(endpoint_url="https://secretsmanager.invalid"), "secretsmanager.invalid"),
        (SetupError("A setting is missing.", "Set it."), "A setting is missing."),
        (ValueError("SECRETVALUE"), "ValueError"),
    ],
)
def test_who_asks_an_instance_that_cannot_start_is_told_to_come_back(
    instance: Make, capsys: pytest.CaptureFixture[str], error: Exception, cause: str
) -> None:
    starts: list[int] = []
    handler = instance(counting(starts, lambda count: error if count < 3 else None), "bridge")
    answer = handler(event(), None)
    assert answer["statusCode"] == 503
    assert json.loads(answer["body"])["error"] == "temporarily_unavailable"
    assert (answer["headers"]["retry-after"], answer["headers"]["x-request-id"]) == ("5", "the-request")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["event"], line["part"]) for line in lines] == [("no start", "bridge")] * 2
    assert cause in lines[0]["cause"]
    assert "SECRETVALUE" not in str(lines)
    assert handler(event(), None)["body"] == "3"


def test_the_words_of_a_validation_error_are_not_written(instance: Make, capsys: pytest.CaptureFixture[str]) -> None:
    def create() -> Starlette:
        Strict.model_validate({"number": "SECRETVALUE"})
        raise AssertionError

    assert instance(create, "part")(event(), None)["statusCode"] == 503
    assert "SECRETVALUE" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "origins"),
    [("/token", ["*"]), ("/.well-known/oauth-authorization-server", ["*"]), ("/authorize", [])],
)
def test_a_preflight_that_reaches_the_bridge_is_answered_by_it(instance: Make, path: str, origins: list[str]) -> None:
    """The embedded AWS answers preflights of every HTTP API by itself, so this stands in for the way through one."""
    settings = BridgeSettings(
        bridge_url="https://auth.example",
        mcp_url="https://mcp.example/mcp",
        domain="https://pool.example",
        bridge_client_id="bridge",
        bridge_client_secret=SecretStr("secret"),
        envelope_keys=[SecretStr("A" * 43)],
    )
    handler = instance(lambda: create_app(settings), "bridge")
    asked = {"origin": "https://page.example", "access-control-request-method": "POST"}
    answer = handler(event("OPTIONS", path, **asked), None)
    allowed = [value for name, value in answer["headers"].items() if name == "access-control-allow-origin"]
    assert allowed == origins
    assert answer["statusCode"] == (200 if origins else 405)
