"""Exercises of 05: what may be registered, and what may be fetched."""

from typing import Any
from urllib.parse import urlsplit

from mcp_demo.lab import repairs
from mcp_demo.lab.exercise import exercise
from mcp_demo.lab.repairs import Asked
from mcp_demo.oauth.client_metadata import ClientMetadata
from mcp_demo.oauth.errors import InvalidClient
from mcp_demo.oauth.metadata_document import parse


@exercise(
    "refuse-unsafe-addresses",
    mutant="any_redirect_uri",
    kind=repairs.request("/register"),
    stub="""
    def repair(request):
        uris = request.document.get("redirect_uris", [])
        # TODO: a POST is an "invalid_redirect_uri" unless every one is https, or http on this machine; none is too few
        return None
    """,
    nudge="How does a URI begin that is safe? Name the few good beginnings, not the many bad ones; and look for a #.",
    section="OAuth 2.1 §2.3",
)
def refuse_unsafe_addresses(request: Asked) -> str | None:
    """Only https and loopback are taken."""
    uris: list[str] = request.document.get("redirect_uris", [])
    safe = ("https://", "http://127.0.0.1:", "http://localhost:")
    good = uris and all(uri.startswith(safe) and "#" not in uri for uri in uris)
    return None if good or request.method != "POST" else "invalid_redirect_uri"


@exercise(
    "one-url-one-client",
    mutant="host_only",
    kind=repairs.rule("mcp_demo.oauth.metadata_document.parse"),
    stub="""
    from mcp_demo.oauth.errors import InvalidClient
    from mcp_demo.oauth.metadata_document import parse

    def repair(document, url):
        # TODO: a copy names another client_id than this url; then raise InvalidClient("…", status=400)
        return parse({**document, "client_id": url} if isinstance(document, dict) else document, url)
    """,
    nudge="The broken line writes the right client_id into every document. What did the document itself say?",
    section="CIMD §4.1",
)
def one_url_one_client(document: dict[str, Any] | list[Any], url: str) -> ClientMetadata:
    """A document speaks for its own URL only."""
    if isinstance(document, dict) and document.get("client_id") != url:
        raise InvalidClient("The document speaks for another URL.", status=400)
    return parse(document, url)


@exercise(
    "stay-outside",
    mutant="numeric_hosts",
    kind=repairs.request("/authorize"),
    stub="""
    from urllib.parse import urlsplit

    def repair(request):
        host = urlsplit(request.parameters.get("client_id", "")).hostname or ""
        # TODO: refuse with "invalid_client" what is no name at all but an address, written as one number
        return None
    """,
    nudge="What is 2130706433 divided by 256, three times over? Names of hosts are never made of digits alone.",
    section="CIMD §6.5",
)
def stay_outside(request: Asked) -> str | None:
    """A number is an address in disguise."""
    host = urlsplit(request.parameters.get("client_id", "")).hostname or ""
    if host.isdigit():
        return "invalid_client"
    return None
