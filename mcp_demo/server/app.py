"""The MCP server as an ASGI app: metadata and health for everybody, the MCP endpoint behind the authorization layer."""

import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

import httpx
from mcp.server.mcpserver import MCPServer
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_demo import cognito
from mcp_demo.errors import SetupError
from mcp_demo.oauth.access_token import Rules
from mcp_demo.oauth.resource_metadata import WELL_KNOWN, well_known_url
from mcp_demo.server import answers
from mcp_demo.server.answers import Challenges
from mcp_demo.server.authorization import Authorization
from mcp_demo.server.body import MAX_BODY
from mcp_demo.server.contexts import ContextStore, SqliteContexts
from mcp_demo.server.downstream import DownstreamApi
from mcp_demo.server.guard import Guard
from mcp_demo.server.keys import SigningKeys
from mcp_demo.server.metadata import Document, resource_document
from mcp_demo.server.operations import Operations
from mcp_demo.server.protocol_version import ProtocolVersion
from mcp_demo.server.single_exchange import SingleExchange
from mcp_demo.server.tools import Tools, mcp_server
from mcp_demo.server.verifier import TokenVerifier, TrustedIssuer
from mcp_demo.settings import Issuer, ServerSettings


def create_app(
    settings: ServerSettings | None = None,
    *,
    clock: Callable[[], float] = time.time,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Router:
    """The MCP server.

    Args:
        settings: Else they are read from the environment.
        clock: Seconds since the epoch, for the times in tokens.
        transport: How keys are fetched, for tests.

    Raises:
        SetupError: A setting is missing, or the file for contexts cannot be used.
    """
    settings = settings or ServerSettings.load()
    resource = settings.mcp_url
    operations = Operations(resource)
    http = httpx.AsyncClient(transport=transport, timeout=5)
    verifier = _verifier(settings, operations, http, clock)
    store = _store(settings)
    needed, behind = operations.for_tool("whoami_downstream"), settings.downstream
    api = behind and DownstreamApi(behind, settings.issuer, needed, http)
    manager = _session_manager(mcp_server(Tools(store, operations, clock), downstream=api is not None))
    path = urlsplit(resource).path or "/"
    protected = Authorization(
        ProtocolVersion(SingleExchange(manager)),
        frozenset({path, path.rstrip("/") or "/", path.rstrip("/") + "/"}),
        verifier,
        operations,
        Challenges(resource, operations),
        api.on_behalf_of if api else None,
    )

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[None]:
        async with http, manager.run():
            try:
                yield
            finally:
                await verifier.close()
                store.close()

    guard = Guard(protected, resource, settings.allowed_origins, settings.allowed_hosts)
    return _Server(_open(settings, operations), guard, lifespan)


class _Server(Router):
    """Whatever is not open is protected; only well-known addresses without a document plainly do not exist.

    Starlette's router is here for its lifespan. It would try one route after the other, for longer than all that is
    done to refuse a request.
    """

    def __init__(
        self,
        opened: Mapping[str, ASGIApp],
        protected: ASGIApp,
        lifespan: Callable[[object], AbstractAsyncContextManager[None]],
    ) -> None:
        super().__init__(default=protected, lifespan=lifespan)
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or start and end."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
        elif scope["path"] in self._opened:
            await self._opened[scope["path"]](scope, receive, send)
        elif scope["path"].startswith("/.well-known/"):
            await answers.NOT_FOUND.send(send, head=scope["method"] == "HEAD")
        else:
            await self.default(scope, receive, send)


def _open(settings: ServerSettings, operations: Operations) -> Mapping[str, ASGIApp]:
    """What needs no token. The metadata lies at the path form and, for clients that only look there, at the root."""
    metadata = Document(
        resource_document(settings.mcp_url, tuple(settings.authorization_servers), operations.basic),
        cache="public, max-age=300",
    )
    health = Document({"status": "ok"}, cache="no-store")
    paths = dict.fromkeys((urlsplit(well_known_url(settings.mcp_url)).path, WELL_KNOWN))
    return {"/health": health, **dict.fromkeys(paths, metadata)}


def _session_manager(server: MCPServer) -> StreamableHTTPSessionManager:
    """The SDK's Streamable HTTP, without sessions. Host, Origin and routing are ours, so its own app stays unused."""
    server.streamable_http_app(
        stateless_http=True,
        json_response=True,
        max_request_body_size=MAX_BODY,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    return server.session_manager


def _store(settings: ServerSettings) -> ContextStore:
    if settings.contexts_table:
        import boto3  # takes long to import, and only a server of several instances needs it

        from mcp_demo.server.dynamodb_contexts import IMPATIENT, DynamoDBContexts

        client = boto3.client("dynamodb", config=IMPATIENT)  # pyright: ignore[reportUnknownMemberType]
        return DynamoDBContexts(client, settings.contexts_table)
    try:
        return SqliteContexts(settings.contexts_file)
    except sqlite3.Error as error:
        raise SetupError(
            f"Contexts cannot be stored in {settings.contexts_file}: {error}.",
            "Let MCP_DEMO_CONTEXTS_FILE name a file in a folder that exists and can be written to.",
        ) from None


def _verifier(
    settings: ServerSettings, operations: Operations, http: httpx.AsyncClient, clock: Callable[[], float]
) -> TokenVerifier:
    first = Issuer(issuer=settings.issuer, jwks_uri=settings.jwks_uri, audience=settings.audience)
    trusted = [
        TrustedIssuer(
            Rules(
                issuer=issuer.issuer,
                resource=settings.mcp_url,
                scopes=_granted(settings, issuer),
                audience=issuer.audience,
                algorithm=cognito.SIGNING_ALGORITHM,
                token_use=cognito.TOKEN_USE_ACCESS if issuer.profile == "cognito" else None,
                leeway=settings.leeway,
                withheld=frozenset(operations.all) - _granted(settings, issuer),
            ),
            SigningKeys(issuer.jwks_uri, http),
        )
        for issuer in (first, *settings.more_issuers)
    ]
    return TokenVerifier(trusted, clock)


def _granted(settings: ServerSettings, issuer: Issuer) -> frozenset[str]:
    return frozenset(cognito.scope(settings.mcp_url, name) for name in issuer.scopes)
