"""`mcp-demo clients`: the client registry, for administrators.

Clients that registered themselves claim their names: what they say is printed as text, never interpreted.
"""

import json
import sys
import time
from typing import Annotated, Any

import typer

from mcp_demo.chosen_run import Name, ProfileOption, State
from mcp_demo.registry_access import (
    app_clients_of,
    changed,
    decide,
    described,
    found,
    in_short,
    looked_at,
    open_registry,
    pinned,
)
from mcp_demo.terminal import note, say

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
    store, _ = open_registry(profile, name, state)
    store.add(client)
    say(json.dumps(described(client) | ({"client_secret": secret} if secret else {}), indent=2))


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
    client = pinned(document, allow_loopback=profile == "local")
    store, _ = open_registry(profile, name, state)
    before = store.get(client.client_id)
    if before is None:
        store.add(client)
    elif not store.replace(client, was=before):
        raise changed(client.client_id, "was changed by somebody else")
    say(json.dumps(described(client), indent=2))


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

    store, _ = open_registry(profile, name, state)
    clients = every_client(store)
    if ids or as_json:
        for client in clients:
            say(client.client_id if ids else json.dumps(described(client)))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False, force_jupyter=False)  # run from a notebook, it prints, too
    shown = 0
    for client in clients:  # two lines each: an id is whole, so that it can be copied, and 80 columns are enough
        console.print(Text.assemble((client.client_id, "bold"), "  ", client.client_name or "without a name"))
        console.print(Text(f"    {in_short(client)}", "dim"))
        shown += 1
    note(f"{shown} clients." if shown != 1 else "1 client.")


@app.command("show")
def show_client(client_id: str, profile: ProfileOption = "local", name: Name = "mcp-demo", state: State = None) -> None:
    """Print a client as JSON; no secret is in it, for none is kept. Its `digest` is for `approve`."""
    store, _ = open_registry(profile, name, state)
    say(json.dumps(described(found(store, client_id)), indent=2))


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
    store, _ = open_registry(profile, name, state)
    for client_id in client_ids:
        seen = digest
        if digest is None and not yes and sys.stdin.isatty():
            seen = looked_at(store, client_id)
        decide(store, client_id, "active", "is active already", "may be used now", seen)


@app.command("deny")
def deny_clients(
    client_ids: ClientIds, profile: ProfileOption = "local", name: Name = "mcp-demo", state: State = None
) -> None:
    """Let nobody sign in with clients any more. Their ids stay taken until they expire; `remove` forgets them."""
    store, _ = open_registry(profile, name, state)
    for client_id in client_ids:
        decide(store, client_id, "denied", "is denied already", "may not be used any more")


@app.command("remove")
def remove_clients(
    client_ids: ClientIds, profile: ProfileOption = "local", name: Name = "mcp-demo", state: State = None
) -> None:
    """Remove clients, and the app clients that belong to them; their tokens end with the next refresh."""
    from mcp_demo.dcr.registration import remove

    store, target = open_registry(profile, name, state)
    app_clients = app_clients_of(target, name)
    for client_id in client_ids:
        remove(store, app_clients, found(store, client_id), time.time())
        note(f"{client_id} is removed.")
