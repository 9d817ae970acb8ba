"""The hops of a login that only the bridge sees, put into the trace for the client's flow panel."""

from collections.abc import Callable

from starlette.requests import Request as WebRequest
from starlette.responses import Response as WebResponse

from mcp_demo.bridge.context import Bridge
from mcp_demo.bridge.trace import key_of
from mcp_demo.exchange.model import Exchange, Headers, Request, Response


def approved(bridge: Bridge, state: str | None, answer: WebResponse) -> None:
    """The person approved, and the browser is sent to the user pool."""
    if bridge.trace is None or state is None:
        return
    _add(
        bridge,
        state,
        Exchange(
            name="Consent given: on to the user pool",
            why="Only now does the bridge tie the login to this browser and ask the user pool to sign the person in.",
            spec="MCP 2026-07-28 Security Best Practices › Confused Deputy Problem",
            sender="browser",
            receiver="bridge",
            request=Request("POST", f"{bridge.issuer}/consent"),
            response=_response(answer),
            phase="authorization",
            started=bridge.clock(),
        ),
    )


def returned(bridge: Bridge, state: str | None, request: WebRequest, answer: WebResponse) -> None:
    """The browser is back from the user pool, and is sent on to the client."""
    if bridge.trace is None or state is None:
        return
    _add(
        bridge,
        state,
        Exchange(
            name="Back from the user pool: on to the client",
            why="The bridge puts the user pool's code in an envelope bound to this client, and names itself as issuer.",
            spec="RFC 9207 §2",
            sender="browser",
            receiver="bridge",
            request=Request("GET", str(request.url), tuple(request.headers.items())),
            response=_response(answer),
            phase="authorization",
            started=bridge.clock(),
        ),
    )


def recorder(bridge: Bridge, key: str | None) -> Callable[[Exchange], None] | None:
    """Where the exchanges with the user pool's token endpoint go, if anywhere."""
    trace = bridge.trace
    if trace is None or key is None:
        return None
    return lambda exchange: trace.add(key, exchange)


def _add(bridge: Bridge, state: str, exchange: Exchange) -> None:
    if bridge.trace is not None:
        bridge.trace.add(key_of(state), exchange)


def _response(answer: WebResponse) -> Response:
    headers: Headers = tuple(answer.headers.items())
    return Response(answer.status_code, headers)
