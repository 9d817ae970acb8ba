"""The whole system as stacks: what is deployed, in which order, and the settings that come of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mcp_demo.deploy import outputs as settings_of
from mcp_demo.deploy.choices import Choices
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.hardening import deploy_hardening
from mcp_demo.deploy.profile import Profile, aws_failures
from mcp_demo.deploy.registration import deploy_registration
from mcp_demo.deploy.secrets import client_secret, envelope_keys
from mcp_demo.deploy.serving import deploy_endpoints, deploy_serving
from mcp_demo.deploy.stacks import Outcome, Plan, Progress, deploy, find
from mcp_demo.deploy.templates import template
from mcp_demo.settings import Settings

DEFAULT_NAME = "mcp-demo"
STACKS = ("endpoints", "identity", "registration", "server", "hardening")
SERVING = ("endpoints", "server")
"""The stacks that are there only where server and bridge are Lambda functions."""

KEYS_FILE = "envelope-keys.json"
_LOCAL_RATES = {"RequestsPerSecond": "500", "Burst": "1000"}


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
    return any(is_deployed(profile, name, stack) for stack in SERVING)


def is_deployed(profile: Profile, name: str, stack: str) -> bool:
    """Whether there is such a stack, in whatever state."""
    return find(profile.cloudformation(), stack_name(name, stack)) is not None


def expected_stacks(profile: Profile, name: str) -> list[str]:
    """The names of the stacks that a complete deployment has, in the order in which they are made."""
    optional = {"hardening"} if is_serverless(profile, name) else {"hardening", *SERVING}
    return [stack_name(name, stack) for stack in STACKS if stack not in optional or is_deployed(profile, name, stack)]


def identity_plan(
    profile: Profile, endpoints: Endpoints, name: str = DEFAULT_NAME, chosen: Mapping[str, str] | None = None
) -> Plan:
    """The stack that all others build on."""
    parameters = {
        "Name": name,
        "McpUrl": endpoints.mcp,
        "BridgeUrl": endpoints.bridge,
        "StaticClientUrl": endpoints.static,
        "Emulated": "true" if profile.emulated else "false",
        **(chosen or {}),
    }
    return Plan(stack_name(name, "identity"), template("identity"), parameters)


def deploy_system(
    profile: Profile,
    endpoints: Endpoints,
    folder: Path,
    progress: Progress,
    name: str = DEFAULT_NAME,
    *,
    choices: Choices | None = None,
    serverless: bool = False,
    hardened: bool = False,
) -> Deployment:
    """Deploy every stack and write the env files into `folder`.

    Args:
        profile: Where to deploy to.
        endpoints: Where the parts are served.
        folder: Of the env files.
        progress: Is told each step of CloudFormation.
        name: Starts the name of everything.
        choices: What an administrator chooses.
        serverless: Whether server and bridge run as Lambda functions. On AWS their APIs then give the addresses.
        hardened: Whether alarms, dashboard and firewall come, too.

    Raises:
        SetupError: AWS cannot be used, or a stack failed: names the first failed resource and its reason.
    """
    chosen = {stack: dict[str, str]() for stack in STACKS} | (choices or {})
    if profile.emulated:
        chosen["registration"] = _LOCAL_RATES | chosen["registration"]
    outcomes: list[Outcome] = []
    outputs: dict[str, str] = {}

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        outputs.update(outcome.outputs)

    with aws_failures():
        if serverless:
            done(deploy_endpoints(profile, progress, name=name, chosen=chosen["endpoints"]))
            if not profile.emulated:
                endpoints = replace(endpoints, mcp=outputs["McpUrl"], bridge=outputs["BridgeUrl"])
        done(deploy(profile.cloudformation(), identity_plan(profile, endpoints, name, chosen["identity"]), progress))
        done(deploy_registration(profile, endpoints, outputs, progress, name=name, chosen=chosen["registration"]))
        if serverless:
            done(deploy_serving(profile, endpoints, outputs, progress, name=name, chosen=chosen["server"]))
        if hardened:
            wanted = chosen["hardening"]
            done(deploy_hardening(profile, outputs, progress, name=name, serverless=serverless, chosen=wanted))
        settings = _settings(profile, endpoints, outputs, folder, serverless=serverless)
    settings_of.write_env_files(folder, settings)
    return Deployment(outputs, any(outcome.changed for outcome in outcomes))


def _settings(
    profile: Profile, endpoints: Endpoints, outputs: dict[str, str], folder: Path, *, serverless: bool
) -> dict[str, Settings]:
    """The settings of what runs here: Lambda functions have theirs from the stack."""
    if serverless:
        return settings_of.client_settings(outputs, endpoints) | settings_of.local_hosts(outputs, endpoints)
    secret = client_secret(profile.cognito(), outputs["UserPoolId"], outputs["BridgeClientId"])
    keys = envelope_keys(folder / KEYS_FILE)
    return settings_of.part_settings(outputs, endpoints, bridge_client_secret=secret, envelope_keys=keys)
