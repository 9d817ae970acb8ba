"""What an authorization server publishes of itself (RFC 8414, OpenID Connect Discovery)."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, TypeVar, cast

from conformance.check import Blocked, NotApplicable
from conformance.session import Session, View
from conformance.views.answers import http_url, members
from conformance.views.resource_server import ResourceServer
from conformance.wire import Unanswered
from mcp_demo.exchange.model import Exchange, Request
from mcp_demo.oauth import server_metadata
from mcp_demo.oauth.errors import ProtocolViolation

T = TypeVar("T")


class PublishedMetadata(View):
    """An authorization server, as its metadata shows it."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._kept: dict[str, tuple[Any, tuple[Exchange, ...]]] = {}
        self._turns = count(1)

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

    @property
    def issuer(self) -> str:
        """The issuer that the resource names first.

        Raises:
            Blocked: It names none.
        """
        listed: Any = self.session.view(ResourceServer).metadata[1].get("authorization_servers")
        first: Any = cast("list[Any]", listed)[0] if isinstance(listed, list) and listed else None
        if http_url(first) is None:
            raise Blocked("The resource metadata names no authorization server; the rs checks say more.")
        return str(first)

    @property
    def documents(self) -> Sequence[Exchange]:
        """What is at each address that clients derive from the issuer, in their order."""
        try:
            urls = server_metadata.candidate_urls(self.issuer)
        except ProtocolViolation as reason:
            raise Blocked(f"No client can use this issuer: {reason} The rs checks say more.") from None
        return [self.document(url) for url in urls]

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
        if http_url(url) is not None:
            return str(url)
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
