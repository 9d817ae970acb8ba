"""The MCP server itself: three tools that make scopes tangible, and one that calls on (official SDK, both eras)."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import anyio.to_thread
from mcp.server.mcpserver import Context as Call
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field
from starlette.requests import Request

import mcp_demo
from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth.access_token import AccessToken
from mcp_demo.server.authorization import CALLER
from mcp_demo.server.contexts import MAX_PER_OWNER, Context, ContextStore, Owner, StoreFull, StoreUnavailable
from mcp_demo.server.downstream import ON_BEHALF, DownstreamFailed, OnBehalf
from mcp_demo.server.operations import Operations

_INSTRUCTIONS = (
    "A small protected server. `whoami` says what your access token says about you, `list_contexts` shows the notes you"
    " stored, `add_context` stores one. Reading and writing need different scopes: a call without the right one is"
    " answered 403 with the scopes to ask for."
)
_AWAY = "Contexts cannot be stored or read now, and nothing was changed. Try again later."


class Identity(BaseModel):
    """What the verified access token says about the caller. The token itself is never shown."""

    subject: str = Field(description="Who you are, as the user pool names you (`sub`). Unique within the issuer.")
    username: str | None = Field(description="Your user name in the user pool, if the token carries it.")
    client_id: str = Field(description="The application that the token was issued to.")
    issuer: str = Field(description="Who issued the token (`iss`).")
    scopes: list[str] = Field(description="What the token allows.")
    expires_at: datetime = Field(description="When the token ends (`exp`), in UTC.")


class Delegation(BaseModel):
    """Whom the API behind this server saw when this server called it for you."""

    subject: str = Field(description="For whom the call was made: you (`sub`).")
    actors: list[str] = Field(description="Who made it: this server's own app client first (`act`).")
    audience: str = Field(description="What the token was good for: that API and nothing else (`aud`).")
    scopes: list[str] = Field(description="What of your permissions went along.")
    expires_at: datetime = Field(description="When that token ends (`exp`), in UTC: never after yours.")


class StoredContext(BaseModel):
    """One stored context."""

    id: str
    name: str
    text: str
    created: datetime = Field(description="When it was stored, in UTC.")


class StoredContexts(BaseModel):
    """All contexts of the caller."""

    contexts: list[StoredContext] = Field(description="Oldest first.")


Name = Annotated[str, Field(min_length=1, max_length=80, description="A short title.")]
Text = Annotated[str, Field(min_length=1, max_length=4000, description="The text to remember.")]


class Tools:
    """The tools, as functions of who calls. Whose data a call touches comes from the verified token alone.

    Args:
        store: Where contexts lie.
        operations: The scopes that each tool needs.
        clock: Seconds since the epoch.
    """

    def __init__(self, store: ContextStore, operations: Operations, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._operations = operations
        self._clock = clock

    async def whoami(self, call: Call[Any, Any]) -> Identity:
        """Show who you are to this server: user, application, scopes, issuer and expiry, read from your access token.

        Needs the scope `read`. Takes no arguments. The token itself is never part of the answer.
        """
        caller = self._caller(call, "whoami")
        return Identity(
            subject=caller.subject,
            username=caller.username,
            client_id=caller.client_id,
            issuer=caller.issuer,
            scopes=list(caller.scopes),
            expires_at=datetime.fromtimestamp(caller.expires_at, UTC),
        )

    async def list_contexts(self, call: Call[Any, Any]) -> StoredContexts:
        """List the contexts you have stored, oldest first. Nobody else's are ever shown.

        Needs the scope `read`. Takes no arguments: whose contexts these are follows from your access token.
        """
        owner = _owner(self._caller(call, "list_contexts"))
        try:
            found = await anyio.to_thread.run_sync(self._store.list, owner)
        except StoreUnavailable:
            raise ToolError(_AWAY) from None
        return StoredContexts(contexts=[_shown(context) for context in found])

    async def add_context(self, name: Name, text: Text, call: Call[Any, Any]) -> StoredContext:
        """Store a short text under a name, for you alone, and return it with its id.

        Needs the scope `write`. With a token that only has `read`, the server answers 403 and names the scope to ask
        for: authorize again with it (step-up) and repeat the call. At most 100 contexts a person.
        """
        owner = _owner(self._caller(call, "add_context"))
        try:
            added = await anyio.to_thread.run_sync(self._store.add, owner, name, text, self._clock())
        except StoreFull:
            raise ToolError(f"There is no room for another context: {MAX_PER_OWNER} a person are kept.") from None
        except StoreUnavailable:
            raise ToolError(_AWAY) from None
        return _shown(added)

    async def whoami_downstream(self, call: Call[Any, Any]) -> Delegation:
        """Show whom another API sees when this server calls it for you: you as the subject, this server as the actor.

        Needs the scope `read`. Takes no arguments. Your access token stays here: the server exchanges it for one of its
        own that names both of you, is good for that API alone, and carries no more than `read`.
        """
        self._caller(call, "whoami_downstream")
        request = call.request_context.request
        on_behalf: OnBehalf | None = request.scope.get(ON_BEHALF) if isinstance(request, Request) else None
        if on_behalf is None:
            raise ToolError("There is no API behind this server.")
        try:
            seen = await on_behalf()
        except DownstreamFailed as error:
            raise ToolError(str(error)) from None
        return Delegation(
            subject=seen.subject,
            actors=seen.actors,
            audience=seen.audience,
            scopes=seen.scopes,
            expires_at=datetime.fromtimestamp(seen.expires_at, UTC),
        )

    def _caller(self, call: Call[Any, Any], tool: str) -> AccessToken:
        """Who calls, if the token covers the tool.

        The authorization layer has decided that already, by its own reading of the body. Asking again where the work is
        done means that no difference between two readings can open a tool.
        """
        request = call.request_context.request
        caller = request.scope.get(CALLER) if isinstance(request, Request) else None
        if not isinstance(caller, AccessToken):
            raise ToolError("Nobody is signed in.")
        if scope_rules.missing(self._operations.for_tool(tool), caller.scopes):
            raise ToolError("The access token does not cover this tool.")
        return caller


def mcp_server(tools: Tools, *, downstream: bool = False) -> MCPServer:
    """The MCP server with its three tools, and a fourth where there is an API to call for people."""
    server = MCPServer(
        "mcp-demo",
        title="MCP demo server",
        instructions=_INSTRUCTIONS,
        version=mcp_demo.__version__,
        log_level="WARNING",
        subscriptions=False,  # nothing here changes by itself: no stream to keep open
    )
    reads = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    adds = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
    server.add_tool(tools.whoami, title="Who am I?", annotations=reads)
    server.add_tool(tools.list_contexts, title="List my contexts", annotations=reads)
    server.add_tool(tools.add_context, title="Store a context", annotations=adds)
    if downstream:
        server.add_tool(tools.whoami_downstream, title="Who am I to the API behind?", annotations=reads)
    return server


def _owner(caller: AccessToken) -> Owner:
    return Owner(caller.issuer, caller.subject)


def _shown(context: Context) -> StoredContext:
    return StoredContext(
        id=context.id, name=context.name, text=context.text, created=datetime.fromtimestamp(context.created, UTC)
    )
