"""Registries put together: the clients of the settings first, then those of the store."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

from mcp_demo.oauth import client_metadata
from mcp_demo.oauth.errors import InvalidClientMetadata, InvalidRedirectUri
from mcp_demo.registry.model import AUTH_METHODS, Client, Page, Registry


class FixedRegistry:
    """Clients that are known when the process starts."""

    def __init__(self, clients: Iterable[Client]) -> None:
        self._clients = {client.client_id: client for client in clients}

    def get(self, client_id: str) -> Client | None:
        """A client by its id."""
        return self._clients.get(client_id)

    def list(self, *, after: str | None = None, limit: int = 100) -> Page:
        """A page of clients in order of their ids."""
        ids = sorted(name for name in self._clients if after is None or name > after)
        page = ids[:limit]
        return Page(tuple(self._clients[name] for name in page), page[-1] if len(ids) > limit else None)

    def touch(self, client: Client, now: float) -> None:
        """Nothing: these clients do not expire."""


class Registries:
    """Several registries as one. The first that knows a client id answers for it.

    So a client that registers itself can never stand in for one of the settings.
    """

    def __init__(self, parts: Sequence[Registry]) -> None:
        self._parts = tuple(parts)

    def get(self, client_id: str) -> Client | None:
        """A client by its id."""
        return next((client for part in self._parts if (client := part.get(client_id)) is not None), None)

    def list(self, *, after: str | None = None, limit: int = 100) -> Page:
        """A page of clients, one registry after the other; a page ends where its registry ends."""
        index, _, inner = (after or "0:").partition(":")
        here = int(index)
        page = self._parts[here].list(after=inner or None, limit=limit)
        if page.after is not None:
            return Page(page.clients, f"{here}:{page.after}")
        return Page(page.clients, f"{here + 1}:" if here + 1 < len(self._parts) else None)

    def touch(self, client: Client, now: float) -> None:
        """Note the use where the client is kept."""
        for part in self._parts:
            if part.get(client.client_id) is not None:
                part.touch(client, now)
                return


def settings_registry(document: str) -> FixedRegistry:
    """The pre-registered clients of the settings: a JSON array of client metadata, each with its `client_id`.

    A confidential client brings `client_secret_sha256`, the hash of its secret in hex.

    Spec: RFC 7591 §2 (names of the members).

    Raises:
        ValueError: Says which entry and which member is wrong.
    """
    try:
        entries: object = json.loads(document)
    except ValueError as error:
        raise ValueError("The pre-registered clients are not JSON.") from error
    if not isinstance(entries, list):
        raise ValueError("The pre-registered clients are not a JSON array.")
    return FixedRegistry(
        client_of(entry, f"entry {index}") for index, entry in enumerate(cast("list[object]", entries))
    )


def client_of(entry: object, where: str = "the client") -> Client:
    """A pre-registered client from its metadata; unlike one that registers itself, it is public unless it says more.

    Raises:
        ValueError: Says which member is missing or wrong.
    """
    members = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
    client_id = members.get("client_id")
    if not isinstance(client_id, str) or not client_id:
        raise ValueError(f"Pre-registered clients: {where} has no `client_id`.")
    defaults = {"token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"]}
    try:
        metadata = client_metadata.parse(defaults | members)
    except (InvalidClientMetadata, InvalidRedirectUri) as error:
        raise ValueError(f"Pre-registered clients: {client_id}: {error.description}") from None
    if metadata.token_endpoint_auth_method not in AUTH_METHODS:
        raise ValueError(f"Pre-registered clients: {client_id} has an unknown `token_endpoint_auth_method`.")
    client = Client.from_metadata(client_id, metadata, source="pre-registered")
    return replace(client, secret_hash=members.get("client_secret_sha256"))
