"""The two strategies for app clients side by side: what the user pool holds, and a second registration `per-client`."""

from collections.abc import Generator
from contextlib import contextmanager

from mcp_demo.dcr.sweep import every_client
from mcp_demo.deploy.code import remove_code
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.registration import STACK, deploy_registration
from mcp_demo.deploy.stacks import Event, delete, find, outputs
from mcp_demo.deploy.system import DEFAULT_NAME, stack_name
from mcp_demo.local.state import Run
from mcp_demo.registry.dynamodb import DynamoDBRegistry

_NAME = "lesson-05"


def user_pool(run: Run) -> str:
    """The id of the user pool."""
    return run.issuer.rpartition("/")[2]


def app_clients(run: Run) -> dict[str, str]:
    """The app clients in the user pool: their ids, and what they are called; without the local domain's own tool."""
    paginator = Profile.local(run.aws).cognito().get_paginator("list_user_pool_clients")
    pages = paginator.paginate(UserPoolId=user_pool(run), PaginationConfig={"PageSize": 60})
    found = [client for page in pages for client in page["UserPoolClients"]]
    names = {client.get("ClientId", ""): client.get("ClientName", "") for client in found}
    return {identifier: name for identifier, name in names.items() if name != "managed-login-stand-in"}


@contextmanager
def per_client(run: Run) -> Generator[str]:
    """A registration of its own in which each client gets an app client of its own; yields its endpoint.

    It goes at the end, with the app clients that it made.
    """
    profile = Profile.local(run.aws)
    pool = {"UserPoolId": user_pool(run)}  # not the bridge's role: its policy would go with this registration
    _remove(run, profile)  # what an interrupted lesson may have left
    try:
        made = deploy_registration(
            profile,
            run.endpoints(),
            pool,
            _quietly,
            name=_NAME,
            chosen={"Strategy": "per-client", "ApiLogRole": "existing"},
        )
        yield made.outputs["RegistrationEndpoint"]
    finally:
        _remove(run, profile)


def tidy(run: Run, *names: str) -> int:
    """Remove the clients and app clients of these names, which a lesson made; how many there were."""
    profile = Profile.local(run.aws)
    registry = _registry(profile, DEFAULT_NAME)
    found = [client for client in every_client(registry) if client.client_name in names]
    for client in found:
        registry.delete(client)
    ours = [identifier for identifier, name in app_clients(run).items() if name in names]
    for identifier in ours:
        profile.cognito().delete_user_pool_client(UserPoolId=user_pool(run), ClientId=identifier)
    return len(found) + len(ours)


def _remove(run: Run, profile: Profile) -> None:
    """The second registration, with the app clients that it made."""
    if find(profile.cloudformation(), stack_name(_NAME, STACK)):
        for client in every_client(_registry(profile, _NAME)):
            if client.upstream_client_id in app_clients(run):
                profile.cognito().delete_user_pool_client(UserPoolId=user_pool(run), ClientId=client.upstream_client_id)
    delete(profile.cloudformation(), stack_name(_NAME, STACK), _quietly)
    remove_code(profile, _NAME)


def _registry(profile: Profile, name: str) -> DynamoDBRegistry:
    """The registry of a deployment."""
    table = outputs(profile.cloudformation(), stack_name(name, STACK))["ClientsTable"]
    return DynamoDBRegistry(profile.client("dynamodb"), table)


def _quietly(event: Event) -> None:
    """Say nothing: it takes less than a second."""
