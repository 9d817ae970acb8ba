"""What the checks of the authorization-server role look through (RFC 8414, RFC 7591, OAuth 2.1, MCP Authorization).

A login is dear: one grant serves all checks that look at a successful flow, and all attacks on a code share another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from conformance.check import Blocked
from conformance.journey import Journey
from conformance.target import Capability
from conformance.views.answers import shown
from conformance.views.forms import location, new_cookies, parameters
from conformance.views.grants import LONG_STATE, STATE, VERIFIER, Client, Grant, tokens
from conformance.views.registering import Registering
from mcp_demo.exchange.model import Exchange, Headers, Request, Response
from mcp_demo.oauth import pkce
from mcp_demo.oauth.token import client_authentication

_FORM = (("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json"))


class AuthorizationServer(Registering):
    """An authorization server, seen by clients and by the browsers of their users."""

    # --- authorization endpoint

    def authorization_url(
        self, client: Client, /, *, more: Sequence[tuple[str, str]] = (), **changes: str | None
    ) -> str:
        """A good authorization request, with changes; None leaves a parameter out."""
        wanted: dict[str, str | None] = {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": client.redirect_uri,
            "scope": self.scopes[0] if self.scopes else None,
            "state": STATE,
            "code_challenge": pkce.challenge(VERIFIER),
            "code_challenge_method": "S256",
            "resource": self.resource,
            **changes,
        }
        query = [(name, value) for name, value in wanted.items() if value is not None]
        url = self.endpoint("authorization")
        return f"{url}{'&' if '?' in url else '?'}{urlencode([*query, *more])}"

    def authorize(
        self,
        client: Client,
        name: str,
        /,
        *,
        spec: str = "OAuth 2.1 §4.1.1",
        headers: Headers = (),
        more: Sequence[tuple[str, str]] = (),
        again: bool = False,
        **changes: str | None,
    ) -> Exchange:
        """Open the authorization endpoint like a new browser: no cookie, no session."""
        url = self.authorization_url(client, more=more, **changes)
        return self.open(url, name, spec=spec, headers=headers, again=again)

    def open(
        self, url: str, name: str, *, spec: str, headers: Headers = (), again: bool = False, method: str = "GET"
    ) -> Exchange:
        """Open any URL like a browser."""
        request = Request(method, url, (("accept", "text/html"), *headers))
        return self.ask(request, name, spec, phase="authorization", again=again)

    def following(self, exchange: Exchange) -> Exchange | None:
        """The page that a redirect within the authorization server leads to, if it does."""
        target = location(exchange)
        if target is None or urlsplit(target).netloc != urlsplit(exchange.request.url).netloc:
            return None
        cookies = "; ".join(f"{name}={value}" for name, value in new_cookies(exchange).items())
        return self.open(
            target,
            "The page it redirects to",
            spec="OAuth 2.1 §7.10",
            headers=(("cookie", cookies),) if cookies else (),
        )

    # --- with a person

    def travel(self, client: Client, name: str, /, *, approve: bool = True, **changes: str | None) -> Journey:
        """Sign in, and agree or not.

        Raises:
            Blocked: Nobody can be signed in.
        """
        if self.target.sign_in is None:
            raise Blocked.without(Capability.SIGN_IN)
        url = self.authorization_url(client, more=(), **changes)
        redirect_uri = changes.get("redirect_uri") or client.redirect_uri
        journey = self._go(url, redirect_uri, approve)
        back = (("location", journey.returned),) if journey.returned else ()
        answer = Response(302 if journey.returned else 200, back, journey.end.encode() if not journey.returned else b"")
        exchange = Exchange(
            name,
            "The whole way through the pages, in a browser.",
            "OAuth 2.1 §4.1",
            "browser",
            "authorization server",
            Request("GET", url),
            answer,
            phase="authorization",
        )
        self.session.look_at(exchange)
        return replace(journey, exchange=exchange)

    def _go(self, url: str, redirect_uri: str, approve: bool) -> Journey:
        assert self.target.sign_in is not None  # noqa: S101 - asked before
        travel: Any = getattr(self.target.sign_in, "travel", None)
        close: Any = getattr(self.target.sign_in, "close", None)
        if close is not None:
            self.once("end of the browser", lambda: self.session.at_end(close))
        if travel is not None:
            return cast("Journey", travel(url, redirect_uri, approve=approve))
        if not approve:
            raise Blocked("The way to sign in that was given can only agree.", Capability.SIGN_IN)
        return Journey(self.target.sign_in(url, redirect_uri))

    def grant(self, name: str, client: Client | None = None, /, **changes: str | None) -> Grant:
        """A fresh code.

        Raises:
            Blocked: The login did not end with one.
        """
        client = client or self.client
        journey = self.travel(client, name, approve=True, **changes)
        code = parameters(journey.returned or "").get("code")
        if code is None:
            reason = parameters(journey.returned or "").get("error")
            raise Blocked(f"The login gave no code: {reason or journey.end or 'the pages lead nowhere'}")
        return Grant(client, journey, code)

    @property
    def main(self) -> tuple[Grant, Exchange]:
        """The one good login and its tokens, which all checks of a successful flow share."""
        return self.once("main", self._main)

    def _main(self) -> tuple[Grant, Exchange]:
        wide = " ".join(self.scopes[:1])
        grant = self.grant("A whole login", scope=wide or None, state=LONG_STATE)
        return grant, self.redeem(grant, "The code for tokens")

    @property
    def access(self) -> str:
        """An access token of a login of its own, which no attack of another check can spoil, with the basic scope.

        Raises:
            Blocked: There is no way to one.
        """
        return self.once("access", self._access)

    def _access(self) -> str:
        grant = self.grant("A login for an access token", scope=" ".join(self.scopes[:1]) or None)
        exchange = self.redeem(grant, "Its code for tokens")
        found = tokens(exchange).get("access_token")
        if not isinstance(found, str):
            raise Blocked(f"The login gave no token ({shown(exchange)}); the as.token checks say more.")
        return found

    @property
    def granted(self) -> dict[str, Any]:
        """What the main login gave: the members of its token response.

        Raises:
            Blocked: No tokens.
        """
        _, exchange = self.main
        if not tokens(exchange):
            raise Blocked(f"The code is answered {shown(exchange)}; as.token.response says more.")
        return tokens(exchange)

    @property
    def refreshed(self) -> Exchange | None:
        """The refresh of the main login; None if it brought no refresh token."""
        grant, exchange = self.main
        token = tokens(exchange).get("refresh_token")
        if token is None:
            return None
        return self.once("refreshed", lambda: self.refresh(grant.client, str(token), "A refresh"))

    @property
    def denied(self) -> Journey:
        """A login that the person refused."""
        return self.once("denied", lambda: self.travel(self.client, "A login that the person refuses", approve=False))

    # --- token endpoint

    def token(
        self,
        form: Mapping[str, str | None],
        name: str,
        *,
        headers: Headers = (),
        spec: str = "OAuth 2.1 §3.2.2",
        again: bool = True,
    ) -> Exchange:
        """Call the token endpoint with a form."""
        sent = urlencode({key: value for key, value in form.items() if value is not None}).encode()
        return self.ask(Request("POST", self.endpoint("token"), (*_FORM, *headers), sent), name, spec, again=again)

    def token_pairs(self, form: Sequence[tuple[str, str]], name: str) -> Exchange:
        """Call the token endpoint with a form in which names may be repeated."""
        request = Request("POST", self.endpoint("token"), _FORM, urlencode(form).encode())
        return self.ask(request, name, "OAuth 2.1 §3.2", again=True)

    def redeem(self, grant: Grant, name: str, /, *, client: Client | None = None, **changes: str | None) -> Exchange:
        """Redeem a code, rightly or with changes."""
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": grant.code,
            "redirect_uri": grant.client.redirect_uri,
            "code_verifier": grant.verifier,
            "resource": self.resource,
        }
        return self.call(client or grant.client, {**form, **changes}, name)

    def refresh(self, client: Client, token: str, name: str, **changes: str | None) -> Exchange:
        """Use a refresh token."""
        form: dict[str, str | None] = {"grant_type": "refresh_token", "refresh_token": token, "resource": self.resource}
        return self.call(client, {**form, **changes}, name)

    def call(self, client: Client, form: Mapping[str, str | None], name: str) -> Exchange:
        """Call the token endpoint as a client, authenticated in its way."""
        method: Any = client.method
        headers, fields = client_authentication(method, client.client_id, client.secret)
        return self.token({**fields, **form}, name, headers=tuple(headers.items()))
