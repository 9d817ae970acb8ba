"""Registries put together: the clients of the settings first, then those of the store."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth.errors import InvalidScope
from mcp_demo.registry.model import AUTH_METHODS, ApplicationType, Client, Page, Registry


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
    """A pre-registered client from its metadata.

    Raises:
        ValueError: Says which member is missing or wrong.
    """
    if not isinstance(entry, dict):
        raise ValueError(f"Pre-registered clients: {where} is not an object.")
    members = cast("Mapping[str, Any]", entry)
    client_id, method = members.get("client_id"), members.get("token_endpoint_auth_method", "none")
    if not isinstance(client_id, str) or not client_id:
        raise ValueError(f"Pre-registered clients: {where} has no `client_id`.")
    if method not in AUTH_METHODS:
        raise ValueError(f"Pre-registered clients: {client_id} has an unknown `token_endpoint_auth_method`.")
    try:
        scopes = scope_rules.parse(members.get("scope") or "")
    except InvalidScope as error:
        raise ValueError(f"Pre-registered clients: the `scope` of {client_id} is malformed.") from error
    application_type: ApplicationType = "native" if members.get("application_type") == "native" else "web"
    return Client(
        client_id=client_id,
        redirect_uris=_strings(members, "redirect_uris", client_id),
        client_name=members.get("client_name"),
        client_uri=members.get("client_uri"),
        scopes=scopes,
        token_endpoint_auth_method=method,
        grant_types=_strings(members, "grant_types", client_id, ("authorization_code", "refresh_token")),
        application_type=application_type,
        secret_hash=members.get("client_secret_sha256"),
        jwks=members.get("jwks"),
        jwks_uri=members.get("jwks_uri"),
    )


def _strings(members: Mapping[str, Any], name: str, client_id: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    value = members.get(name, default)
    if not isinstance(value, list | tuple) or not all(
        isinstance(item, str) for item in cast("Iterable[object]", value)
    ):
        raise ValueError(f"Pre-registered clients: `{name}` of {client_id} is not an array of strings.")
    result = tuple(cast("Iterable[str]", value))
    if not result:
        raise ValueError(f"Pre-registered clients: {client_id} has no `{name}`.")
    return result
