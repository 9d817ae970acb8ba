"""The three browser clients: what differs is how they become known (MCP 2026-07-28 Client Registration)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mcp_demo.client.registration import Identity, client_metadata
from mcp_demo.errors import SetupError
from mcp_demo.settings import ClientSettings

DOCUMENT_PATH = "/client.json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the three.

    Args:
        name: Short name, also of its cookie.
        title: What its page says.
        blurb: How it becomes known, in a sentence for people.
        identify: Its identity, from its settings.
    """

    name: str
    title: str
    blurb: str
    identify: Callable[[ClientSettings], Identity]


def callback_url(settings: ClientSettings) -> str:
    """Where the browser comes back to."""
    return settings.client_url.rstrip("/") + "/callback"


def document(settings: ClientSettings) -> dict[str, Any]:
    """The client's metadata document; its `client_id` is its own URL (CIMD §4.1)."""
    identity = _by_document(settings)
    members = client_metadata(identity, [callback_url(settings)], "none")
    return {"client_id": identity.metadata_url, **members, "client_uri": settings.client_url}


def _static(settings: ClientSettings) -> Identity:
    if settings.client_id is None:
        raise SetupError("The static client has no client id.", "Set MCP_DEMO_CLIENT_ID, or run `mcp-demo deploy`.")
    return Identity("Static client", client_id=settings.client_id, dynamic=False)


def _by_itself(settings: ClientSettings) -> Identity:
    return Identity("Auto client")


def _by_document(settings: ClientSettings) -> Identity:
    url = settings.client_url.rstrip("/") + DOCUMENT_PATH
    return Identity("Metadata client", metadata_url=url, dynamic=False)


STATIC = Kind(
    "static",
    "Static client",
    "An administrator registered this client beforehand, and it was given its client id.",
    _static,
)
AUTO = Kind(
    "auto",
    "Auto client",
    "Nobody registered this client: on first use it registers itself with the authorization server (RFC 7591).",
    _by_itself,
)
METADATA = Kind(
    "metadata",
    "Metadata client",
    "This client's id is the address of a document that describes it, and that anybody can read (CIMD).",
    _by_document,
)
