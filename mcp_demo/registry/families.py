"""Refresh-token families and assertions that were used: what must be remembered so that a replay is noticed.

A family is everything that grew from one authorization. Each refresh token carries its family and a generation; using
it moves the family on by one. Nothing is stored for a login until its first refresh.

Spec: OAuth 2.1 §4.3.1 (rotation and replay), RFC 7523 §3 (`jti`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mcp_demo.registry.dynamodb import on_condition

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import AttributeValueTypeDef

GRACE = 10.0
"""Seconds in which a client may use a refresh token twice: parallel requests, or an answer that got lost."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What using a refresh token came to.

    Args:
        outcome: `rotated`: the first use. `parallel`: a second use within the grace. `reused`: a replay, which has just
            ended the family. `ended`: the family had ended before, or is unknown.
        generation: What the next refresh token carries; None unless `rotated` or `parallel`.
    """

    outcome: Literal["rotated", "parallel", "reused", "ended"]
    generation: int | None = None


class Families:
    """Families in one table whose key is `id`.

    Args:
        client: The DynamoDB client; may be shared between threads.
        table: The name of the table.
        grace: Seconds in which the previous refresh token still works.
    """

    def __init__(self, client: "DynamoDBClient", table: str, *, grace: float = GRACE) -> None:
        self._client = client
        self._table = table
        self._grace = grace

    def rotate(self, family: str, generation: int, *, now: float, expires: float) -> Rotation:
        """Use a refresh token of a family.

        Args:
            family: The family's random id.
            generation: The token's; the first refresh token of a login has 0.
            now: The current time.
            expires: When the last token of the family dies by itself; the row is kept as long.
        """
        fresh = "attribute_not_exists(id) OR " if generation == 0 else ""
        moved = on_condition(
            lambda: self._client.update_item(
                TableName=self._table,
                Key=_key(f"family:{family}"),
                UpdateExpression="SET generation = :next, rotated = :now, #ttl = :ttl",
                ConditionExpression=f"{fresh}(generation = :this AND attribute_not_exists(ended))",
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={
                    ":this": {"N": str(generation)},
                    ":next": {"N": str(generation + 1)},
                    ":now": {"N": f"{now:.3f}"},
                    ":ttl": {"N": str(int(expires) + 1)},
                },
            )
        )
        if moved:
            return Rotation("rotated", generation + 1)
        return self._second_use(family, generation, now, expires)

    def end(self, family: str, *, expires: float) -> None:
        """End a family: none of its refresh tokens works any more (RFC 7009 §2.1)."""
        self._client.update_item(
            TableName=self._table,
            Key=_key(f"family:{family}"),
            UpdateExpression="SET ended = :yes, #ttl = :ttl",
            ExpressionAttributeNames={"#ttl": "ttl"},
            ExpressionAttributeValues={":yes": {"BOOL": True}, ":ttl": {"N": str(int(expires) + 1)}},
        )

    def is_first_use(self, identifier: str, *, now: float, expires: float) -> bool:
        """Whether a one-time value, e.g. issuer and `jti` of an assertion, is seen for the first time (RFC 7523 §3)."""
        return on_condition(
            lambda: self._client.put_item(
                TableName=self._table,
                Item=_key(f"once:{identifier}") | {"ttl": {"N": str(int(expires) + 1)}},
                ConditionExpression="attribute_not_exists(id) OR #ttl < :now",
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={":now": {"N": str(int(now))}},
            )
        )

    def _second_use(self, family: str, generation: int, now: float, expires: float) -> Rotation:
        answer = self._client.get_item(TableName=self._table, Key=_key(f"family:{family}"), ConsistentRead=True)
        row = answer.get("Item")
        if row is None or "ended" in row:
            return Rotation("ended")
        current, rotated = int(row["generation"].get("N", "0")), float(row["rotated"].get("N", "0"))
        if generation == current - 1 and now - rotated <= self._grace:
            return Rotation("parallel", current)
        self.end(family, expires=expires)
        return Rotation("reused")


def _key(identifier: str) -> "dict[str, AttributeValueTypeDef]":
    return {"id": {"S": identifier}}
