"""Exercises of 04: metadata of an authorization server that stops a client, or misleads it."""

from typing import Any

from mcp_demo.lab import repairs
from mcp_demo.lab.exercise import exercise
from mcp_demo.lab.repairs import Server

Document = dict[str, Any]
_WELL_KNOWN = "/.well-known/oauth-authorization-server"


@exercise(
    "announce-pkce",
    mutant="no_pkce",
    kind=repairs.document(_WELL_KNOWN),
    stub="""
    def repair(document):
        # TODO: this server checks S256, but does not say so
        return document
    """,
    nudge="It is the member for which the client refused the user pool. Its value is a list.",
    section="RFC 8414 §2",
)
def announce_pkce(document: Document) -> Document:
    """S256, and not `plain`, which protects nothing."""
    return {**document, "code_challenge_methods_supported": ["S256"]}


@exercise(
    "one-issuer",
    mutant="issuer_with_slash",
    kind=repairs.document(_WELL_KNOWN),
    stub="""
    def repair(document, server):
        # TODO: the server is known as server.issuer, byte for byte
        return document
    """,
    nudge="Compare the last character of both. Whose spelling has to give way?",
    section="RFC 8414 §3.3",
)
def one_issuer(document: Document, server: Server) -> Document:
    """The string that clients start from."""
    return {**document, "issuer": server.issuer}


@exercise(
    "promise-what-you-keep",
    mutant="dead_endpoint",
    kind=repairs.document(_WELL_KNOWN),
    stub="""
    def repair(document):
        # TODO: one of these endpoints does not exist; the card of the broken server shows which
        return document
    """,
    nudge="Unfold the exchange under “Broken on purpose”: which address was asked, and what came back?",
    section="RFC 8414 §2",
)
def promise_what_you_keep(document: Document) -> Document:
    """What is not there is not announced."""
    document.pop("introspection_endpoint", None)
    return document
