"""`mcp-demo deploy`, `status` and `cleanup`: the stacks in the embedded AWS of a run, or in AWS."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcp_demo.chosen_run import Name, ProfileOption, State, folder_of, running_in
from mcp_demo.terminal import complain, note, say

if TYPE_CHECKING:
    from mcp_demo.deploy.cleanup import Inventory
    from mcp_demo.deploy.endpoints import Endpoints
    from mcp_demo.deploy.preview import Preview
    from mcp_demo.deploy.profile import Profile
    from mcp_demo.deploy.system import Deployment, System

app = typer.Typer()


@app.command()
def deploy(
    profile: ProfileOption = "local",
    name: Name = "mcp-demo",
    mcp_url: Annotated[str | None, typer.Option(help="The MCP endpoint, on AWS.")] = None,
    bridge_url: Annotated[str | None, typer.Option(help="The bridge, on AWS.")] = None,
    static_url: Annotated[str | None, typer.Option(help="The pre-registered client, on AWS.")] = None,
    downstream_url: Annotated[
        str | None, typer.Option(help="An API that the MCP server calls for people, on AWS; empty for none.")
    ] = None,
    choose: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="STACK.PARAMETER=VALUE", help="A parameter of a template, like identity.Mfa=ON."),
    ] = None,
    harden: Annotated[
        bool | None,
        typer.Option(
            "--harden/--no-harden", show_default=False, help="Alarms, dashboard and firewall, too; or no more."
        ),
    ] = None,
    permissions_boundary: Annotated[
        str | None,
        typer.Option(metavar="ARN", show_default=False, help="The policy that bounds all roles; empty for none."),
    ] = None,
    demo_user: Annotated[bool, typer.Option("--demo-user", help="Make a user `demo` and print its password.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    state: State = None,
) -> None:
    """Bring the CloudFormation stacks to the state of their templates, and write the settings of the parts."""
    from mcp_demo.deploy import choices
    from mcp_demo.deploy.hardening import remove_hardening
    from mcp_demo.deploy.profile import aws_failures
    from mcp_demo.deploy.system import System, deploy_system, is_deployed, is_serverless
    from mcp_demo.deploy.users import ensure_demo_user

    try:
        chosen = choices.read(choose or [])
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--set") from None
    named = set(chosen)
    if permissions_boundary is not None:
        try:
            chosen = choices.within(permissions_boundary, chosen)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--permissions-boundary") from None
    if harden is False and "hardening" in chosen:
        raise typer.BadParameter("--no-harden removes the stack that hardening.* is about. Give one of them.")
    target, endpoints, folder = _target(profile, state, mcp_url, bridge_url, static_url)
    if profile == "aws":
        endpoints = replace(endpoints, downstream=downstream_url)
    with aws_failures():
        there = is_deployed(target, name, "hardening")
        hardened = (there or "hardening" in chosen) if harden is None else harden
        serverless = is_serverless(target, name) if profile == "local" else not (mcp_url or bridge_url)
    _require_functions(named if not serverless else set())
    if dry_run:
        _preview(System(target, endpoints, name, chosen, serverless, hardened), removed=there and not hardened)
        return
    from mcp_demo.deploy_progress import live

    with live() as progress:
        deployment = deploy_system(
            target, endpoints, folder, progress, name, choices=chosen, serverless=serverless, hardened=hardened
        )
        if there and not hardened:
            remove_hardening(target, name, progress)
            deployment = replace(deployment, changed=True)
    conclude(deployment, target, name, folder)
    if profile == "local" and choices.keep(folder, chosen):
        note(
            "The local sign-in pages read AccentColor and RefreshGraceSeconds when they start: mcp-demo down, then up."
        )
    if demo_user:
        with aws_failures():
            user = ensure_demo_user(target.cognito(), deployment.outputs["UserPoolId"])
        say(f"{user.username} {user.password}")


@app.command()
def status(profile: ProfileOption = "local", name: Name = "mcp-demo", state: State = None) -> None:
    """Show what is deployed; exit code 1 if it is not complete."""
    from mcp_demo.deploy.profile import aws_failures
    from mcp_demo.deploy.stacks import find, outputs
    from mcp_demo.deploy.system import expected_stacks

    target, _, _ = _target(profile, state)
    fine = True
    with aws_failures():
        cloudformation = target.cloudformation()
        for stack in expected_stacks(target, name):
            found = find(cloudformation, stack)
            current = str(found["StackStatus"]) if found else "not deployed"
            fine = fine and current in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
            say(f"{stack}  {current}")
            for key, value in sorted(outputs(cloudformation, stack).items()):
                say(f"  {key}  {value}")
    if not fine:
        raise typer.Exit(1)


@app.command()
def cleanup(
    profile: ProfileOption = "local",
    name: Name = "mcp-demo",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    state: State = None,
) -> None:
    """List what is deployed, ask, remove all of it, and prove that nothing is left."""
    from mcp_demo.deploy.cleanup import remove, take_inventory
    from mcp_demo.deploy_progress import live

    target, _, folder = _target(profile, state)
    found = take_inventory(target, name, folder)
    if found.is_empty:
        note("Nothing is there.")
        return
    for line in _lines(found):
        say(line)
    if not yes:
        typer.confirm("Remove all of this, its users included?", abort=True, err=True)
    with live() as progress:
        remove(target, name, found, progress)
    left = take_inventory(target, name, folder)
    if not left.is_empty:
        complain("Still there: " + ", ".join(_lines(left)) + ".", "Run the command again: it goes on where it ended.")
        raise typer.Exit(1)
    note("Nothing is left.")


def _target(
    profile: str, state: Path | None, mcp: str | None = None, bridge: str | None = None, static: str | None = None
) -> "tuple[Profile, Endpoints, Path]":
    """Where to deploy to, the addresses of the parts, and the folder of their settings."""
    from mcp_demo.deploy.endpoints import Endpoints
    from mcp_demo.deploy.files import env_folder
    from mcp_demo.deploy.profile import Profile

    folder = folder_of(state)
    settings = env_folder(folder, profile)
    if profile == "aws":
        usual = Endpoints()
        chosen = Endpoints(mcp or usual.mcp, bridge or usual.bridge, static or usual.static)
        return Profile.aws(), chosen, settings
    if mcp or bridge or static:
        raise typer.BadParameter("A local run has its own URLs; choose its ports with `mcp-demo up --port`.")
    run = running_in(folder)
    return Profile.local(run.aws), run.endpoints(), settings


def _require_functions(missed: set[str]) -> None:
    """Refuse choices for stacks that will not be there, rather than let nobody notice that they do nothing."""
    from mcp_demo.deploy.system import SERVING

    if idle := [f"{stack}.…" for stack in SERVING if stack in missed]:
        raise typer.BadParameter(
            f"{' and '.join(idle)}: there are no functions, MCP server and bridge run without. On this machine start "
            "them with `mcp-demo up --server lambda`.",
            param_hint="--set",
        )


def _preview(system: "System", *, removed: bool) -> None:
    from mcp_demo.deploy.preview import Preview, preview_system
    from mcp_demo.deploy.system import stack_name

    gone = [Preview(stack_name(system.name, "hardening"), "would be removed")] if removed else []
    for stack in preview_system(system) + gone:
        for line in table(stack):
            say(line)
    note("Nothing was changed: this is what CloudFormation says of change sets that are deleted again.")


def table(stack: "Preview") -> list[str]:
    """A stack and, below it, what would happen to each of its resources."""
    actions = max((len(change.action) for change in stack.changes), default=0)
    names = max((len(change.resource) for change in stack.changes), default=0)
    rows = (f"  {change.action:<{actions}}  {change.resource:<{names}}  {change.type}" for change in stack.changes)
    return [f"{stack.stack}  {stack.summary}", *rows]


def conclude(deployment: "Deployment", profile: "Profile", name: str, folder: Path) -> None:
    """Say where everything is, what it costs and what comes next; stdout belongs to the password."""
    options = ("" if profile.emulated else f" --profile {profile.name}") + (
        "" if name == "mcp-demo" else f" --name {name}"
    )
    costs = "nothing, on the embedded AWS" if profile.emulated else "by use; docs/aws.md, “What it costs”"
    note("Deployed." if deployment.changed else "Nothing changed.")
    for title, value in (
        ("MCP server", deployment.endpoints.mcp),
        ("Bridge", deployment.endpoints.bridge),
        ("Settings", folder),
        ("Costs", costs),
        ("Test it", f"mcp-demo conformance run {deployment.endpoints.mcp}"),
        ("Remove it", f"mcp-demo cleanup{options}"),
    ):
        note(f"  {title:<10}  {value}")


def _lines(found: "Inventory") -> list[str]:
    return [*(f"stack {stack}" for stack in found.stacks), *found.resources, *(f"file {file}" for file in found.files)]
