"""What Lambda calls: one function for each operation, its surroundings read from the environment once."""

import json
import logging
import os
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from mcp_demo.dcr import http
from mcp_demo.dcr import review as review_requests
from mcp_demo.dcr.announce import Announcer
from mcp_demo.dcr.app_clients import AppClients
from mcp_demo.dcr.registration import Registrations
from mcp_demo.dcr.sweep import sweep as sweep_registry
from mcp_demo.registry.dynamodb import DynamoDBRegistry
from mcp_demo.registry.policy import Policy

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient
    from types_boto3_dynamodb import DynamoDBClient

# One line of JSON each, by a handler of ours: what the runtime would add differs between Lambda and its emulators.
_log = logging.getLogger("mcp_demo.dcr")
_log.setLevel(logging.INFO)
_log.propagate = False
_log.addHandler(logging.StreamHandler())

_AWS: Any = boto3  # the stubs of these services are not installed

# Short enough that an answer of ours comes before the caller gives up.
_CONFIG = Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "max_attempts": 3})


def register(event: http.Event, context: object) -> http.Answer:
    """`POST /register` (RFC 7591 §3.1)."""
    return http.answer("register", event, 201, lambda: registrations().register(http.json_body(event)))


def read(event: http.Event, context: object) -> http.Answer:
    """`GET /register/{client_id}` (RFC 7592 §2.1)."""
    return http.answer(
        "read", event, 200, lambda: registrations().read(http.client_id(event), http.bearer_token(event))
    )


def update(event: http.Event, context: object) -> http.Answer:
    """`PUT /register/{client_id}` (RFC 7592 §2.2)."""
    return http.answer(
        "update",
        event,
        200,
        lambda: registrations().update(http.client_id(event), http.bearer_token(event), http.json_body(event)),
    )


def delete(event: http.Event, context: object) -> http.Answer:
    """`DELETE /register/{client_id}` (RFC 7592 §2.3)."""
    return http.answer(
        "delete", event, 204, lambda: registrations().delete(http.client_id(event), http.bearer_token(event))
    )


def review(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """The page on which an administrator decides upon a client."""
    return review_requests.serve(event, reviews)


def sweep(event: Mapping[str, Any], context: object) -> dict[str, int]:
    """The scheduled sweep."""
    swept = sweep_registry(store(), app_clients(), time.time())
    result = {"removed": swept.removed, "kept": swept.kept, "orphans": swept.orphans}
    _log.info(json.dumps({"operation": "sweep", **result}))
    return result


@cache
def registrations() -> Registrations:
    """The operations, with what this function's environment gives."""
    return Registrations(
        store=store(),
        clock=time.time,
        endpoint=os.environ.get("REGISTRATION_ENDPOINT", ""),
        policy=Policy.from_environment(os.environ) if "SCOPES" in os.environ else None,
        app_clients=app_clients(),
        announce=announcer(),
    )


@cache
def reviews() -> review_requests.Reviews:
    """Decisions upon clients."""
    return review_requests.Reviews(store(), secret(os.environ["REVIEW_KEY"]), time.time)


@cache
def store() -> DynamoDBRegistry:
    """The registry's table."""
    client: DynamoDBClient = boto3.client("dynamodb", config=_CONFIG)  # pyright: ignore[reportUnknownMemberType]
    return DynamoDBRegistry(client, os.environ["CLIENTS_TABLE"])


@cache
def app_clients() -> AppClients | None:
    """The user pool, in the strategy `per-client`."""
    pool = os.environ.get("USER_POOL_ID")
    if not pool:
        return None
    client: CognitoIdentityProviderClient = boto3.client("cognito-idp", config=_CONFIG)  # pyright: ignore[reportUnknownMemberType]
    return AppClients(
        client,
        pool,
        callback=os.environ.get("UPSTREAM_CALLBACK", ""),
        style=os.environ.get("UPSTREAM_STYLE") == "yes",
        providers=os.environ.get("UPSTREAM_PROVIDERS", "COGNITO").split(","),
    )


@cache
def announcer() -> Announcer | None:
    """Where to ask for approval, if by mail."""
    topic = os.environ.get("REVIEW_TOPIC")
    if not topic:
        return None
    sns: Any = _AWS.client("sns", config=_CONFIG)
    return Announcer(sns, topic, os.environ["REVIEW_PAGE"], secret(os.environ["REVIEW_KEY"]), time.time)


@cache
def secret(identifier: str) -> str:
    """A secret that CloudFormation made."""
    manager: Any = _AWS.client("secretsmanager", config=_CONFIG)
    return str(manager.get_secret_value(SecretId=identifier)["SecretString"])
