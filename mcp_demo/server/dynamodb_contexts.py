"""Contexts in a DynamoDB table, for a server of which several instances run."""

import logging
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mcp_demo.server.contexts import MAX_PER_OWNER, Context, Owner, StoreFull, StoreUnavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import AttributeValueTypeDef

logger = logging.getLogger(__name__)

IMPATIENT = Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 2})
"""For the client: API Gateway waits half a minute for an answer, botocore by itself much longer."""


class DynamoDBContexts:
    """A store in a table with the keys `owner` and `id`; ids begin with the time, so they sort by age.

    Args:
        client: The DynamoDB client; may be shared between threads.
        table: The name of the table.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def add(self, owner: Owner, name: str, text: str, now: float) -> Context:
        """Store a text. Calls at the same moment may pass the limit by as many as they are.

        Raises:
            StoreFull: The owner has stored as much as may be.
            StoreUnavailable: The table is not there, or does not answer, or not to us.
        """
        if len(self.list(owner)) >= MAX_PER_OWNER:
            raise StoreFull
        context = Context(f"{int(now * 1000):013x}{secrets.token_hex(4)}", name, text, now)
        with _failures():
            self._client.put_item(
                TableName=self._table,
                Item={
                    "owner": {"S": _key(owner)},
                    "id": {"S": context.id},
                    "name": {"S": name},
                    "text": {"S": text},
                    "created": {"N": repr(now)},
                },
            )
        return context

    def list(self, owner: Owner) -> list[Context]:
        """The owner's contexts, oldest first.

        Raises:
            StoreUnavailable: As of `add`.
        """
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="#owner = :owner",
            ExpressionAttributeNames={"#owner": "owner"},
            ExpressionAttributeValues={":owner": {"S": _key(owner)}},
            ConsistentRead=True,
        )
        with _failures():
            return [_context(item) for page in pages for item in page["Items"]]

    def close(self) -> None:
        """Nothing is held."""


@contextmanager
def _failures() -> Generator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        logger.error("The table of contexts fails: %s", error)  # the caller is not told names of ours
        raise StoreUnavailable from error


def _context(item: "dict[str, AttributeValueTypeDef]") -> Context:
    text = {name: item[name].get("S", "") for name in ("id", "name", "text")}
    return Context(**text, created=float(item["created"].get("N", "0")))


def _key(owner: Owner) -> str:
    # A line break stands in no issuer and no subject, so two owners never have the same key.
    return f"{owner.issuer}\n{owner.subject}"
