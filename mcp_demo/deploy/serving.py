"""Server and bridge on Lambda: first their addresses, which everything else is made of, in the end their functions.

outcome = deploy_endpoints(profile, progress)            # outputs: McpUrl, BridgeUrl, ServerApiId, BridgeApiId
...                                                      # identity, registration
deploy_serving(profile, endpoints, outputs, progress)    # outputs of all stacks before
"""

import json
from collections.abc import Mapping
from typing import cast

from mcp_demo.deploy.code import upload
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.outputs import jwks_uri, static_client
from mcp_demo.deploy.package import Architecture, serving_package
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import Outcome, Plan, Progress, deploy, find
from mcp_demo.deploy.templates import template


def deploy_endpoints(
    profile: Profile, progress: Progress, *, name: str = "mcp-demo", chosen: Mapping[str, str] | None = None
) -> Outcome:
    """Deploy the two HTTP APIs, under names of their own or of a domain that was chosen.

    Raises:
        DeployFailed: Says which resource failed first, and why.
    """
    plan = Plan(f"{name}-endpoints", template("endpoints"), {"Name": name, **(chosen or {})})
    return deploy(profile.cloudformation(), plan, progress)


def deploy_serving(
    profile: Profile,
    endpoints: Endpoints,
    outputs: Mapping[str, str],
    progress: Progress,
    *,
    name: str = "mcp-demo",
    chosen: Mapping[str, str] | None = None,
) -> Outcome:
    """Package, upload and deploy server and bridge.

    Args:
        profile: Where to deploy to. The embedded AWS gets the code without its wheels: it sees what is installed.
        endpoints: Where the parts are served.
        outputs: Of the stacks endpoints, identity and registration.
        progress: Is told each step of CloudFormation.
        name: Starts the name of everything.
        chosen: Parameters that an administrator chooses, the architecture of the functions among them.

    Raises:
        DeployFailed: Says which resource failed first, and why.
        SetupError: The wheels cannot be had.
    """
    architecture = (chosen or {}).get("Architecture") or _architecture(profile, name)
    package = serving_package(None if profile.emulated else cast("Architecture", architecture))
    bucket = upload(profile, name, package)
    same = ("ServerApiId", "BridgeApiId", "BridgeRoleArn", "BridgeRoleName", "Issuer", "UserPoolId", "BridgeClientId")
    tables = ("RegistrationEndpoint", "ClientsTable", "FamiliesTable")
    parameters = {key: outputs[key] for key in (*same, *tables)} | {
        "Name": name,
        "CodeBucket": bucket,
        "CodeKey": package.key,
        "Architecture": architecture,
        "McpUrl": endpoints.mcp,
        "BridgeUrl": endpoints.bridge,
        "JwksUri": jwks_uri(outputs, endpoints),
        "DomainUrl": endpoints.domain or outputs["DomainUrl"],
        "Clients": json.dumps([static_client(outputs["StaticClientId"], endpoints)]),
        "AllowedOrigins": json.dumps(endpoints.origins),
        "Audience": endpoints.audience,
        "Emulated": "true" if profile.emulated else "false",
        **(chosen or {}),
    }
    return deploy(profile.cloudformation(), Plan(f"{name}-server", template("server"), parameters), progress)


def _architecture(profile: Profile, name: str) -> str:
    """What was chosen before, which the wheels have to fit."""
    stack = find(profile.cloudformation(), f"{name}-server")
    chosen = {item.get("ParameterKey"): item.get("ParameterValue") for item in (stack or {}).get("Parameters", [])}
    return chosen.get("Architecture") or "arm64"
