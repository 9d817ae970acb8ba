"""The whole system as stacks: what is deployed, in which order, and the settings that come of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mcp_demo.deploy import outputs as settings_of
from mcp_demo.deploy.choices import Choices
from mcp_demo.deploy.code import upload, with_code
from mcp_demo.deploy.delegation import Delegation, ensure_delegation
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.hardening import hardening_plan
from mcp_demo.deploy.package import Package, messages_package, registration_package
from mcp_demo.deploy.profile import Profile, aws_failures
from mcp_demo.deploy.registration import registration_plan
from mcp_demo.deploy.secrets import client_secret, envelope_keys
from mcp_demo.deploy.serving import DEFAULT_ARCHITECTURE, endpoints_plan, server_package, server_plan
from mcp_demo.deploy.stacks import DEAD, Plan, Progress, deploy, find
from mcp_demo.deploy.templates import template
from mcp_demo.settings import Settings

DEFAULT_NAME = "mcp-demo"
STACKS = ("endpoints", "identity", "registration", "server", "hardening")
SERVING = ("endpoints", "server")
"""The stacks that are there only where server and bridge are Lambda functions."""

KEYS_FILE = "envelope-keys.json"
_SMALL = {"identity": messages_package, "registration": registration_package}
_LOCAL_RATES = {"RequestsPerSecond": "500", "Burst": "1000"}


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a deployment came to: the outputs of all stacks, whether anything changed, where the parts are served."""

    outputs: dict[str, str]
    changed: bool
    endpoints: Endpoints


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


class OutputMissing(LookupError):
    """A stack needs an output of one that is not there yet."""


class Outputs(dict[str, str]):
    """Outputs of the stacks that there are.

    Raises:
        OutputMissing: The one that is asked for is not there yet.
    """

    def __missing__(self, name: str) -> str:
        raise OutputMissing(name)


@dataclass(frozen=True, slots=True)
class System:
    """The stacks as they should be, each made of the outputs of those before it.

    Attributes:
        profile: Where to deploy to.
        endpoints: Where the parts are served. On AWS the APIs of Lambda functions give the addresses instead.
        name: Starts the name of everything.
        choices: What an administrator chooses.
        serverless: Whether server and bridge run as Lambda functions.
        hardened: Whether alarms, dashboard and firewall come, too.
    """

    profile: Profile
    endpoints: Endpoints
    name: str = DEFAULT_NAME
    choices: Choices = field(default_factory=dict[str, dict[str, str]])
    serverless: bool = False
    hardened: bool = False

    @property
    def stacks(self) -> list[str]:
        """Which ones, in the order in which they are made."""
        wanted = dict.fromkeys(SERVING, self.serverless) | {"hardening": self.hardened}
        return [stack for stack in STACKS if wanted.get(stack, True)]

    def package(self, stack: str) -> Package | None:
        """The code of a stack's functions.

        Raises:
            SetupError: Its wheels cannot be had.
        """
        if stack in _SMALL:
            return _SMALL[stack]()
        return server_package(self.profile, self._architecture()) if stack == "server" else None

    def plan(self, stack: str, outputs: Mapping[str, str]) -> Plan:
        """A stack as it should be, but for where its code is.

        Args:
            stack: Which one.
            outputs: Of the stacks before.

        Raises:
            OutputMissing: A stack before it is not there.
        """
        where, name = self.profile, self.name
        chosen = self.choices.get(stack, {})
        if stack == "endpoints":
            return endpoints_plan(name, chosen)
        endpoints = self.addresses(outputs)
        if stack == "identity":
            return identity_plan(where, endpoints, name, chosen)
        if stack == "registration":
            return registration_plan(where, endpoints, outputs, name, self._rates() | chosen)
        if stack == "server":
            return server_plan(where, endpoints, outputs, name, chosen)
        return hardening_plan(where, outputs, name, chosen, serverless=self.serverless)

    def addresses(self, outputs: Mapping[str, str]) -> Endpoints:
        """Where the parts are served, once the APIs are there."""
        if not self.serverless or self.profile.emulated:
            return self.endpoints
        return replace(self.endpoints, mcp=outputs["McpUrl"], bridge=outputs["BridgeUrl"])

    def _rates(self) -> dict[str, str]:
        """On this machine a first deployment lets more through than on AWS; later ones leave the rates as they are."""
        if not self.profile.emulated:
            return {}
        stack = find(self.profile.cloudformation(), stack_name(self.name, "registration"))
        return {} if stack and stack["StackStatus"] not in DEAD else _LOCAL_RATES

    def _architecture(self) -> str:
        """What is chosen, or was before: the wheels have to fit."""
        if chosen := self.choices.get("server", {}).get("Architecture"):
            return chosen
        stack = None if self.profile.emulated else find(self.profile.cloudformation(), stack_name(self.name, "server"))
        before = {item.get("ParameterKey"): item.get("ParameterValue") for item in (stack or {}).get("Parameters", [])}
        return before.get("Architecture") or DEFAULT_ARCHITECTURE


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
    """Deploy every stack and write the env files into `folder`; what else is to be said is an attribute of `System`.

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
    system = System(profile, endpoints, name, choices or {}, serverless, hardened)
    outputs, changed, acting = Outputs(), False, None
    with aws_failures():
        for stack in system.stacks:
            plan = system.plan(stack, outputs)
            if package := system.package(stack):
                plan = with_code(plan, upload(profile, name, package), package)
            outcome = deploy(profile.cloudformation(), plan, progress)
            outputs.update(outcome.outputs)
            changed = changed or outcome.changed
            if stack == "identity" and endpoints.downstream:
                acting = ensure_delegation(profile.cognito(), outputs, system.addresses(outputs), endpoints.downstream)
                outputs["ActingClientId"] = acting.server.client_id
        where = system.addresses(outputs)
        settings = _settings(profile, where, outputs, folder, acting, serverless=serverless)
    settings_of.write_env_files(folder, settings)
    return Deployment(dict(outputs), changed, where)


def _settings(
    profile: Profile,
    endpoints: Endpoints,
    outputs: dict[str, str],
    folder: Path,
    acting: Delegation | None,
    *,
    serverless: bool,
) -> dict[str, Settings]:
    """The settings of what runs here: Lambda functions have theirs from the stack."""
    behind: dict[str, Settings] = {"downstream": acting.api} if acting else {}
    if serverless:
        return settings_of.client_settings(outputs, endpoints) | settings_of.local_hosts(outputs, endpoints) | behind
    secret = client_secret(profile.cognito(), outputs["UserPoolId"], outputs["BridgeClientId"])
    keys = envelope_keys(folder / KEYS_FILE)
    parts = settings_of.part_settings(outputs, endpoints, bridge_client_secret=secret, envelope_keys=keys)
    if acting:
        parts["server"] = parts["server"].model_copy(update={"downstream": acting.server})
    return parts | behind
