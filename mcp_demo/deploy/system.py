"""The whole system as stacks: what is deployed, in which order, and the settings that come of it."""

from dataclasses import dataclass
from pathlib import Path

from mcp_demo.deploy import outputs as settings_of
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.profile import Profile, aws_failures
from mcp_demo.deploy.secrets import client_secret, envelope_keys
from mcp_demo.deploy.stacks import Plan, Progress, deploy
from mcp_demo.deploy.templates import template

DEFAULT_NAME = "mcp-demo"
STACKS = ("identity",)
KEYS_FILE = "envelope-keys.json"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a deployment came to: the outputs of all stacks, and whether anything changed."""

    outputs: dict[str, str]
    changed: bool


def stack_name(name: str, stack: str) -> str:
    """How a stack is called in CloudFormation."""
    return f"{name}-{stack}"


def plans(profile: Profile, endpoints: Endpoints, name: str = DEFAULT_NAME) -> list[Plan]:
    """The stacks in the order they are deployed in."""
    identity = {
        "Name": name,
        "McpUrl": endpoints.mcp,
        "BridgeUrl": endpoints.bridge,
        "StaticClientUrl": endpoints.static,
        "Emulated": "true" if profile.emulated else "false",
    }
    return [Plan(stack_name(name, "identity"), template("identity"), identity)]


def deploy_system(
    profile: Profile, endpoints: Endpoints, folder: Path, progress: Progress, name: str = DEFAULT_NAME
) -> Deployment:
    """Deploy every stack and write the env files into `folder`.

    Raises:
        SetupError: AWS cannot be used, or a stack failed: names the first failed resource and its reason.
    """
    with aws_failures():
        cloudformation = profile.cloudformation()
        outcomes = [deploy(cloudformation, plan, progress) for plan in plans(profile, endpoints, name)]
        outputs = {key: value for outcome in outcomes for key, value in outcome.outputs.items()}
        secret = client_secret(profile.cognito(), outputs["UserPoolId"], outputs["BridgeClientId"])
    settings = settings_of.part_settings(
        outputs, endpoints, bridge_client_secret=secret, envelope_keys=envelope_keys(folder / KEYS_FILE)
    )
    settings_of.write_env_files(folder, settings)
    return Deployment(outputs, any(outcome.changed for outcome in outcomes))
