"""Alarms, dashboard and firewall: a stack that the others do not depend on."""

from collections.abc import Mapping

from mcp_demo.deploy.profile import Profile, aws_failures
from mcp_demo.deploy.stacks import Outcome, Plan, Progress, delete, deploy
from mcp_demo.deploy.templates import template

STACK = "hardening"


def deploy_hardening(
    profile: Profile,
    outputs: Mapping[str, str],
    progress: Progress,
    *,
    name: str = "mcp-demo",
    serverless: bool = False,
    chosen: Mapping[str, str] | None = None,
) -> Outcome:
    """Deploy what watches and shields the other stacks.

    Args:
        profile: Where to deploy to.
        outputs: Of the stacks before.
        progress: Is told each step of CloudFormation.
        name: Starts the name of everything.
        serverless: Whether server and bridge run as Lambda functions.
        chosen: Parameters that an administrator chooses.

    Raises:
        DeployFailed: Says which resource failed first, and why.
    """
    plan = hardening_plan(profile, outputs, name, chosen or {}, serverless=serverless)
    return deploy(profile.cloudformation(), plan, progress)


def remove_hardening(profile: Profile, name: str, progress: Progress) -> None:
    """Remove what watches and shields; nothing else needs it.

    Raises:
        SetupError: AWS cannot be used, or a resource could not be deleted: names it.
    """
    with aws_failures():
        delete(profile.cloudformation(), f"{name}-{STACK}", progress)


def hardening_plan(
    profile: Profile, outputs: Mapping[str, str], name: str, chosen: Mapping[str, str], *, serverless: bool
) -> Plan:
    """The stack; arguments as of `deploy_hardening`."""
    parameters = {
        "Name": name,
        "Serverless": "true" if serverless else "false",
        "ClientsTable": outputs["ClientsTable"],
        "FamiliesTable": outputs["FamiliesTable"],
        "RegistrationApiId": outputs["RegistrationApiId"],
        "UserPoolId": outputs["UserPoolId"],
        "Emulated": "true" if profile.emulated else "false",
        **chosen,
    }
    return Plan(f"{name}-{STACK}", template(STACK), parameters)
