"""From settings to the tables: what a long-running process, the bridge, opens once."""

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


def connect(region: str, endpoint: str | None = None) -> "DynamoDBClient":
    """A DynamoDB client that many threads may share.

    Args:
        region: The AWS Region.
        endpoint: The embedded AWS, whose published root credentials are used then; None for AWS with its own.
    """
    config = Config(
        connect_timeout=2, read_timeout=5, retries={"mode": "standard", "max_attempts": 3}, max_pool_connections=50
    )
    if endpoint is None:
        return boto3.client("dynamodb", region_name=region, config=config)  # pyright: ignore[reportUnknownMemberType]
    return boto3.client(  # pyright: ignore[reportUnknownMemberType]
        "dynamodb",
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106
        config=config.merge(Config(proxies={})),
    )
