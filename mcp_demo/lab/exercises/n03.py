"""Exercises of 03: documents of a protected resource that a client has to refuse, or cannot use."""

from typing import Any

from mcp_demo.lab import repairs
from mcp_demo.lab.exercise import exercise
from mcp_demo.lab.repairs import Server

Document = dict[str, Any]
_WELL_KNOWN = "/.well-known/oauth-protected-resource"


@exercise(
    "one-spelling",
    mutant="adds_a_slash_to_the_resource",
    kind=repairs.document(_WELL_KNOWN),
    stub="""
    def repair(document, server):
        # TODO: name the server as it is called (server.resource), byte for byte
        return document
    """,
    nudge="Somewhere a class for URLs has been helpful. With what does a client compare `resource`?",
    section="RFC 9728 §3.3",
)
def one_spelling(document: Document, server: Server) -> Document:
    """The configured string, and nothing made of it."""
    return {**document, "resource": server.resource}


@exercise(
    "an-issuer-not-an-address",
    mutant="lists_the_metadata_url",
    kind=repairs.document(_WELL_KNOWN),
    stub="""
    def repair(document):
        # TODO: the entries are URLs of documents; what is wanted is the issuer each was derived from
        return document
    """,
    nudge="A client inserts /.well-known/oauth-authorization-server itself. What does it get if it is there already?",
    section="RFC 9728 §2",
)
def an_issuer_not_an_address(document: Document) -> Document:
    """Take out what the client will put in."""
    servers = [
        entry.replace("/.well-known/oauth-authorization-server", "") for entry in document["authorization_servers"]
    ]
    return {**document, "authorization_servers": servers}


@exercise(
    "leave-it-out",
    mutant="writes_null",
    kind=repairs.document(_WELL_KNOWN),
    stub="""
    def repair(document):
        # TODO: what has no value is not said at all
        return document
    """,
    nudge="Look at the document: one member says nothing. Strict clients drop the whole document for it.",
    section="RFC 9728 §3.2",
)
def leave_it_out(document: Document) -> Document:
    """Only members with a value."""
    return {name: value for name, value in document.items() if value is not None}
