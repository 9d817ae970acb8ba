"""Client registration: the code goes into a bucket, then the stack that runs it comes up.

outcome = deploy_registration(profile, endpoints, identity_outputs, progress)   # outputs: RegistrationEndpoint, ...
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mcp_demo.deploy.code import upload
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.package import registration_package
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import Outcome, Plan, Progress, deploy
from mcp_demo.deploy.templates import template

STACK = "registration"
Strategy = Literal["shared", "per-client"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What an administrator chooses; the other parameters keep the defaults of the template.

    Args:
        strategy: Whether clients share the bridge's app client or each get one of their own.
        approval: Whether new clients wait for `mcp-demo clients approve`.
        private_schemes: Private-use schemes of redirect URIs that are accepted.
        unused_days: After how long without use a client expires.
        initial_access_token_hash: SHA-256, in hex, of a token that registering takes; empty for open registration.
        requests_per_second: Registrations a second; None for the default of the template.
    """

    strategy: Strategy = "shared"
    approval: bool = False
    private_schemes: tuple[str, ...] = ("cursor",)
    unused_days: int = 30
    initial_access_token_hash: str = ""
    requests_per_second: int | None = None


def deploy_registration(
    profile: Profile,
    endpoints: Endpoints,
    identity: Mapping[str, str],
    progress: Progress,
    *,
    name: str = "mcp-demo",
    choices: Choices | None = None,
) -> Outcome:
    """Package, upload and deploy; does nothing when neither code nor template nor choices changed.

    Args:
        profile: Where to deploy to.
        endpoints: Where the other parts are served.
        identity: Outputs of the identity stack.
        progress: Is told each step of CloudFormation.
        name: Starts the name of everything.
        choices: What an administrator chooses.

    Raises:
        DeployFailed: Says which resource failed first, and why.
    """
    package = registration_package()
    bucket = upload(profile, name, package)
    parameters = _parameters(profile, endpoints, identity, choices or Choices())
    parameters |= {"Name": name, "CodeBucket": bucket, "CodeKey": package.key}
    return deploy(profile.cloudformation(), Plan(f"{name}-{STACK}", template(STACK), parameters), progress)


def _parameters(
    profile: Profile, endpoints: Endpoints, identity: Mapping[str, str], choices: Choices
) -> dict[str, str]:
    parameters = {
        "BridgeUrl": endpoints.bridge,
        "ScopeCeiling": f"{endpoints.mcp}/read,{endpoints.mcp}/write",
        "Strategy": choices.strategy,
        "UserPoolId": identity["UserPoolId"] if choices.strategy == "per-client" else "",
        "Approval": "administrator" if choices.approval else "automatic",
        "PrivateSchemes": ",".join(choices.private_schemes),
        "UnusedDays": str(choices.unused_days),
        "InitialAccessTokenHash": choices.initial_access_token_hash,
        "BridgeRole": identity.get("BridgeRoleName", ""),
        "EmulatorUrl": profile.endpoint or "",
    }
    if choices.requests_per_second is not None:
        parameters |= {"RequestsPerSecond": str(choices.requests_per_second)}
        parameters |= {"Burst": str(2 * choices.requests_per_second)}
    return parameters
