"""Where an assertion comes from that stands for a person or a workload, so that nobody has to sign in.

    Policy(assertion=workload(read_token))          the platform identifies the program (SEP-1933)
    Policy(assertion=enterprise(provider, token))   the company's identity provider speaks for the person (SEP-990)

Spec: RFC 7523 §2.1; draft-ietf-oauth-identity-assertion-authz-grant §4.3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlencode

from mcp_demo.client.discovery import Discovery, check_url
from mcp_demo.client.events import Flow, Step, fetch
from mcp_demo.client.grant import json_of
from mcp_demo.exchange.model import Request
from mcp_demo.oauth import token_exchange

AssertionSource: TypeAlias = Callable[[Discovery, tuple[str, ...] | None], Flow[str]]
"""Takes the authorization server and the scopes that are wanted, gives the assertion for it."""


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """A company's identity provider, as one of its clients knows it."""

    token_endpoint: str
    client_id: str


def workload(read: Callable[[], str]) -> AssertionSource:
    """The JWT that a platform gives a program; `read` is called anew each time, as platforms renew it."""

    def source(found: Discovery, scopes: tuple[str, ...] | None) -> Flow[str]:
        yield from ()
        return read()

    return source


def enterprise(provider: IdentityProvider, id_token: Callable[[], str]) -> AssertionSource:
    """An ID-JAG, traded for the ID token of a person who is signed in at the provider (RFC 8693 §2.1)."""

    def source(found: Discovery, scopes: tuple[str, ...] | None) -> Flow[str]:
        form = token_exchange.id_jag_form(
            id_token=id_token(), issuer=found.metadata.issuer, resource=found.resource, scopes=scopes
        )
        body = urlencode({**form, "client_id": provider.client_id}).encode()
        headers = (("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json"))
        step = Step(
            "Ask the identity provider to speak for the person",
            "The company decides, not each person: its provider signs that this person may use this MCP server.",
            "RFC 8693 §2.1",
            "client",
            "identity provider",
            "authorization",
            Request("POST", check_url(provider.token_endpoint, found.server_url), headers, body),
        )
        response = yield from fetch(step)
        return token_exchange.read_id_jag(response.status, json_of(response))

    return source
