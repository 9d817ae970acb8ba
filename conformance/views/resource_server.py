"""What the checks of the resource-server role look through (RFC 6750, RFC 9728, MCP Authorization)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, cast

from conformance import mcp_message
from conformance.check import Blocked
from conformance.issuer import TestIssuer
from conformance.session import View
from conformance.target import Capability
from conformance.views.answers import bearer, http_url, members, response, status, succeeded
from conformance.wire import Unanswered
from mcp_demo.exchange.model import Exchange, Headers, Request
from mcp_demo.oauth import resource_metadata, server_metadata

FOREIGN_ORIGIN = "https://evil.example"
GARBAGE = "conformance-garbage-0123456789"
_MEMBERS = {"resource", "authorization_servers", "jwks_uri", "scopes_supported", "bearer_methods_supported"}


class ResourceServer(View):
    """An MCP server, seen by a client."""

    # --- sending

    def ask(
        self, request: Request, name: str, why: str, spec: str, *, phase: str = "access", turn: int = 0
    ) -> Exchange:
        """Send a request to the server; its response is there for sure."""
        probe = Exchange(name, why, spec, "suite", "MCP server", request, phase=phase)
        return self.session.send(probe, turn=turn)

    def get(self, url: str, name: str, why: str, spec: str, *, headers: Headers = (), method: str = "GET") -> Exchange:
        """Read a public document."""
        request = Request(method, url, (("accept", "application/json"), *headers))
        return self.ask(request, name, why, spec, phase="discovery")

    def first(self, *, extra: Headers = (), without: tuple[str, ...] = (), url: str | None = None) -> Request:
        """The request that a client of this revision begins with, with further header fields."""
        return mcp_message.first_request(url or self.target.url, self.target.revision, extra=extra, without=without)

    def present(self, token: str, name: str, why: str, spec: str, *, scheme: str = "Bearer") -> Exchange:
        """Send the first request with this token."""
        return self.ask(self.first(extra=(("authorization", f"{scheme} {token}"),)), name, why, spec)

    # --- without credentials

    @property
    def anonymous(self) -> Exchange:
        """The first request, without a token."""
        return self.ask(
            self.first(),
            "Request without a token",
            "The answer has to tell a client that knows nothing how to get a token.",
            "MCP 2026-07-28 Authorization › Error Handling",
            phase="discovery",
        )

    @property
    def garbage(self) -> Exchange:
        """The first request, with something that is no token of anybody."""
        return self.present(
            GARBAGE,
            "Request with a made-up token",
            "Whatever is not an access token for this server has to be refused as such.",
            "RFC 6750 §3.1",
        )

    def require_protection(self) -> None:
        """Make sure that there is a protected server at all, for checks that otherwise find nothing anywhere.

        Raises:
            Blocked: Who has no token is not asked for one.
        """
        if status(self.anonymous) not in (401, 403):
            raise Blocked("The server asks nobody for a token, so nothing can be said; see rs.challenge.missing-token.")

    # --- metadata

    @property
    def named_metadata_url(self) -> str | None:
        """The metadata URL that the challenge names."""
        found = bearer(self.anonymous)
        return found.parameters.get("resource_metadata") if found else None

    @property
    def well_known(self) -> Sequence[Exchange]:
        """The two well-known addresses, the one for the endpoint's path first."""
        return [self.document(url) for url in resource_metadata.candidate_urls(self.target.url)]

    def document(self, url: str) -> Exchange:
        """The metadata at a URL, as a client without a token reads it."""
        return self.get(
            url,
            "Protected resource metadata",
            "Here the server says which authorization servers issue tokens for it.",
            "RFC 9728 §3.1",
        )

    @property
    def found_metadata(self) -> Iterator[tuple[str, Exchange]]:
        """The metadata documents that a client would find, with the way it found them: header, path, root."""
        named = self.named_metadata_url
        if named is not None and http_url(named) is not None:
            with suppress(Unanswered):
                yield "header", self.document(named)
        yield from zip(("path", "root"), self.well_known, strict=False)

    @cached_property
    def _chosen(self) -> str | None:
        usable = (exchange for _, exchange in self.found_metadata if described(exchange) is not None)
        return next((exchange.request.url for exchange in usable), None)

    @property
    def metadata(self) -> tuple[Exchange, dict[str, Any]]:
        """The metadata that a client would use: header first, then the well-known addresses.

        Raises:
            Blocked: There is none to judge.
        """
        if self._chosen is None:
            raise Blocked("No protected resource metadata was found, so there is nothing to look into.")
        exchange = self.document(self._chosen)
        return exchange, members(exchange) or {}

    def issuer_metadata(self, issuer: str) -> Iterator[Exchange]:
        """The documents in which an authorization server describes itself, in the order of MCP."""
        for url in server_metadata.candidate_urls(issuer):
            yield self.get(
                url,
                "Metadata of the authorization server",
                "The issuer named by the resource has to be found in the document at the address derived from it.",
                "RFC 8414 §3.3",
            )

    def issuer_keys(self) -> Iterator[Exchange]:
        """The public keys of the authorization servers that the metadata names."""
        listed: object = self.metadata[1].get("authorization_servers")
        for issuer in cast("list[object]", listed) if isinstance(listed, list) else []:
            for exchange in self.issuer_metadata(str(issuer)) if http_url(issuer) else ():
                uri = (members(exchange) or {}).get("jwks_uri")
                if isinstance(uri, str) and http_url(uri):
                    yield self.get(uri, "Public keys of the issuer", "Everybody may read them.", "RFC 7517 §5")

    # --- with credentials

    @property
    def token(self) -> str:
        """A token that is good for the first request.

        Raises:
            Blocked: Nobody gave one.
        """
        if self.target.token is not None:
            return self.target.token
        return self._minted

    @cached_property
    def _minted(self) -> str:
        if self.target.issuer is not None:
            return self.target.issuer.token()
        if Capability.TOKEN not in self.target.capabilities:
            raise Blocked.without(Capability.TOKEN)
        from conformance.views.authorization_server import AuthorizationServer  # which looks through this view

        with self.session.watch():  # the login is no evidence of what the server does
            return self.session.view(AuthorizationServer).access

    @property
    def issuer(self) -> TestIssuer:
        """The test issuer.

        Raises:
            Blocked: There is none.
        """
        if self.target.issuer is None:
            raise Blocked.without(Capability.TEST_ISSUER)
        return self.target.issuer

    @property
    def authorized(self) -> Exchange:
        """The first request with a good token: the positive control."""
        return self.present(
            self.token,
            "Request with a valid token",
            "The positive control: a server that refuses everybody proves nothing by refusing.",
            "OAuth 2.1 §5.1.1",
        )

    def session_headers(self, token: str) -> Headers:
        """What requests after the handshake carry besides the token: the session's id, where there are sessions."""
        if mcp_message.is_modern(self.target.revision):
            return ()
        exchange = self.present(
            token, "Handshake with a valid token", "Before this revision allows anything else.", "MCP 2025-11-25"
        )
        identifier = response(exchange).header("mcp-session-id")
        if identifier is None:
            return ()
        extra = (("authorization", f"Bearer {token}"), ("mcp-session-id", identifier))
        done = mcp_message.initialized(self.target.url, self.target.revision, extra)
        self.ask(done, "End of the handshake", "The client is ready.", "MCP 2025-11-25")
        return (("mcp-session-id", identifier),)

    def call(
        self,
        method: str,
        token: str,
        name: str,
        why: str,
        spec: str,
        *,
        params: Mapping[str, Any] | None = None,
        without: tuple[str, ...] = (),
        turn: int = 0,
    ) -> Exchange:
        """Send any request after the handshake, with a token."""
        extra = (("authorization", f"Bearer {token}"), *self.session_headers(token))
        request = mcp_message.request(
            self.target.url, self.target.revision, method, params, extra=extra, without=without
        )
        return self.ask(request, name, why, spec, turn=turn)

    def operate(self, token: str, name: str, *, turn: int = 0) -> Exchange:
        """Call the tool that needs more than the basic scopes.

        Raises:
            Blocked: None was named.
        """
        operation = self.target.operation
        if operation is None:
            raise Blocked.without(Capability.OPERATION)
        return self.call(
            "tools/call",
            token,
            name,
            "This tool needs more than the basic scopes.",
            "MCP 2026-07-28 Authorization › Scope Challenge Handling",
            params={"name": operation.tool, "arguments": dict(operation.arguments)},
            turn=turn,
        )

    def underprivileged(self, *, turn: int = 0) -> Exchange:
        """The guarded operation, asked for with a good token of the basic scopes only."""
        self.require_control()
        return self.operate(self.token, "A valid token that lacks the scope of this tool", turn=turn)

    def require_control(self) -> Exchange:
        """The positive control, for checks that judge by a refusal.

        Without a token at hand the metadata stands in for it: a server that lets everybody read that does tell public
        from protected.

        Raises:
            Blocked: The server refuses even what is right, so that refusing what is wrong means nothing.
        """
        if Capability.TOKEN in self.target.capabilities:
            exchange = self.authorized
            if not succeeded(exchange):
                raise Blocked(
                    f"The valid token is answered {status(exchange)}, so refusing a bad one proves nothing. Is it valid"
                    f" for this server, and does the server speak {self.target.revision}?"
                )
            return exchange
        try:
            return self.metadata[0]
        except Blocked:
            raise Blocked(
                "The server refuses everything we know of, so refusing a bad token proves nothing. Give --token."
            ) from None


def described(exchange: Exchange) -> dict[str, Any] | None:
    """The members of protected resource metadata; None for whatever else a server answers to any address."""
    found = members(exchange) or {}
    return found if _MEMBERS & found.keys() else None


def like_anonymous(server: ResourceServer, exchange: Exchange) -> bool:
    """Whether a request got what the same request without credentials gets, and not what it asked for.

    What that answer should have been is for rs.challenge.missing-token to say, once.
    """
    return status(exchange) == status(server.anonymous) and not succeeded(exchange)


def like_garbage(server: ResourceServer, exchange: Exchange) -> bool:
    """The same, compared with a made-up token; rs.challenge.invalid-token says what that answer should have been."""
    return status(exchange) == status(server.garbage) and not succeeded(exchange)
