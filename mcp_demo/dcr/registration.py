"""Registering, reading, changing and removing a client (RFC 7591 §3, RFC 7592 §2)."""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from mcp_demo.dcr.app_clients import AppClients
from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth.errors import InvalidClientMetadata, InvalidToken, TemporarilyUnavailable
from mcp_demo.registry.model import (
    Client,
    RegistryFull,
    WritableRegistry,
    hash_secret,
    new_secret,
    secret_matches,
)
from mcp_demo.registry.policy import Policy

_OURS = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")
_TOKEN_REFUSED = "The registration access token is not the one of this client."  # noqa: S105 (a sentence)


@dataclass(frozen=True, slots=True)
class Registrations:
    """The operations over a store. What an operation does not need may be left out.

    Args:
        store: Where clients are kept.
        clock: The current time in seconds since the epoch.
        endpoint: The URL of the registration endpoint.
        policy: What may register.
        app_clients: Where each client gets an app client of its own; None when all share the bridge's.
        announce: Tells administrators that a client waits for them; None when they look by themselves.
    """

    store: WritableRegistry
    clock: Callable[[], float]
    endpoint: str = ""
    policy: Policy | None = None
    app_clients: AppClients | None = None
    announce: Callable[[Client], None] | None = None

    def register(self, document: object) -> dict[str, Any]:
        """Register a client; returns the client information response (RFC 7591 §3.2.1).

        Raises:
            InvalidClientMetadata: The policy refuses the metadata.
            InvalidRedirectUri: The policy refuses the redirect URIs.
            TemporarilyUnavailable: No more clients fit in, or nobody could be told of a client that needs approval.
        """
        policy = self._policy()
        now = self.clock()
        token = new_secret()
        described = Client.from_metadata(f"dcr_{secrets.token_hex(16)}", policy.admit(document), source="dcr")
        client, secret = _with_credentials(described)
        client = replace(
            client,
            status="pending" if policy.approval else "active",
            review=new_secret() if policy.approval else None,
            created=now,
            last_used=now,
            lifetime=policy.lifetime,
            expires=now + policy.lifetime,
            registration_access_token_hash=hash_secret(token),
        )
        stored = self._store(client)
        try:
            self._announce(stored)
        except TemporarilyUnavailable:  # a client of which nobody knows would wait for ever
            with suppress(ClientError, BotoCoreError):
                remove(self.store, self.app_clients, stored, now)
            raise
        return self._information(stored, token, secret)

    def read(self, client_id: str, token: str | None) -> dict[str, Any]:
        """A client's registration (RFC 7592 §2.1). Its secret is not in it: nobody knows it any more but the client.

        Raises:
            InvalidToken: There is no such client, or this is not its token.
        """
        return self._information(self._authorized(client_id, token), token or "", None)

    def update(self, client_id: str, token: str | None, document: object) -> dict[str, Any]:
        """Replace a client's metadata, by the rules of a registration (RFC 7592 §2.2).

        Where clients need approval, one that changes what was approved waits again.

        Raises:
            InvalidToken: There is no such client, or this is not its token.
            InvalidClientMetadata: The policy refuses the metadata, or they name another client or secret.
            InvalidRedirectUri: The policy refuses the redirect URIs.
            TemporarilyUnavailable: Nobody could be told that it waits; the same update tries again.
        """
        client = self._authorized(client_id, token)
        metadata = self._policy().admit(document)
        _check_identity(client, cast("Mapping[str, Any]", document))
        described = Client.from_metadata(client_id, metadata, source="dcr")
        kept = replace(
            described,
            secret_hash=client.secret_hash,
            status=client.status,
            review=client.review,
            created=client.created,
            last_used=client.last_used,
            lifetime=client.lifetime,
            expires=client.expires,
            registration_access_token_hash=client.registration_access_token_hash,
            upstream_client_id=client.upstream_client_id,
        )
        changed, secret = _with_credentials(kept)
        if self._policy().approval and (client.status == "pending" or _judged(changed) != _judged(client)):
            changed = replace(changed, status="pending", review=new_secret())
        if not self.store.replace(changed, was=client):
            raise InvalidToken(_TOKEN_REFUSED)
        self._announce(changed)
        return self._information(changed, token or "", secret)

    def delete(self, client_id: str, token: str | None) -> None:
        """Remove a client (RFC 7592 §2.3).

        Raises:
            InvalidToken: There is no such client, or this is not its token.
        """
        remove(self.store, self.app_clients, self._authorized(client_id, token), self.clock())

    def _store(self, client: Client) -> Client:
        """Store a new client and make its app client: both, or neither."""
        policy = self._policy()
        if self.app_clients is not None:
            client = replace(client, upstream_client_id=self.app_clients.create(client.client_id, client.scopes))
        try:
            self.store.add(client, limit=policy.max_clients)
        except BaseException as error:
            if self.app_clients is not None and client.upstream_client_id is not None:
                self.app_clients.take_back(client.upstream_client_id)
            if isinstance(error, RegistryFull):
                raise TemporarilyUnavailable("No further client can register now. Try again later.") from error
            raise
        return client

    def _announce(self, client: Client) -> None:
        if self.announce is None or client.status != "pending":
            return
        try:
            self.announce(client)
        except (ClientError, BotoCoreError) as error:
            raise TemporarilyUnavailable("Nobody can be asked for approval now. Try again later.") from error

    def _authorized(self, client_id: str, token: str | None) -> Client:
        """The client whose token this is. An unknown client and a wrong token look alike (RFC 7592 §2.1)."""
        client = self.store.get(client_id)
        if client is None or client.status == "denied" or client.is_expired(self.clock()):
            raise InvalidToken(_TOKEN_REFUSED)
        if not secret_matches(token, client.registration_access_token_hash):
            raise InvalidToken(_TOKEN_REFUSED)
        return client

    def _policy(self) -> Policy:
        if self.policy is None:
            raise TypeError("this operation needs a policy")
        return self.policy

    def _information(self, client: Client, token: str, secret: str | None) -> dict[str, Any]:
        """The client information response (RFC 7591 §3.2.1, RFC 7592 §3)."""
        members: dict[str, Any] = {
            "client_id": client.client_id,
            "client_id_issued_at": int(client.created),
            **registered_members(client),
            "registration_access_token": token,
            "registration_client_uri": f"{self.endpoint}/{client.client_id}",
        }
        if secret is not None:
            members |= {"client_secret": secret, "client_secret_expires_at": 0}
        return members


def registered_members(client: Client) -> dict[str, Any]:
    """A client's metadata under the names of RFC 7591 §2, those without a value left out."""
    members: dict[str, Any] = {
        "redirect_uris": list(client.redirect_uris),
        "client_name": client.client_name,
        "client_uri": client.client_uri,
        "grant_types": list(client.grant_types),
        "response_types": ["code"],
        "scope": scope_rules.join(client.scopes),
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "application_type": client.application_type,
        "jwks": client.jwks,
        "jwks_uri": client.jwks_uri,
    }
    return {name: value for name, value in members.items() if value}


def digest(client: Client) -> str:
    """Stands for what a client says of itself at a moment, so that a decision can name what was looked at.

    The number of its review goes in: an update brings a new one, so nobody can make two registrations that look alike.
    """
    said = [client.client_id, client.review, registered_members(client)]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def remove(store: WritableRegistry, app_clients: AppClients | None, client: Client, now: float) -> None:
    """Remove a client and its app client.

    It is marked as expired first: from then on nobody can use it, and if the rest fails the sweep comes back to it.
    """
    if app_clients is None or client.upstream_client_id is None:
        store.delete(client)
        return
    ended = replace(client, status="denied", expires=now)
    if client.status != "denied" and not store.replace(ended, was=client):
        return
    try:
        app_clients.delete(client.upstream_client_id)
        store.delete(ended)
    except (ClientError, BotoCoreError):
        return


def _judged(client: Client) -> tuple[object, ...]:
    """What a person looks at who approves a client."""
    return client.redirect_uris, client.client_name, client.client_uri, client.jwks, client.jwks_uri


def _with_credentials(client: Client) -> tuple[Client, str | None]:
    """The client with a secret if its method asks for one, and the secret if it is new."""
    if not client.token_endpoint_auth_method.startswith("client_secret_"):
        return replace(client, secret_hash=None), None
    if client.secret_hash is not None:
        return client, None
    secret = new_secret()
    return replace(client, secret_hash=hash_secret(secret)), secret


def _check_identity(client: Client, members: Mapping[str, Any]) -> None:
    """What a client must and must not say about itself in an update (RFC 7592 §2.2)."""
    if members.get("client_id") != client.client_id:
        raise InvalidClientMetadata("`client_id` has to be the one of this registration.")
    secret = members.get("client_secret")
    if secret is not None and not (isinstance(secret, str) and client.proves(secret)):
        raise InvalidClientMetadata("`client_secret` has to be the present one, or left out.")
    given = [name for name in _OURS if name in members]
    if given:
        raise InvalidClientMetadata(f"An update must not contain {', '.join(given)}.")
