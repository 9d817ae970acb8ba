"""`mcp-demo clients`: the client registry, for administrators.

Clients that registered themselves claim their names: what they say is printed as text, never interpreted.
"""

import json
import shlex
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcp_demo.chosen_run import Name, ProfileOption, State, folder_of, running_in
from mcp_demo.terminal import note, say

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from mcp_demo.deploy.profile import Profile
    from mcp_demo.registry.dynamodb import DynamoDBRegistry
    from mcp_demo.registry.model import Client, Status

app = typer.Typer(help="The client registry: who may ask for tokens.", no_args_is_help=True)

ClientIds = Annotated[list[str], typer.Argument(metavar="CLIENT_ID...")]


@app.command("add")
def add_client(
    redirect_uri: Annotated[list[str], typer.Option(help="Where responses may go. Can be repeated.")],
    client_name: Annotated[str | None, typer.Option(help="What people see on the consent page.")] = None,
    scope: Annotated[str, typer.Option(help="The most it may ask for; everything without it.")] = "",
    method: Annotated[str, typer.Option(help="How it authenticates at the token endpoint.")] = "none",
    jwks_uri: Annotated[str | None, typer.Option(help="Its public keys, for private_key_jwt.")] = None,
    profile: ProfileOption = "local",
    name: Name = "mcp-demo",
    state: State = None,
) -> None:
    """Register a client, and print it as JSON. Its secret is shown this once."""
    import secrets
    from dataclasses import replace

    from mcp_demo.registry.composition import client_of
    from mcp_demo.registry.model import hash_secret, new_secret

    secret = new_secret() if method.startswith("client_secret_") else None
    members: dict[str, Any] = {"client_id": f"app_{secrets.token_hex(16)}", "redirect_uris": redirect_uri}
    members |= {"client_name": client_name, "scope": scope, "jwks_uri": jwks_uri, "token_endpoint_auth_method": method}
    try:
        client = client_of(members)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    client = replace(client, created=time.time(), secret_hash=hash_secret(secret) if secret else None)
    store, _ = _open(profile, name, state)
    store.add(client)
    say(json.dumps(_described(client) | ({"client_secret": secret} if secret else {}), indent=2))


@app.command("pin")
def pin_client(
    document: Annotated[
        typer.FileText, typer.Argument(metavar="FILE", help="The client's metadata document; - for standard input.")
    ],
    profile: ProfileOption = "local",
    name: Name = "mcp-demo",
    state: State = None,
) -> None:
    """Keep the metadata document of a client: the bridge then never fetches it. `remove` lets it do so again."""
    client = _pinned(document, allow_loopback=profile == "local")
    store, _ = _open(profile, name, state)
    before = store.get(client.client_id)
    if before is None:
        store.add(client)
    elif not store.replace(client, was=before):
        raise _changed(client.client_id, "was changed by somebody else")
    say(json.dumps(_described(client), indent=2))


@app.command("list")
def list_clients(
    ids: Annotated[bool, typer.Option("--ids", help="Client ids alone, one a line.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    profile: ProfileOption = "local",
    name: Name = "mcp-demo",
    state: State = None,
) -> None:
    """List the clients of the registry."""
    from mcp_demo.dcr.sweep import every_client

    store, _ = _open(profile, name, state)
    clients = every_client(store)
    if ids or as_json:
        for client in clients:
            say(client.client_id if ids else json.dumps(_described(client)))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False, force_jupyter=False)  # run from a notebook, it prints, too
    shown = 0
    for client in clients:  # two lines each: an id is whole, so that it can be copied, and 80 columns are enough
        console.print(Text.assemble((client.client_id, "bold"), "  ", client.client_name or "without a name"))
        console.print(Text(f"    {_in_short(client)}", "dim"))
        shown += 1
    note(f"{shown} clients." if shown != 1 else "1 client.")


@app.command("show")
def show_client(client_id: str, profile: ProfileOption = "local", name: Name = "mcp-demo", state: State = None) -> None:
    """Print a client as JSON; no secret is in it, for none is kept. Its `digest` is for `approve`."""
    store, _ = _open(profile, name, state)
    say(json.dumps(_described(_found(store, client_id)), indent=2))


@app.command("approve")
def approve_clients(
    client_ids: ClientIds,
    digest: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="As `show` printed it: approve that, and nothing newer.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    profile: ProfileOption = "local",
    name: Name = "mcp-demo",
    state: State = None,
) -> None:
    """Let clients that wait for it be used. In a terminal it shows each, and asks."""
    if digest is not None and len(client_ids) > 1:
        raise typer.BadParameter("It is of one client. Approve the others by themselves.", param_hint="--digest")
    store, _ = _open(profile, name, state)
    for client_id in client_ids:
        seen = digest
        if digest is None and not yes and sys.stdin.isatty():
            seen = _looked_at(store, client_id)
        _decide(store, client_id, "active", "is active already", "may be used now", seen)


@app.command("deny")
def deny_clients(
    client_ids: ClientIds, profile: ProfileOption = "local", name: Name = "mcp-demo", state: State = None
) -> None:
    """Let nobody sign in with clients any more. Their ids stay taken until they expire; `remove` forgets them."""
    store, _ = _open(profile, name, state)
    for client_id in client_ids:
        _decide(store, client_id, "denied", "is denied already", "may not be used any more")


@app.command("remove")
def remove_clients(
    client_ids: ClientIds, profile: ProfileOption = "local", name: Name = "mcp-demo", state: State = None
) -> None:
    """Remove clients, and the app clients that belong to them; their tokens end with the next refresh."""
    from mcp_demo.dcr.registration import remove

    store, target = _open(profile, name, state)
    app_clients = _app_clients(target, name)
    for client_id in client_ids:
        remove(store, app_clients, _found(store, client_id), time.time())
        note(f"{client_id} is removed.")


def _pinned(document: typer.FileText, *, allow_loopback: bool) -> "Client":
    from dataclasses import replace

    from mcp_demo.bridge.cimd import client_of
    from mcp_demo.oauth import metadata_document
    from mcp_demo.oauth.errors import OAuthError

    try:
        members: Any = json.load(document)
        url = str(members["client_id"])
        metadata_document.validate_client_id_url(url, allow_loopback)
        return replace(client_of(url, metadata_document.parse(members, url)), created=time.time())
    except (ValueError, KeyError, TypeError, RecursionError):
        raise typer.BadParameter("It is no JSON object with a `client_id`.", param_hint="FILE") from None
    except OAuthError as error:
        raise typer.BadParameter(error.description, param_hint="FILE") from None


def _looked_at(store: "DynamoDBRegistry", client_id: str) -> str | None:
    """Show a client to a person, who agrees to it; returns what stands for it as it was shown."""
    from mcp_demo.dcr.registration import digest

    client = _found(store, client_id)
    if client.status == "active":
        return None
    note(json.dumps(_described(client), indent=2))
    typer.confirm("Nobody has checked what it says. Approve it?", abort=True, err=True)
    return digest(client)


def _decide(
    store: "DynamoDBRegistry", client_id: str, status: "Status", already: str, done: str, seen: str | None = None
) -> None:
    """Decide upon a client, if it is still what `seen` stands for."""
    from dataclasses import replace

    from mcp_demo.dcr.registration import digest

    client = _found(store, client_id)
    if seen not in (None, digest(client)):
        raise _changed(client_id, "has changed since you looked")
    if client.status == status:
        note(f"{client_id} {already}.")
    elif store.replace(replace(client, status=status), was=client):
        note(f"{client_id} {done}. {_known_as(client)}")
    else:
        raise _changed(client_id, "was changed by somebody else")


def _changed(client_id: str, how: str) -> typer.Exit:
    # The id may be a URL that a stranger chose, and who reads this copies the command into a shell.
    note(f"{client_id} {how}; look at it again: mcp-demo clients show {shlex.quote(client_id)}")
    return typer.Exit(1)


def _known_as(client: "Client") -> str:
    """What was decided upon: a client that waits can change what it says after somebody has looked at it."""
    return f"It calls itself {json.dumps(client.client_name)}; answers go to {', '.join(client.redirect_uris)}."


def _open(profile: str, name: str, state: Path | None) -> "tuple[DynamoDBRegistry, Profile]":
    from mcp_demo.deploy.profile import Profile, aws_failures
    from mcp_demo.deploy.stacks import outputs
    from mcp_demo.errors import SetupError
    from mcp_demo.registry.dynamodb import DynamoDBRegistry

    target = Profile.aws() if profile == "aws" else Profile.local(running_in(folder_of(state)).aws)
    with aws_failures():
        table = outputs(target.cloudformation(), f"{name}-registration").get("ClientsTable")
    if table is None:
        raise SetupError("Client registration is not deployed.", "Deploy it: mcp-demo up, or mcp-demo deploy.")
    client: DynamoDBClient = target.session.client(  # pyright: ignore[reportUnknownMemberType]
        "dynamodb", endpoint_url=target.endpoint, config=target.config
    )
    return DynamoDBRegistry(client, table), target


def _app_clients(target: "Profile", name: str) -> Any:
    """The pool that clients have app clients in, whatever the strategy is now: it may have been another."""
    from mcp_demo.dcr.app_clients import AppClients
    from mcp_demo.deploy.stacks import outputs

    pool = outputs(target.cloudformation(), f"{name}-identity").get("UserPoolId")
    return AppClients(target.cognito(), pool, callback="", style=False) if pool else None


def _found(store: "DynamoDBRegistry", client_id: str) -> "Client":
    client = store.get(client_id)
    if client is None:
        note(f"There is no client {client_id} in the registry. Look: mcp-demo clients list")
        raise typer.Exit(1)
    return client


def _described(client: "Client") -> dict[str, Any]:
    from mcp_demo.dcr.registration import digest, registered_members

    return {"client_id": client.client_id, **registered_members(client)} | {
        "source": client.source,
        "status": client.status,
        "created": _time(client.created),
        "last_used": _time(client.last_used),
        "expires": _time(client.expires),
        "upstream_client_id": client.upstream_client_id,
        "digest": digest(client),
    }


def _time(moment: float | None) -> str | None:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds") if moment else None


def _in_short(client: "Client") -> str:
    """How it came here, whether it may be used, and since and until when."""
    dates = (("registered", client.created), ("used", client.last_used), ("expires", client.expires))
    status = "expired" if client.is_expired(time.time()) else client.status
    return ", ".join((client.source, status, *(f"{word} {_day(moment)}" for word, moment in dates if moment)))


def _day(moment: float | None) -> str:
    return (_time(moment) or "")[:10]
