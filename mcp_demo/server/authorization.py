"""The authorization layer: what reaches the MCP server passes here first (MCP Authorization, OAuth 2.1 §5)."""

import logging
from collections.abc import Callable
from typing import NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_demo.oauth.access_token import AccessToken
from mcp_demo.oauth.errors import InvalidRequest
from mcp_demo.oauth.unverified_token import TokenRejected
from mcp_demo.server import answers
from mcp_demo.server.answers import Answer, Challenges
from mcp_demo.server.body import MESSAGE, message_of, read_body, replay
from mcp_demo.server.credentials import Fields, bearer_token, fields_of, form_has_token, is_form
from mcp_demo.server.downstream import ON_BEHALF, OnBehalf
from mcp_demo.server.keys import KeysUnavailable
from mcp_demo.server.operations import Operations, announced, called_tool
from mcp_demo.server.protocol_version import is_modern
from mcp_demo.server.verifier import TokenVerifier

CALLER = "mcp_demo.caller"
"""Where the verified `AccessToken` lies in the ASGI scope."""

logger = logging.getLogger(__name__)


class _Known(NamedTuple):
    token: str
    caller: AccessToken


class Authorization:
    """ASGI middleware that lets a request through only with a token that covers it.

    The request goes on without its Authorization header and with who is calling in `scope[CALLER]`: what runs behind
    this layer cannot pass the token on, nor log it (MCP Security Best Practices › Token Passthrough). Where there is an
    API to call for the caller, `scope[ON_BEHALF]` calls it: that function knows the token, and its user does not.

    Args:
        app: The MCP endpoint.
        paths: Where it lies. Any other path is refused like this one without a token, and does not exist with one.
        verifier: Says whether a token is good.
        operations: Says which scopes a request needs.
        challenges: The refusals.
        on_behalf_of: How the API behind this server is called for the caller who sent a token, if there is one.
    """

    def __init__(
        self,
        app: ASGIApp,
        paths: frozenset[str],
        verifier: TokenVerifier,
        operations: Operations,
        challenges: Challenges,
        on_behalf_of: Callable[[str], OnBehalf] | None = None,
    ) -> None:
        self._app = app
        self._paths = paths
        self._verifier = verifier
        self._operations = operations
        self._challenges = challenges
        self._on_behalf_of = on_behalf_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        fields = fields_of(scope["headers"])
        known = await self._authenticate(fields)
        refusal = known if isinstance(known, Answer) else self._route(scope)
        if refusal is None and not isinstance(known, Answer):
            passed = self._passed_on(scope, known)
            refusal, receive = await self._authorize(passed, fields, receive)
            if refusal is None:
                await self._app(passed, receive, send)
        if refusal is not None:
            await refusal.send(send, head=scope["method"] == "HEAD")

    async def _authenticate(self, fields: Fields) -> _Known | Answer:
        try:
            token = bearer_token(fields)
            if token is None:
                return self._challenges.no_credentials
            return _Known(token, await self._verifier.verify(token))
        except InvalidRequest as error:
            return self._challenges.invalid_request(error.description)
        except TokenRejected as error:
            logger.info("Access token refused: %s", error.reason)
            return self._challenges.rejected(error.reason)
        except KeysUnavailable:
            return answers.KEYS_UNAVAILABLE

    def _passed_on(self, scope: Scope, known: _Known) -> Scope:
        kept = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
        passed = {**scope, "headers": kept, CALLER: known.caller}
        if self._on_behalf_of:
            passed[ON_BEHALF] = self._on_behalf_of(known.token)
        return passed

    def _route(self, scope: Scope) -> Answer | None:
        if scope["path"] not in self._paths:
            return answers.NOT_FOUND
        # Stateless: there is no stream to GET and no session to DELETE (MCP Streamable HTTP).
        return None if scope["method"] == "POST" else answers.METHOD_NOT_ALLOWED

    async def _authorize(self, scope: Scope, fields: Fields, receive: Receive) -> tuple[Answer | None, Receive]:
        """The refusal, if there is one, and the body for whoever comes next. What was read of it stays in the scope."""
        granted: tuple[str, ...] = scope[CALLER].scopes
        form = is_form(fields)
        if self._operations.holds_all(granted) and not form:
            return None, receive  # no operation could be refused: leave the body alone
        said = None if form else announced(fields)
        if said is not None:
            return self._refusal(fields, said.tool, granted), receive
        body = await read_body(receive)
        if body is None:
            return answers.TOO_LARGE, receive
        if form and form_has_token(body):
            return self._challenges.invalid_request("The request carries an access token in two ways."), receive
        message = message_of(body, handshake=not is_modern(fields))
        scope[MESSAGE] = message
        return self._refusal(fields, called_tool(message), granted), replay(body, receive)

    def _refusal(self, fields: Fields, tool: str | None, granted: tuple[str, ...]) -> Answer | None:
        needed = self._operations.missing(tool, granted)
        if not needed:
            return None
        version = fields.get(b"mcp-protocol-version", b"").decode("latin-1")
        return self._challenges.insufficient_scope(self._operations.challenged(needed, granted, version))
