"""What the checks of the authorization-server role look through (RFC 8414, RFC 7591, OAuth 2.1, MCP Authorization).

A login is dear: one grant serves all checks that look at a successful flow, and all attacks on a code share another.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar, cast
from urllib.parse import urlencode, urlsplit

from conformance.check import Blocked, NotApplicable
from conformance.journey import Journey
from conformance.session import Session, View
from conformance.target import Capability
from conformance.views.answers import json_body, members, status
from conformance.views.forms import location, new_cookies, parameters
from conformance.views.resource_server import ResourceServer
from conformance.wire import Unanswered
from mcp_demo.exchange.model import Exchange, Headers, Request, Response
from mcp_demo.oauth import pkce, server_metadata
from mcp_demo.oauth.token import client_authentication

T = TypeVar("T")

WEB = "https://client.conformance.example/callback"
NATIVE = "http://127.0.0.1:49152/callback"
VERIFIER = "conformance-verifier-0123456789-abcdefghijklmnopq"
STATE = "conformance-state"
_FORM = (("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json"))


@dataclass(frozen=True, slots=True)
class Client:
    """A client the suite can act as."""

    client_id: str
    redirect_uri: str
    secret: str | None = field(default=None, repr=False)
    method: str = "none"
    trusted: bool = False

    @property
    def name(self) -> str:
        """What it is called in reports."""
        return "confidential client" if self.secret else "client"


@dataclass(frozen=True, slots=True)
class Grant:
    """A completed login: the way, the code, and what the client needs to redeem it."""

    client: Client
    journey: Journey
    code: str
    verifier: str = field(repr=False, default=VERIFIER)


class AuthorizationServer(View):
    """An authorization server, seen by clients and by the browsers of their users."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._kept: dict[str, tuple[Any, tuple[Exchange, ...]]] = {}
        self._turns = count(1)

    # --- sending

    def ask(
        self, request: Request, name: str, spec: str, *, why: str = "", phase: str = "token", again: bool = False
    ) -> Exchange:
        """Send a request; with `again` it is sent even if the same one was sent before."""
        probe = Exchange(name, why or name, spec, "suite", "authorization server", request, phase=phase)
        return self.session.send(probe, turn=next(self._turns) if again else 0)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Make an observation only once, its failure included; who asks again is shown the same exchanges."""
        if name not in self._kept:
            with self.session.watch() as evidence:
                try:
                    value: Any = make()
                except (Blocked, NotApplicable, Unanswered) as reason:
                    value = reason
            self._kept[name] = (value, tuple(evidence))
        value, seen = self._kept[name]
        self.session.look_at(*seen)
        if isinstance(value, Exception):
            raise value
        return cast("T", value)

    # --- metadata

    @property
    def issuer(self) -> str:
        """The issuer that the resource names first.

        Raises:
            Blocked: It names none.
        """
        listed: Any = self.session.view(ResourceServer).metadata[1].get("authorization_servers")
        first: Any = cast("list[Any]", listed)[0] if isinstance(listed, list) and listed else None
        if not isinstance(first, str) or urlsplit(first).scheme not in ("https", "http"):
            raise Blocked("The resource metadata names no authorization server; the rs checks say more.")
        return first

    @property
    def documents(self) -> Sequence[Exchange]:
        """What is at each address that clients derive from the issuer, in their order."""
        return [self.document(url) for url in server_metadata.candidate_urls(self.issuer)]

    def document(self, url: str) -> Exchange:
        """A metadata document."""
        request = Request("GET", url, (("accept", "application/json"),))
        return self.ask(request, "Metadata of the authorization server", "RFC 8414 §3.1", phase="discovery")

    @property
    def published(self) -> Sequence[Exchange]:
        """The addresses that have a metadata document."""
        return [exchange for exchange in self.documents if members(exchange) is not None]

    @property
    def metadata(self) -> tuple[Exchange, dict[str, Any]]:
        """The document that a client would use.

        Raises:
            Blocked: There is none.
        """
        found = self.published
        if not found:
            raise Blocked("No metadata of the authorization server was found; as.metadata.published says more.")
        return found[0], members(found[0]) or {}

    def lists(self, name: str) -> list[str]:
        """A member of the metadata that is an array of strings."""
        value: Any = self.metadata[1].get(name)
        return [str(item) for item in cast("list[Any]", value)] if isinstance(value, list) else []

    def endpoint(self, name: str) -> str:
        """The URL of an endpoint.

        Raises:
            NotApplicable: It is not offered.
            Blocked: It should be, but is not.
        """
        url: Any = self.metadata[1].get(f"{name}_endpoint")
        if isinstance(url, str) and urlsplit(url).scheme in ("https", "http"):
            return url
        if name == "registration":
            raise NotApplicable("Registration is not offered.")
        raise Blocked(f"The metadata names no {name} endpoint; as.metadata.fields says more.")

    @property
    def resource(self) -> str:
        """The resource that tokens are asked for."""
        found: Any = self.session.view(ResourceServer).metadata[1].get("resource")
        return found if isinstance(found, str) else self.target.url

    @property
    def scopes(self) -> list[str]:
        """The scopes of the resource, the basic one first."""
        listed: Any = self.session.view(ResourceServer).metadata[1].get("scopes_supported")
        own = [str(item) for item in cast("list[Any]", listed)] if isinstance(listed, list) else []
        return own or self.lists("scopes_supported")[:2]

    @property
    def every_scope(self) -> list[str]:
        """All scopes that are known of."""
        return list(dict.fromkeys([*self.scopes, *self.lists("scopes_supported")]))

    # --- registration

    def register(self, metadata: object, name: str, *, raw: bytes | None = None, headers: Headers = ()) -> Exchange:
        """Ask for a registration; what is made is deleted when the run is over.

        Raises:
            NotApplicable: Registration is not offered.
            Blocked: Nobody allowed it.
        """
        url = self.endpoint("registration")
        if not self.target.may_register:
            raise Blocked.without(Capability.REGISTRATION)
        body = json.dumps(metadata).encode() if raw is None else raw
        request = Request(
            "POST", url, (("content-type", "application/json"), ("accept", "application/json"), *headers), body
        )
        exchange = self.ask(request, name, "RFC 7591 §3.1", phase="registration")
        made = registered(exchange)
        uri, token = made.get("registration_client_uri"), made.get("registration_access_token")
        if isinstance(uri, str) and isinstance(token, str):
            self.once(
                f"delete {uri}", lambda: self.session.at_end(lambda: self.manage("DELETE", uri, token, "Clean up"))
            )
        return exchange

    def manage(self, method: str, uri: str, token: str | None, name: str, body: object = None) -> Exchange:
        """Read, change or delete a registration (RFC 7592)."""
        headers = (("accept", "application/json"), *((("authorization", f"Bearer {token}"),) if token else ()))
        sent = b"" if body is None else json.dumps(body).encode()
        extra = () if body is None else (("content-type", "application/json"),)
        return self.ask(
            Request(method, uri, (*headers, *extra), sent), name, "RFC 7592 §2", phase="registration", again=True
        )

    def registration(self, *uris: str, **changes: object) -> Exchange:
        """Register a client with these redirect URIs; public unless told otherwise."""
        wanted: dict[str, object] = {
            "client_name": "MCP conformance suite",
            "redirect_uris": list(uris),
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "application_type": "web" if all(uri.startswith("https") for uri in uris) else "native",
            **changes,
        }
        sent = {name: value for name, value in wanted.items() if value is not None}
        return self.register(sent, f"Registration of {', '.join(uris) or 'nothing'}")

    def registered_client(self, *uris: str, **changes: object) -> Client:
        """A client that was just registered.

        Raises:
            Blocked: That did not work.
        """
        exchange = self.registration(*uris, **changes)
        made = registered(exchange)
        if status(exchange) not in (200, 201) or not isinstance(made.get("client_id"), str):
            raise Blocked(
                f"A client could not be registered ({status(exchange)}); the as.registration checks say more."
            )
        secret = made.get("client_secret")
        method = str(made.get("token_endpoint_auth_method", "none"))
        return Client(made["client_id"], uris[0], secret if isinstance(secret, str) else None, method)

    @property
    def client(self) -> Client:
        """A public client: registered for this run, described by a document, or the one we were told of.

        Raises:
            Blocked: There is no way to one.
        """
        return self.once("client", lambda: self._first(self._registered(NATIVE), self._described, self._given))

    @property
    def web_client(self) -> Client:
        """A client that was registered, whose redirect URI is https."""
        return self.once("web client", lambda: self._first(self._registered(WEB), self._described_web))

    @property
    def other_client(self) -> Client:
        """Another public client than `client`.

        Raises:
            Blocked: There is no other.
        """
        first = self.client
        found = self.web_client if self._can_make else self._given()
        if found.client_id == first.client_id:
            raise Blocked("A second client is needed, and only one is known.", Capability.CLIENT)
        return found

    @property
    def confidential(self) -> Client:
        """A client with a secret.

        Raises:
            Blocked: There is none.
        """
        given = self.target.client
        if given is not None and given.secret is not None:
            return Client(given.client_id, given.redirect_uri, given.secret, "client_secret_basic", trusted=True)
        made = self.once(
            "confidential",
            lambda: self.registered_client(WEB, token_endpoint_auth_method="client_secret_basic"),  # noqa: S106
        )
        if made.secret is None:
            raise NotApplicable("No client is given a secret here.")
        return made

    @property
    def trusted_client(self) -> Client:
        """The client that somebody registered beforehand."""
        if self.target.client is None:
            raise Blocked(
                "It takes a client that was registered beforehand: --client ID --redirect-uri URI.", Capability.CLIENT
            )
        return self._given()

    @property
    def _can_make(self) -> bool:
        offered = isinstance(self.metadata[1].get("registration_endpoint"), str)
        return (offered and self.target.may_register) or self.takes_documents

    def _registered(self, uri: str) -> Callable[[], Client]:
        return lambda: self.registered_client(uri)

    def _first(self, *ways: Callable[[], Client]) -> Client:
        missing: Exception = Blocked.without(Capability.CLIENT)
        for way in ways:
            try:
                return way()
            except (Blocked, NotApplicable) as reason:
                missing = reason if isinstance(reason, Blocked) and reason.missing is None else missing
        raise missing

    def _given(self) -> Client:
        given = self.target.client
        if given is None:
            raise Blocked.without(Capability.CLIENT)
        method = "none" if given.secret is None else "client_secret_basic"
        return Client(given.client_id, given.redirect_uri, given.secret, method, trusted=True)

    # --- client metadata documents

    @property
    def takes_documents(self) -> bool:
        """Whether the metadata says that URLs are client ids, and we can serve documents."""
        return (
            self.metadata[1].get("client_id_metadata_document_supported") is True and self.target.documents is not None
        )

    def publish(self, path: str, *, headers: Mapping[str, str] | None = None, **changes: object) -> Client:
        """Serve a client's document; its client acts with the first redirect URI."""
        host = self.hosting()
        document: dict[str, object] = {
            "client_id": host.url(path),
            "client_name": "MCP conformance suite",
            "redirect_uris": [NATIVE],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            **changes,
        }
        body = json.dumps({name: value for name, value in document.items() if value is not None}).encode()
        uris: Any = document["redirect_uris"]
        first = str(cast("list[object]", uris)[0]) if isinstance(uris, list) and uris else NATIVE
        return Client(host.publish(path, body, headers=headers or {"Cache-Control": "no-store"}), first)

    def publish_raw(
        self, path: str, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Client:
        """Serve anything at a client id URL."""
        host = self.hosting()
        return Client(host.publish(path, body, status=status, headers=headers or {"Cache-Control": "no-store"}), NATIVE)

    def hosting(self) -> Any:
        """Where documents are served.

        Raises:
            NotApplicable: URLs are not accepted as client ids.
            Blocked: We cannot serve any.
        """
        if self.metadata[1].get("client_id_metadata_document_supported") is not True:
            raise NotApplicable("URLs are not accepted as client ids: the metadata does not say so.")
        if self.target.documents is None:
            raise Blocked.without(Capability.DOCUMENTS)
        return self.target.documents

    def _described(self) -> Client:
        return self.publish("/native.json")

    def _described_web(self) -> Client:
        return self.publish("/web.json", redirect_uris=[WEB])

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
        self.session.look_at(
            Exchange(
                name,
                "The whole way through the pages, in a browser.",
                "OAuth 2.1 §4.1",
                "browser",
                "authorization server",
                Request("GET", url),
                answer,
                phase="authorization",
            )
        )
        return journey

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


LONG_STATE = ("state &=+/?#%25 ünï✓ \"<>' " * 30)[:600]
"""A state with everything in it that is easily mangled."""


def registered(exchange: Exchange) -> dict[str, Any]:
    """The members of a registration response that says a client was made."""
    found = json_body(exchange) if status(exchange) in (200, 201) else None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def tokens(exchange: Exchange) -> dict[str, Any]:
    """The members of a successful token response, else nothing."""
    found = members(exchange) or {}
    return found if "access_token" in found else {}


def error_of(exchange: Exchange) -> str | None:
    """The OAuth error code of a JSON error response."""
    found = json_body(exchange)
    value = cast("dict[str, Any]", found).get("error") if isinstance(found, dict) else None
    return value if isinstance(value, str) else None
