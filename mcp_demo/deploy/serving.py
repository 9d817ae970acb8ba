"""Server and bridge on Lambda: first their addresses, which everything else is made of, in the end their functions."""

import json
from collections.abc import Mapping
from typing import cast

from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.outputs import jwks_uri, static_client
from mcp_demo.deploy.package import Architecture, Package, serving_package
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import Plan
from mcp_demo.deploy.templates import template

DEFAULT_ARCHITECTURE = "arm64"


def endpoints_plan(name: str, chosen: Mapping[str, str]) -> Plan:
    """The two HTTP APIs, under names of their own or of a domain that was chosen."""
    return Plan(f"{name}-endpoints", template("endpoints"), {"Name": name, **chosen})


def server_package(profile: Profile, architecture: str) -> Package:
    """The zip of the functions. The embedded AWS gets it without wheels: it sees what is installed.

    Raises:
        SetupError: The wheels cannot be had.
    """
    return serving_package(None if profile.emulated else cast("Architecture", architecture))


def server_plan(
    profile: Profile, endpoints: Endpoints, outputs: Mapping[str, str], name: str, chosen: Mapping[str, str]
) -> Plan:
    """The functions of server and bridge, but for where their code is.

    Args:
        profile: Where to deploy to.
        endpoints: Where the parts are served.
        outputs: Of the stacks endpoints, identity and registration.
        name: Starts the name of everything.
        chosen: Parameters that an administrator chooses.
    """
    same = ("ServerApiId", "BridgeApiId", "BridgeRoleArn", "BridgeRoleName", "Issuer", "UserPoolId", "BridgeClientId")
    tables = ("RegistrationEndpoint", "ClientsTable", "FamiliesTable")
    parameters = {key: outputs[key] for key in (*same, *tables)} | {
        "Name": name,
        "McpUrl": endpoints.mcp,
        "BridgeUrl": endpoints.bridge,
        "JwksUri": jwks_uri(outputs, endpoints),
        "DomainUrl": endpoints.domain or outputs["DomainUrl"],
        "Clients": json.dumps([static_client(outputs["StaticClientId"], endpoints)]),
        "AllowedOrigins": json.dumps(endpoints.origins),
        "Audience": endpoints.audience,
        "Emulated": "true" if profile.emulated else "false",
        **chosen,
    }
    acting = outputs.get("ActingClientId", "")  # made by no stack: a preview does not know it, and leaves it as it is
    if acting or endpoints.downstream == "":
        parameters |= {"DownstreamUrl": endpoints.downstream or "", "ActingClientId": acting}
    return Plan(f"{name}-server", template("server"), parameters)
