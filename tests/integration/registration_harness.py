"""Client registration deployed on a MiniStack of its own, and what tests need to look behind it."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.registration import deploy_registration
from mcp_demo.local.ministack import MiniStack, free_port, running_ministack
from mcp_demo.registry.dynamodb import DynamoDBRegistry
from mcp_demo.registry.families import Families

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient
    from types_boto3_dynamodb import DynamoDBClient

CALLBACK = "https://client.example/callback"
MANY_A_SECOND = {"RequestsPerSecond": "5000", "Burst": "10000"}


@dataclass(frozen=True)
class Deployed:
    """A running registration."""

    ministack: MiniStack
    profile: Profile
    pool: str
    outputs: Mapping[str, str]

    @property
    def endpoint(self) -> str:
        return self.outputs["RegistrationEndpoint"]

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        return self.client("dynamodb")

    @cached_property
    def cognito(self) -> "CognitoIdentityProviderClient":
        return self.client("cognito-idp")

    @property
    def store(self) -> DynamoDBRegistry:
        return DynamoDBRegistry(self.dynamodb, self.outputs["ClientsTable"])

    @property
    def families(self) -> Families:
        return Families(self.dynamodb, self.outputs["FamiliesTable"], grace=10)

    def client(self, service: str) -> Any:
        return self.profile.session.client(  # pyright: ignore[reportUnknownMemberType, reportCallIssue, reportUnknownVariableType]
            service,  # pyright: ignore[reportArgumentType]
            endpoint_url=self.profile.endpoint,
            config=self.profile.config,
        )

    def rows(self) -> list[dict[str, Any]]:
        """All rows of the registry as they lie in the table, the counter included."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.outputs["ClientsTable"])
        return [dict(item) for page in pages for item in page["Items"]]

    def app_clients(self) -> list[str]:
        """The names of the app clients that registrations made."""
        paginator = self.cognito.get_paginator("list_user_pool_clients")
        return [
            client.get("ClientName", "")
            for page in paginator.paginate(UserPoolId=self.pool)
            for client in page["UserPoolClients"]
        ]

    def sweep(self) -> dict[str, int]:
        """Run the sweep as the schedule would: once, however long it takes."""
        patient = Config(read_timeout=310, retries={"total_max_attempts": 1}, proxies={})  # pyright: ignore[reportArgumentType]
        session: Any = self.profile.session
        functions: Any = session.client("lambda", endpoint_url=self.profile.endpoint, config=patient)
        answer = functions.invoke(FunctionName=self.outputs["SweepFunction"])
        return json.loads(answer["Payload"].read())


@contextmanager
def deployed(folder: Path, chosen: Mapping[str, str] = MANY_A_SECOND) -> Generator[Deployed]:
    """A MiniStack with a user pool and the registration stack."""
    with running_ministack(folder, free_port()) as ministack:
        profile = Profile.local(ministack.endpoint)
        pool = profile.cognito().create_user_pool(PoolName="people")["UserPool"].get("Id", "")
        outcome = deploy_registration(profile, Endpoints(), {"UserPoolId": pool}, lambda _: None, chosen=chosen)
        yield Deployed(ministack, profile, pool, outcome.outputs)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def register(deployed: Deployed, **members: Any) -> dict[str, Any]:
    """Register a client that is fine."""
    answer = httpx.post(deployed.endpoint, json={"redirect_uris": [CALLBACK], **members}, timeout=30, trust_env=False)
    assert answer.status_code == 201, answer.text
    return answer.json()


@contextmanager
def failing(client: Any, operation: str, *, after: bool = False) -> Generator[list[str]]:
    """Let calls of one AWS operation fail: before they are sent, or after they took effect, as a lost answer does."""
    calls: list[str] = []

    def fail(**_: Any) -> None:
        calls.append(operation)
        raise EndpointConnectionError(endpoint_url="http://gone.invalid")

    event = f"{'after' if after else 'before'}-call.{client.meta.service_model.service_id.hyphenize()}.{operation}"
    client.meta.events.register(event, fail)
    try:
        yield calls
    finally:
        client.meta.events.unregister(event, fail)
