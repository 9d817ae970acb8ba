"""Client registration: the code goes into a bucket, then the stack that runs it comes up.

outcome = deploy_registration(profile, endpoints, identity_outputs, progress)   # outputs: RegistrationEndpoint, ...
"""

from collections.abc import Mapping

from mcp_demo.deploy.code import upload, with_code
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.package import registration_package
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import Outcome, Plan, Progress, deploy
from mcp_demo.deploy.templates import template

STACK = "registration"


def deploy_registration(
    profile: Profile,
    endpoints: Endpoints,
    identity: Mapping[str, str],
    progress: Progress,
    *,
    name: str = "mcp-demo",
    chosen: Mapping[str, str] | None = None,
) -> Outcome:
    """Package, upload and deploy; does nothing when neither code nor template nor parameters changed.

    Args:
        profile: Where to deploy to.
        endpoints: Where the other parts are served.
        identity: Outputs of the identity stack.
        progress: Is told each step of CloudFormation.
        name: Starts the name of everything.
        chosen: Parameters that an administrator chooses, see `mcp_demo.deploy.choices`.

    Raises:
        DeployFailed: Says which resource failed first, and why.
    """
    package = registration_package()
    plan = registration_plan(profile, endpoints, identity, name, chosen or {})
    return deploy(profile.cloudformation(), with_code(plan, upload(profile, name, package), package), progress)


def registration_plan(
    profile: Profile, endpoints: Endpoints, identity: Mapping[str, str], name: str, chosen: Mapping[str, str]
) -> Plan:
    """The stack, but for where its code is; arguments as of `deploy_registration`."""
    parameters = {
        "Name": name,
        "BridgeUrl": endpoints.bridge,
        "McpUrl": endpoints.mcp,
        "UserPoolId": identity["UserPoolId"],
        "Providers": identity.get("Providers", "COGNITO"),
        "BridgeRole": identity.get("BridgeRoleName", ""),
        "EmulatorUrl": profile.endpoint or "",
        **chosen,
    }
    return Plan(f"{name}-{STACK}", template(STACK), parameters)
