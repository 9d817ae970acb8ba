"""Ways to a client for the run: registered (RFC 7591), described by a document (CIMD), or known beforehand."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from conformance.check import Blocked, NotApplicable
from conformance.target import Capability
from conformance.views.answers import status
from conformance.views.grants import LOCAL, NATIVE, WEB, Client, registered
from conformance.views.published_metadata import PublishedMetadata
from mcp_demo.exchange.model import Exchange, Headers, Request


class Registering(PublishedMetadata):
    """An authorization server, as clients get to know it and it them."""

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
        if status(exchange) in (401, 403):
            raise Blocked("Registration takes a credential that the suite does not have.", Capability.CLIENT)
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
    def local_client(self) -> Client:
        """A client whose redirect URI is on localhost."""
        return self.once("local client", lambda: self._first(self._registered(LOCAL), self._described_local))

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
        self,
        path: str,
        body: bytes | Callable[[], Iterator[bytes]],
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
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

    def _described_local(self) -> Client:
        return self.publish("/local.json", redirect_uris=[LOCAL])

    def _described_web(self) -> Client:
        return self.publish("/web.json", redirect_uris=[WEB])
