"""The whole system as stacks: what is deployed, in which order, and the settings that come of it."""

from dataclasses import dataclass, replace
from pathlib import Path

from mcp_demo.deploy import outputs as settings_of
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.profile import Profile, aws_failures
from mcp_demo.deploy.registration import Choices, Strategy, deploy_registration
from mcp_demo.deploy.secrets import client_secret, envelope_keys
from mcp_demo.deploy.serving import deploy_endpoints, deploy_serving
from mcp_demo.deploy.stacks import Outcome, Plan, Progress, deploy, find
from mcp_demo.deploy.templates import template
from mcp_demo.settings import Settings

DEFAULT_NAME = "mcp-demo"
STACKS = ("endpoints", "identity", "registration", "server")
SERVING = ("endpoints", "server")
"""The stacks that are there only where server and bridge are Lambda functions."""

KEYS_FILE = "envelope-keys.json"
_LOCAL_REQUESTS_PER_SECOND = 500
_NOTHING = Outcome(changed=False, outputs={})


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a deployment came to: the outputs of all stacks, and whether anything changed."""

    outputs: dict[str, str]
    changed: bool


def stack_name(name: str, stack: str) -> str:
    """How a stack is called in CloudFormation."""
    return f"{name}-{stack}"


def is_serverless(profile: Profile, name: str = DEFAULT_NAME) -> bool:
    """Whether what is deployed runs server and bridge as Lambda functions."""
    cloudformation = profile.cloudformation()
    return any(find(cloudformation, stack_name(name, stack)) for stack in SERVING)


def expected_stacks(profile: Profile, name: str) -> list[str]:
    """The names of the stacks that a complete deployment has, in the order in which they are made."""
    serverless = is_serverless(profile, name)
    return [stack_name(name, stack) for stack in STACKS if serverless or stack not in SERVING]


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
    *,
    serverless: bool = False,
) -> Deployment:
    """Deploy every stack and write the env files into `folder`.

    Args:
        profile: Where to deploy to.
        endpoints: Where the parts are served.
        folder: Of the env files.
        progress: Is told each step of CloudFormation.
        name: Starts the name of everything.
        strategy: Whether clients that register share the bridge's app client, or each get one of their own.
        serverless: Whether server and bridge run as Lambda functions. On AWS their APIs then give the addresses.

    Raises:
        SetupError: AWS cannot be used, or a stack failed: names the first failed resource and its reason.
    """
    with aws_failures():
        front = deploy_endpoints(profile, progress, name=name) if serverless else _NOTHING
        if serverless and not profile.emulated:
            endpoints = replace(endpoints, mcp=front.outputs["McpUrl"], bridge=front.outputs["BridgeUrl"])
        identity = deploy(profile.cloudformation(), identity_plan(profile, endpoints, name), progress)
        choices = Choices(
            strategy=strategy, requests_per_second=_LOCAL_REQUESTS_PER_SECOND if profile.emulated else None
        )
        registration = deploy_registration(profile, endpoints, identity.outputs, progress, name=name, choices=choices)
        outputs = front.outputs | identity.outputs | registration.outputs
        serving = deploy_serving(profile, endpoints, outputs, progress, name=name) if serverless else _NOTHING
        outputs |= serving.outputs
        settings = _settings(profile, endpoints, outputs, folder, serverless=serverless)
    settings_of.write_env_files(folder, settings)
    return Deployment(outputs, any(outcome.changed for outcome in (front, identity, registration, serving)))


def _settings(
    profile: Profile, endpoints: Endpoints, outputs: dict[str, str], folder: Path, *, serverless: bool
) -> dict[str, Settings]:
    """The settings of what runs here: Lambda functions have theirs from the stack."""
    if serverless:
        return settings_of.client_settings(outputs, endpoints) | settings_of.local_hosts(outputs, endpoints)
    secret = client_secret(profile.cognito(), outputs["UserPoolId"], outputs["BridgeClientId"])
    keys = envelope_keys(folder / KEYS_FILE)
    return settings_of.part_settings(outputs, endpoints, bridge_client_secret=secret, envelope_keys=keys)
