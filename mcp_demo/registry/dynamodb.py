"""The client registry in a DynamoDB table.

One row for each client, and one that counts those who registered themselves. A row is written only on a condition, so
that a client that was deleted does not come back. The table's own expiry (`ttl`) trails ours by a week: the sweep has
to see an expired client first, because its app client in the user pool must go with it.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from botocore.exceptions import BotoCoreError, ClientError

from mcp_demo.registry.model import DAY, Client, ClientExists, Page, RegistryFull

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

Item: TypeAlias = dict[str, Any]
"""A row in DynamoDB's own notation."""

COUNTER = "#registered"
"""The key of the row that counts; no client id starts with `#`."""

TTL_TRAILS = 7 * DAY

_LONGEST_KEY = 2048  # bytes; DynamoDB refuses to look for more

_STRINGS = (
    "client_id",
    "client_name",
    "client_uri",
    "token_endpoint_auth_method",
    "application_type",
    "secret_hash",
    "jwks_uri",
    "source",
    "status",
    "review",
    "registration_access_token_hash",
    "upstream_client_id",
)
_LISTS = ("redirect_uris", "scopes", "grant_types")
_NUMBERS = ("created", "last_used", "expires")


class DynamoDBRegistry:
    """A `WritableRegistry` over one table whose key is `client_id`.

    Args:
        client: The DynamoDB client; may be shared between threads.
        table: The name of the table.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def get(self, client_id: str) -> Client | None:
        """A client by its id, read consistently: a deleted client is gone at once."""
        if not client_id or client_id.startswith("#") or len(client_id.encode()) > _LONGEST_KEY:
            return None
        answer = self._client.get_item(TableName=self._table, Key={"client_id": {"S": client_id}}, ConsistentRead=True)
        item = answer.get("Item")
        return None if item is None else client_of(item)

    def list(self, *, after: str | None = None, limit: int = 100) -> Page:
        """A page of clients, in the order of the table."""
        start: Item = {} if after is None else {"ExclusiveStartKey": {"client_id": {"S": after}}}
        answer = self._client.scan(TableName=self._table, Limit=limit, **start)
        clients = tuple(client_of(item) for item in answer["Items"] if item["client_id"].get("S") != COUNTER)
        last = answer.get("LastEvaluatedKey")
        return Page(clients, last["client_id"].get("S") if last else None)

    def touch(self, client: Client, now: float) -> None:
        """Note the use of a client and postpone its expiry, at most once a day."""
        if now - client.last_used < DAY:
            return
        used = replace(client, last_used=now, expires=None if client.lifetime is None else now + client.lifetime)
        changed = {name: value for name, value in item_of(used).items() if name in ("last_used", "expires", "ttl")}
        on_condition(
            lambda: self._client.update_item(
                TableName=self._table,
                Key={"client_id": {"S": client.client_id}},
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in changed),
                ConditionExpression="attribute_exists(client_id)",
                ExpressionAttributeNames={f"#{name}": name for name in changed},
                ExpressionAttributeValues={f":{name}": value for name, value in changed.items()},
            )
        )

    def add(self, client: Client, *, limit: int | None = None) -> None:
        """Store a new client.

        Raises:
            ClientExists: The client id is taken.
            RegistryFull: `limit` clients have registered themselves already.
        """
        if client.source == "dcr" and not self._count(1, limit):
            raise RegistryFull
        try:
            if not self._put(client, "attribute_not_exists(client_id)", {}, {}):
                raise ClientExists(client.client_id)
        except ClientExists:
            self._uncount(client)
            raise
        except BaseException:
            self._take_back(client)
            raise

    def replace(self, client: Client, *, was: Client) -> bool:
        """Store a changed client, unless it was deleted or decided upon in the meantime."""
        return self._put(
            client,
            "attribute_exists(client_id) AND #status = :was",
            {"#status": "status"},
            {":was": {"S": was.status}},
        )

    def delete(self, client: Client) -> bool:
        """Remove a client; False if it is gone already."""
        gone = on_condition(
            lambda: self._client.delete_item(
                TableName=self._table,
                Key={"client_id": {"S": client.client_id}},
                ConditionExpression="attribute_exists(client_id)",
            )
        )
        if gone:
            self._uncount(client)
        return gone

    def recount(self, registered: int) -> None:
        """Set the counter right. A crash between two writes, or the table's own expiry, leaves it off by one."""
        self._client.put_item(TableName=self._table, Item={"client_id": {"S": COUNTER}, "n": {"N": str(registered)}})

    def _count(self, step: int, limit: int | None = None) -> bool:
        capped: Item = {} if limit is None else {"ConditionExpression": "attribute_not_exists(n) OR n < :limit"}
        values: Item = {":step": {"N": str(step)}} | ({} if limit is None else {":limit": {"N": str(limit)}})
        return on_condition(
            lambda: self._client.update_item(
                TableName=self._table,
                Key={"client_id": {"S": COUNTER}},
                UpdateExpression="ADD n :step",
                ExpressionAttributeValues=values,
                **capped,
            )
        )

    def _uncount(self, client: Client) -> None:
        if client.source == "dcr":
            self._count(-1)

    def _take_back(self, client: Client) -> None:
        """Remove what a failed write may have left: an answer that got lost may have been a success."""
        with suppress(ClientError, BotoCoreError):  # the failure to tell is the first one; the sweep sees to the rest
            on_condition(
                lambda: self._client.delete_item(
                    TableName=self._table,
                    Key={"client_id": {"S": client.client_id}},
                    ConditionExpression="created = :created",
                    ExpressionAttributeValues={":created": item_of(client)["created"]},
                )
            )
            self._uncount(client)

    def _put(self, client: Client, condition: str, names: Mapping[str, str], values: Item) -> bool:
        extra: Item = {}
        if names:
            extra["ExpressionAttributeNames"] = names
        if values:
            extra["ExpressionAttributeValues"] = values
        return on_condition(
            lambda: self._client.put_item(
                TableName=self._table, Item=item_of(client), ConditionExpression=condition, **extra
            )
        )


def on_condition(write: Callable[[], object]) -> bool:
    """Run a conditional write; whether the condition held."""
    try:
        write()
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
            return False
        raise
    return True


def item_of(client: Client) -> Item:
    """A client as the table keeps it; members without a value are left out."""
    item: Item = {}
    for name in _STRINGS:
        if (text := getattr(client, name)) is not None:
            item[name] = {"S": text}
    for name in _LISTS:
        item[name] = {"L": [{"S": entry} for entry in getattr(client, name)]}
    for name in _NUMBERS:
        if (number := getattr(client, name)) is not None:
            item[name] = {"N": f"{number:.3f}"}
    if client.lifetime is not None:
        item["lifetime"] = {"N": str(client.lifetime)}
    if client.jwks is not None:
        item["jwks"] = {"S": json.dumps(client.jwks)}
    if client.expires is not None:
        item["ttl"] = {"N": str(int(client.expires) + TTL_TRAILS)}
    return item


def client_of(item: Mapping[str, Any]) -> Client:
    """A client from its row."""
    members: dict[str, Any] = {name: item[name]["S"] for name in _STRINGS if name in item}
    for name in _LISTS:
        members[name] = tuple(entry["S"] for entry in cast("Iterable[Mapping[str, str]]", item[name]["L"]))
    members |= {name: float(item[name]["N"]) for name in _NUMBERS if name in item}
    if "lifetime" in item:
        members["lifetime"] = int(item["lifetime"]["N"])
    if "jwks" in item:
        members["jwks"] = json.loads(item["jwks"]["S"])
    return Client(**members)
