"""The system on AWS as a target of tests: `pytest --target aws`. It has never run: no account was at hand."""

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from mcp_demo.deploy.profile import Profile, aws_failures
from mcp_demo.deploy.stacks import outputs
from mcp_demo.deploy.system import DEFAULT_NAME, stack_name
from mcp_demo.deploy.users import ensure_demo_user
from mcp_demo.errors import SetupError
from mcp_demo.local.state import Run

_STACKS = ("endpoints", "identity", "registration", "server")


def signed_in() -> Profile:
    """AWS, with credentials that it accepts.

    Raises:
        SetupError: There are none, or AWS refuses them.
    """
    profile = Profile.aws()
    with aws_failures():
        profile.client("sts").get_caller_identity()
    return profile


@contextmanager
def deployed(profile: Profile, folder: Path, name: str = DEFAULT_NAME) -> Generator[Run]:
    """What `mcp-demo deploy --profile aws` has deployed, with a user of its own for as long as the tests run.

    Raises:
        SetupError: It is not deployed, or the user cannot be made.
    """
    with aws_failures():
        found = {stack: outputs(profile.cloudformation(), stack_name(name, stack)) for stack in _STACKS}
        missing = [stack_name(name, stack) for stack, known in found.items() if not known]
        if missing:
            cure = f"Deploy it: mcp-demo deploy --profile aws --name {name}"
            raise SetupError(f"Not deployed: {', '.join(missing)}.", cure)
        known = {key: value for stack in found.values() for key, value in stack.items()}
        cognito, pool = profile.cognito(), known["UserPoolId"]
        user = ensure_demo_user(cognito, pool, name=f"test-{secrets.token_hex(4)}")
    try:
        yield Run(
            server=known["McpUrl"],
            bridge=known["BridgeUrl"],
            clients={},
            domain=known["DomainUrl"],
            aws="",
            user=user,
            audience="resource",
            issuer=known["Issuer"],
            jwks_uri=f"{known['Issuer']}/.well-known/jwks.json",
            state=folder,
            client_id=known["StaticClientId"],
            pids={},
        )
    finally:
        with aws_failures():
            cognito.admin_delete_user(UserPoolId=pool, Username=user.username)
