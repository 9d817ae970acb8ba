"""Bugs planted in the client: how tokens are renewed, which scopes they have, and what goes with every request."""

# Stand-ins are given by the path of what they replace, so their parameters have no type to infer.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from dataclasses import replace
from typing import Any

from conformance.mutants.client_messages import query, with_query
from conformance.mutants.client_plant import Changed, planted
from mcp_demo.client import grant
from mcp_demo.client.engine import Engine
from mcp_demo.client.errors import Unauthorized
from mcp_demo.client.grant import Grant
from mcp_demo.exchange.model import Request
from mcp_demo.oauth import scopes

_GRANTS = "mcp_demo.client.engine.grant"
_SCOPES = "mcp_demo.client.engine.scopes"


def _offline(url: str) -> str:
    return with_query(url, scope=scopes.join(scopes.union(query(url).get("scope", "").split(), ("offline_access",))))


planted("offline-always", "The scope offline_access is always asked for.", "refresh.offline-access", asks=_offline)

_refresh = Engine._refresh  # pyright: ignore[reportPrivateUsage]


def _refresh_or_fail(engine: Engine, held: Grant) -> Any:
    if held.refresh_token is None:
        raise Unauthorized("There is no refresh token.")
    return (yield from _refresh(engine, held))


def _old_refresh_token(held: Grant, *others: Any) -> Any:
    renewed = yield from grant.refresh(held, *others)
    return replace(renewed, refresh_token=held.refresh_token)


planted(
    "lost-without-refresh-token",
    "Without a refresh token an expired token is the end.",
    "refresh.not-assumed",
    rules={"mcp_demo.client.engine.Engine._refresh": _refresh_or_fail},
)
planted(
    "old-refresh-token",
    "A new refresh token does not replace the old one.",
    "refresh.not-assumed",
    rules={_GRANTS: Changed(grant, refresh=_old_refresh_token)},
)

# --- scopes


def _known_only(asked: Any, supported: Any) -> Any:
    return scopes.select([name for name in asked if name in (supported or ())] or None, supported)


planted(
    "scopes-intersected",
    "Challenged scopes that the metadata does not list are left out.",
    "scope.challenged",
    rules={_SCOPES: Changed(scopes, select=_known_only)},
)
planted(
    "scopes-of-the-challenge-only",
    "Where the challenge names no scope, none is asked for.",
    "scope.selection",
    rules={_SCOPES: Changed(scopes, select=lambda asked, supported: scopes.select(asked, None))},
)
planted(
    "empty-scope",
    "Where there is nothing to ask for, an empty scope is sent.",
    "scope.selection",
    asks=lambda url: url if "scope" in query(url) else f"{url}&scope=",
)
planted(
    "no-step-up",
    "A refusal for want of a scope is an error like any other.",
    "scope.step-up",
    rules={"mcp_demo.client.engine.Engine._asks_for_more": lambda engine, response, bearer: False},
)
planted(
    "new-scopes-only",
    "Step-up asks for the new scopes alone.",
    "scope.union",
    "scope.step-up",
    rules={_SCOPES: Changed(scopes, union=lambda *groups: tuple(groups[-1]))},
)
planted(
    "endless-step-up",
    "Step-up attempts are not counted.",
    "scope.step-up-limit",
    rules={"mcp_demo.client.engine.Engine._count": lambda engine, challenged: None},
)

# --- transport


def _without_version(request: Request) -> Request:
    kept = tuple(pair for pair in request.headers if pair[0] != "mcp-protocol-version" or b"tools/list" in request.body)
    return replace(request, headers=kept)


def _other_version(request: Request) -> Request:
    headers = tuple(
        (name, "2025-03-26" if name == "mcp-protocol-version" else value) for name, value in request.headers
    )
    return replace(request, headers=headers)


planted(
    "no-protocol-version",
    "Some requests do not name the protocol version.",
    "transport.protocol-version",
    sends=_without_version,
)
planted(
    "other-protocol-version",
    "The header names another protocol version than the body.",
    "transport.protocol-version",
    sends=_other_version,
)
