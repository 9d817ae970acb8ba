"""The registry of a deployment, and one client of it: found, described, decided upon."""

import json
import shlex
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mcp_demo.chosen_run import folder_of, running_in
from mcp_demo.terminal import note

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from mcp_demo.deploy.profile import Profile
    from mcp_demo.registry.dynamodb import DynamoDBRegistry
    from mcp_demo.registry.model import Client, Status


def open_registry(profile: str, name: str, state: Path | None) -> "tuple[DynamoDBRegistry, Profile]":
    """The registry that is deployed there, and where that is.

    Raises:
        SetupError: None is, or it cannot be reached.
    """
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


def app_clients_of(target: "Profile", name: str) -> Any:
    """The pool that clients have app clients in, whatever the strategy is now: it may have been another."""
    from mcp_demo.dcr.app_clients import AppClients
    from mcp_demo.deploy.stacks import outputs

    pool = outputs(target.cloudformation(), f"{name}-identity").get("UserPoolId")
    return AppClients(target.cognito(), pool, callback="", style=False) if pool else None


def found(store: "DynamoDBRegistry", client_id: str) -> "Client":
    """The client with this id; without one the command ends with exit code 1 and a word."""
    client = store.get(client_id)
    if client is None:
        note(f"There is no client {client_id} in the registry. Look: mcp-demo clients list")
        raise typer.Exit(1)
    return client


def described(client: "Client") -> dict[str, Any]:
    """All that is known of a client, for people; no secret is in it."""
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


def in_short(client: "Client") -> str:
    """How it came here, whether it may be used, and since and until when."""
    dates = (("registered", client.created), ("used", client.last_used), ("expires", client.expires))
    status = "expired" if client.is_expired(time.time()) else client.status
    return ", ".join((client.source, status, *(f"{word} {_day(moment)}" for word, moment in dates if moment)))


def _day(moment: float | None) -> str:
    return (_time(moment) or "")[:10]


def pinned(document: typer.FileText, *, allow_loopback: bool) -> "Client":
    """The client whose metadata document this is; bad usage if it is none."""
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


def looked_at(store: "DynamoDBRegistry", client_id: str) -> str | None:
    """Show a client to a person, who agrees to it; returns what stands for it as it was shown."""
    from mcp_demo.dcr.registration import digest

    client = found(store, client_id)
    if client.status == "active":
        return None
    note(json.dumps(described(client), indent=2))
    typer.confirm("Nobody has checked what it says. Approve it?", abort=True, err=True)
    return digest(client)


def decide(
    store: "DynamoDBRegistry", client_id: str, status: "Status", already: str, done: str, seen: str | None = None
) -> None:
    """Decide upon a client, if it is still what `seen` stands for."""
    from dataclasses import replace

    from mcp_demo.dcr.registration import digest

    client = found(store, client_id)
    if seen not in (None, digest(client)):
        raise changed(client_id, "has changed since you looked")
    if client.status == status:
        note(f"{client_id} {already}.")
    elif store.replace(replace(client, status=status), was=client):
        note(f"{client_id} {done}. {_known_as(client)}")
    else:
        raise changed(client_id, "was changed by somebody else")


def changed(client_id: str, how: str) -> typer.Exit:
    """The end of a command that found a client other than expected: a word, and exit code 1."""
    # The id may be a URL that a stranger chose, and who reads this copies the command into a shell.
    note(f"{client_id} {how}; look at it again: mcp-demo clients show {shlex.quote(client_id)}")
    return typer.Exit(1)


def _known_as(client: "Client") -> str:
    """What was decided upon: a client that waits can change what it says after somebody has looked at it."""
    return f"It calls itself {json.dumps(client.client_name)}; answers go to {', '.join(client.redirect_uris)}."
