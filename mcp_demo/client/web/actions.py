"""What a person can do: make a wish come true, or be sent to sign in for it."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

import httpx

from mcp_demo.client import mcp
from mcp_demo.client.drive import drive
from mcp_demo.client.errors import ClientError, IssuerChoiceNeeded, SignInNeeded
from mcp_demo.client.registration import deregister
from mcp_demo.client.web.person import Person, Trouble, Wish, trace_url
from mcp_demo.exchange.wire import from_json
from mcp_demo.oauth.errors import ErrorResponse, ProtocolViolation

LOGIN = Wish("Signed in", "whoami")
FETCH = Wish("MCP data fetched", "list_contexts")
_EXPECTED = (ClientError, ErrorResponse, ProtocolViolation, httpx.HTTPError, ValueError)


async def wish(
    person: Person, http: httpx.AsyncClient, wanted: Wish, left_out: frozenset[str] = frozenset()
) -> str | None:
    """Do what somebody wants. The URL to send the browser to, if it takes a sign-in first.

    Args:
        person: Who.
        http: The way to the servers.
        wanted: What.
        left_out: Scopes that they have just not agreed to: asking for them again at once would go round in circles.
    """
    person.trouble = person.done = person.undecided = None
    try:
        await _carry_out(person, http, wanted)
    except SignInNeeded as needed:
        if refused := left_out & set(needed.pending.scopes or ()):
            person.trouble = Trouble("the consent page", *_left_out(refused))
            return None
        return person.leave_for(needed.pending, wanted)
    except IssuerChoiceNeeded as needed:
        person.offered, person.undecided = needed.offered, wanted
    except _EXPECTED as error:
        person.fail(error)
    return None


async def choose(person: Person, http: httpx.AsyncClient, issuer: str) -> str | None:
    """Go on with what was wanted, with the authorization server that somebody chose. Returns as `wish` does."""
    wanted = person.undecided
    if wanted is None or issuer not in person.offered:
        return None
    person.issuer = issuer
    return await wish(person, http, wanted)


async def come_back(person: Person, http: httpx.AsyncClient, url: str, state: str) -> str | None:
    """Take an authorization response, then do what the sign-in was for."""
    person.trouble = person.done = None
    pending, wanted = person.sign_ins.pop(state)
    person.returned(url)
    try:
        await drive(person.engine.complete(pending, url), http, None, person.record)
    except _EXPECTED as error:
        person.fail(error)
    await _add_trace(person, http, trace_url(pending))
    held = person.engine.vault.grant(person.engine.server_url)
    left_out = frozenset(pending.scopes or ()) - frozenset(held.scopes if held else ())
    return None if person.trouble else await wish(person, http, wanted, left_out)


async def log_out(person: Person, http: httpx.AsyncClient) -> None:
    """Forget the grant, and tell the authorization server, should it be there."""
    person.issuer = None
    with suppress(*_EXPECTED):
        await drive(person.engine.leave(), http, None, person.record)


async def start_over(person: Person, http: httpx.AsyncClient) -> None:
    """Forget grant and registration, and tell the authorization server."""
    vault = person.engine.vault
    await log_out(person, http)
    if ours := vault.newest_registration():
        with suppress(*_EXPECTED):
            await drive(deregister(ours), http, None, person.record)
        vault.forget_registration(ours.issuer)
    person.identity = person.contexts = person.trouble = None
    person.done = "Registration forgotten"


def _left_out(scopes: frozenset[str]) -> tuple[str, str]:
    scope = " and ".join(sorted(scopes))
    what = f"This takes the scope {scope}, which you did not allow. Nothing was done."
    return what, "If you change your mind, do it again and leave the permission ticked."


async def _carry_out(person: Person, http: httpx.AsyncClient, wanted: Wish) -> None:
    result = await _call(person, http, wanted.tool, wanted.arguments)
    if wanted.tool == "whoami":
        person.identity = result
    else:
        if wanted.tool == "add_context":
            result = await _call(person, http, "list_contexts", {})
        person.contexts = cast("list[Mapping[str, Any]]", result.get("contexts", []))
        person.identity = await _call(person, http, "whoami", {})
    person.done = wanted.name


async def _call(person: Person, http: httpx.AsyncClient, tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    step = mcp.call_tool(person.engine.server_url, tool, arguments)
    result = mcp.read(await drive(person.engine.send(step), http, None, person.record))
    return cast("Mapping[str, Any]", result.get("structuredContent") or {})


async def _add_trace(person: Person, http: httpx.AsyncClient, url: str) -> None:
    """The bridge tells its side of the story only on a learner's machine; elsewhere the panel does without."""
    with suppress(httpx.HTTPError, ValueError):
        answer = await http.get(url)
        if answer.status_code == 200:
            person.add_trace(from_json(answer.content))
