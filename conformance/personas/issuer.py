"""An authorization server that approves everything at once, without a page, and keeps what it gave out."""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from mcp_demo.exchange.model import Request, Response
from mcp_demo.oauth import server_metadata
from mcp_demo.oauth.redirect_uri import with_parameters

_STORED_NOWHERE = (("cache-control", "no-store"),)
Fields = Mapping[str, str]
Reply = Callable[[Fields, dict[str, str | None]], dict[str, str | None]]


@dataclass
class Given:
    """An access token that was given out; a token of few uses is how time passes quickly."""

    scopes: tuple[str, ...]
    uses: int | None

    def is_alive(self) -> bool:
        """Whether it is still good."""
        return self.uses is None or self.uses > 0

    def use(self) -> None:
        """Use it once."""
        if self.uses is not None:
            self.uses -= 1


@dataclass
class Issuer:
    """The authorization server.

    Args:
        url: Its issuer identifier.
        members: Members of its metadata to replace, or with None to leave out.
        metadata_at: The URLs at which its metadata lies; the one of RFC 8414 by default.
        registered: Members of registration responses to replace, or with None to leave out.
        refusal: The error code that registrations are refused with.
        reply: Changes the authorization response.
        uses: How often a short-lived access token is good.
        lifetime: Its `expires_in`.
        short: How many access tokens are short-lived, from the first one on.
        refreshes: Whether refresh tokens are given out.
        access_tokens: Those it gave out, and what they are good for.
        refresh_tokens: Those that are good, and the scopes behind them.
        codes: Those it gave out, and what was asked for.
        spent: Those of them that were used.
        tokens: All tokens it gave out, of either kind.
    """

    url: str
    members: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata_at: Sequence[str] | None = None
    registered: dict[str, Any] = field(default_factory=dict[str, Any])
    refusal: str | None = None
    reply: Reply = lambda asked, reply: reply
    uses: int = 1
    lifetime: int = 1
    short: int = 0
    refreshes: bool = True
    access_tokens: dict[str, Given] = field(default_factory=dict[str, Given])
    refresh_tokens: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    codes: dict[str, Fields] = field(default_factory=dict[str, Fields])
    spent: set[str] = field(default_factory=set[str])
    tokens: list[str] = field(default_factory=list[str])

    def endpoint(self, name: str) -> str:
        """The URL of an endpoint."""
        return f"{self.url.rstrip('/')}/{name}"

    def locations(self) -> Sequence[str]:
        """Where the metadata lies."""
        return server_metadata.candidate_urls(self.url)[:1] if self.metadata_at is None else self.metadata_at

    def metadata(self) -> Response:
        """The metadata (RFC 8414 §2)."""
        members = {
            "issuer": self.url,
            "authorization_endpoint": self.endpoint("authorize"),
            "token_endpoint": self.endpoint("token"),
            "registration_endpoint": self.endpoint("register"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            **self.members,
        }
        return _json({name: value for name, value in members.items() if value is not None})

    def register(self, request: Request) -> Response:
        """Register a client as it asks (RFC 7591 §3.2)."""
        if self.refusal is not None:
            return _json({"error": self.refusal, "error_description": "This redirect URI is not welcome here."}, 400)
        try:
            asked: Any = json.loads(request.body)
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            return _json({"error": "invalid_client_metadata"}, 400)
        known = cast("dict[str, Any]", asked)
        members = {**known, "client_id": f"client-{secrets.token_urlsafe(9)}", **self.registered}
        if members.get("token_endpoint_auth_method", "client_secret_basic") != "none":
            members.setdefault("client_secret", f"s%:&+ {secrets.token_urlsafe(16)}")
            members.setdefault("client_secret_expires_at", 0)
        return _json({name: value for name, value in members.items() if value is not None}, 201)

    def authorize(self, request: Request) -> Response:
        """Approve, and send the browser back with a code (OAuth 2.1 §4.1.2)."""
        asked = dict(parse_qsl(urlsplit(request.url).query))
        redirect = asked.get("redirect_uri", "")
        if "://" not in redirect:
            return Response(400, (("content-type", "text/plain"),), b"This redirect URI leads nowhere.")
        code = f"code-{secrets.token_urlsafe(18)}"
        self.codes[code] = asked
        reply = self.reply(asked, {"code": code, "state": asked.get("state"), "iss": self.url})
        kept = {name: value for name, value in reply.items() if value is not None}
        return Response(302, (("location", with_parameters(redirect, kept)), *_STORED_NOWHERE))

    def token(self, form: Fields) -> Response:
        """Give tokens for a code or a refresh token, each good for once (OAuth 2.1 §3.2).

        Nothing else is verified, PKCE neither: what is wrong is for a check to say, and not for the flow to end at.
        """
        if form.get("grant_type") == "refresh_token":
            scopes = self.refresh_tokens.pop(form.get("refresh_token", ""), None)
            return _invalid_grant() if scopes is None else self._tokens(scopes)
        code = form.get("code", "")
        asked = self.codes.get(code)
        if form.get("grant_type") != "authorization_code" or asked is None or code in self.spent:
            return _invalid_grant()
        self.spent.add(code)
        return self._tokens(tuple(asked.get("scope", "").split()) or ("read",))

    def _tokens(self, scopes: tuple[str, ...]) -> Response:
        access = f"access-{secrets.token_urlsafe(24)}"
        short, self.short = self.short > 0, self.short - 1
        self.tokens.append(access)
        self.access_tokens[access] = Given(scopes, self.uses if short else None)
        members: dict[str, Any] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self.lifetime if short else 3600,
            "scope": " ".join(scopes),
        }
        if self.refreshes:
            refresh = f"refresh-{secrets.token_urlsafe(24)}"
            self.tokens.append(refresh)
            self.refresh_tokens[refresh] = scopes
            members["refresh_token"] = refresh
        return _json(members, headers=_STORED_NOWHERE)


def _invalid_grant() -> Response:
    return _json({"error": "invalid_grant"}, 400, _STORED_NOWHERE)


def _json(document: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    return Response(status, (("content-type", "application/json"), *headers), json.dumps(document).encode())
