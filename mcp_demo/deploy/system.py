"""The whole system as stacks: what is deployed, in which order, and the settings that come of it."""

from dataclasses import dataclass
from pathlib import Path

from mcp_demo.deploy import outputs as settings_of
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.profile import Profile, aws_failures
from mcp_demo.deploy.registration import Choices, Strategy, deploy_registration
from mcp_demo.deploy.secrets import client_secret, envelope_keys
from mcp_demo.deploy.stacks import Plan, Progress, deploy
from mcp_demo.deploy.templates import template

DEFAULT_NAME = "mcp-demo"
STACKS = ("identity", "registration")
KEYS_FILE = "envelope-keys.json"
_LOCAL_REQUESTS_PER_SECOND = 500


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a deployment came to: the outputs of all stacks, and whether anything changed."""

    outputs: dict[str, str]
    changed: bool


def stack_name(name: str, stack: str) -> str:
    """How a stack is called in CloudFormation."""
    return f"{name}-{stack}"


def identity_plan(profile: Profile, endpoints: Endpoints, name: str = DEFAULT_NAME) -> Plan:
    """The stack that all others build on."""
    parameters = {
        "Name": name,
        "McpUrl": endpoints.mcp,
        "BridgeUrl": endpoints.bridge,
        "StaticClientUrl": endpoints.static,
        "Emulated": "true" if profile.emulated else "false",
    }
    return Plan(stack_name(name, "identity"), template("identity"), parameters)


def deploy_system(
    profile: Profile,
    endpoints: Endpoints,
    folder: Path,
    progress: Progress,
    name: str = DEFAULT_NAME,
    strategy: Strategy = "shared",
) -> Deployment:
    """Deploy every stack and write the env files into `folder`.

    Args:
        profile: Where to deploy to.
        endpoints: Where the parts are served.
        folder: Of the env files.
        progress: Is told each step of CloudFormation.
        name: Starts the name of everything.
        strategy: Whether clients that register share the bridge's app client, or each get one of their own.

    Raises:
        SetupError: AWS cannot be used, or a stack failed: names the first failed resource and its reason.
    """
    with aws_failures():
        identity = deploy(profile.cloudformation(), identity_plan(profile, endpoints, name), progress)
        choices = Choices(
            strategy=strategy, requests_per_second=_LOCAL_REQUESTS_PER_SECOND if profile.emulated else None
        )
        registration = deploy_registration(profile, endpoints, identity.outputs, progress, name=name, choices=choices)
        outputs = identity.outputs | registration.outputs
        secret = client_secret(profile.cognito(), outputs["UserPoolId"], outputs["BridgeClientId"])
    settings = settings_of.part_settings(
        outputs, endpoints, bridge_client_secret=secret, envelope_keys=envelope_keys(folder / KEYS_FILE)
    )
    settings_of.write_env_files(folder, settings)
    return Deployment(outputs, identity.changed or registration.changed)
