"""Removing what nobody uses, and what a crash between two writes left behind."""

from collections.abc import Iterator
from dataclasses import dataclass

from mcp_demo.dcr.app_clients import AppClients
from mcp_demo.dcr.registration import remove
from mcp_demo.registry.dynamodb import DynamoDBRegistry
from mcp_demo.registry.model import Client, Registry

_PAGE = 1000
"""Rows of one request; DynamoDB ends a page at a megabyte in any case."""

_SETTLED = 900
"""Seconds after which half a registration cannot be one under way any more."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep came to: clients removed, clients kept, app clients removed that belonged to nobody."""

    removed: int
    kept: int
    orphans: int


def sweep(store: DynamoDBRegistry, app_clients: AppClients | None, now: float) -> Swept:
    """Remove expired clients, clients whose app client is gone, and app clients without a client; count again."""
    made = dict(app_clients.list()) if app_clients is not None else {}
    removed = kept = registered = 0
    for client in every_client(store):
        lost = app_clients is not None and client.upstream_client_id is not None
        lost = lost and client.upstream_client_id not in made and now - client.created > _SETTLED
        if client.is_expired(now) or lost:
            remove(store, app_clients, client, now)
            made.pop(client.upstream_client_id or "", None)
            removed += 1
        else:
            kept += 1
            registered += client.source == "dcr"
    orphans = _remove_orphans(store, app_clients, made, now) if app_clients is not None else 0
    store.recount(registered)
    return Swept(removed, kept, orphans)


def every_client(registry: Registry) -> Iterator[Client]:
    """All clients, page by page."""
    after: str | None = None
    while True:
        page = registry.list(after=after, limit=_PAGE)
        yield from page.clients
        after = page.after
        if after is None:
            return


def _remove_orphans(store: DynamoDBRegistry, app_clients: AppClients, made: dict[str, str], now: float) -> int:
    orphans = 0
    for app_client_id, client_id in made.items():
        client = store.get(client_id)
        belongs = client is not None and client.upstream_client_id == app_client_id
        if not belongs and app_clients.age(app_client_id, now) > _SETTLED:
            app_clients.delete(app_client_id)
            orphans += 1
    return orphans
