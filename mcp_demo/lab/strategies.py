"""The two strategies for app clients side by side: what the user pool holds, and a second registration `per-client`."""

from collections.abc import Generator
from contextlib import contextmanager

from mcp_demo.deploy.code import remove_code
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.registration import STACK, Choices, deploy_registration
from mcp_demo.deploy.stacks import Event, delete, outputs
from mcp_demo.deploy.system import DEFAULT_NAME, stack_name
from mcp_demo.local.state import Run

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

    It goes at the end, with every app client that came meanwhile.
    """
    profile = Profile.local(run.aws)
    identity = outputs(profile.cloudformation(), stack_name(DEFAULT_NAME, "identity"))
    before = app_clients(run)
    try:
        made = deploy_registration(
            profile, run.endpoints(), identity, _quietly, name=_NAME, choices=Choices(strategy="per-client")
        )
        yield made.outputs["RegistrationEndpoint"]
    finally:
        for client_id in app_clients(run).keys() - before.keys():
            profile.cognito().delete_user_pool_client(UserPoolId=user_pool(run), ClientId=client_id)
        delete(profile.cloudformation(), stack_name(_NAME, STACK), _quietly)
        remove_code(profile, _NAME)


def _quietly(event: Event) -> None:
    """Say nothing: it takes less than a second."""
