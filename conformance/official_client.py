"""The client that the official conformance suite tests: `python -m conformance.official_client URL`.

The suite starts a server for one scenario, then this program with the server's URL; exit status 0 says that the client
got in and did what there was to do. It is the engine of `mcp_demo.client` under the transport of the official SDK and
takes nothing else from the suite than its contract:

    MCP_CONFORMANCE_SCENARIO          what is tested; it tells who the client acts for
    MCP_CONFORMANCE_PROTOCOL_VERSION  the revision to speak
    MCP_CONFORMANCE_CONTEXT           JSON: credentials given out beforehand, tool calls to make

Spec: the README of @modelcontextprotocol/conformance, "Client Testing".
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import httpx
import httpx2
from joserfc.jwk import ECKey
from mcp.client.streamable_http import streamable_http_client

from conformance.official.exercise import exercise
from mcp_demo.client.assertions import AssertionSource, IdentityProvider, enterprise, workload
from mcp_demo.client.auth import SdkOAuth
from mcp_demo.client.credentials import ClientKey
from mcp_demo.client.engine import Engine, Policy
from mcp_demo.client.errors import SignInFailed
from mcp_demo.client.registration import Identity
from mcp_demo.oauth.client_assertion import signing_key

REDIRECT_URI = "http://localhost:3000/callback"
METADATA_URL = "https://conformance-test.local/client-metadata.json"
"""The Client ID Metadata Document that the suite's authorization servers expect; nobody fetches it."""


async def follow(url: str, redirect_uri: str) -> str:
    """Sign in where nobody has to type anything: the suite's authorization servers redirect at once.

    Raises:
        SignInFailed: The answer is something else.
    """
    async with httpx.AsyncClient(timeout=10) as http:
        response = await http.get(url, follow_redirects=False)
    location = response.headers.get("location", "")
    if not response.is_redirect or not location.startswith(redirect_uri):
        raise SignInFailed(f"The authorization endpoint answered {response.status_code}, not with a redirect to us.")
    return location


def engine(url: str, scenario: str, context: Mapping[str, Any]) -> Engine:
    """The client engine, with the credentials that the suite gave out for a scenario."""
    key = context.get("private_key_pem")
    algorithm = context.get("signing_algorithm", "ES256")
    identity = Identity(
        client_name="mcp-demo",
        client_id=context.get("client_id"),
        client_secret=context.get("client_secret"),
        issuer=context.get("issuer"),
        metadata_url=METADATA_URL,
        key=ClientKey(signing_key(key, algorithm), algorithm) if key else None,
        dpop_key=ECKey.generate_key("P-256") if scenario.startswith("auth/dpop") else None,
    )
    policy = Policy(for_itself=scenario.startswith("auth/client-credentials"), assertion=_assertion(context))
    return Engine(url, identity, REDIRECT_URI, policy=policy)


def _assertion(context: Mapping[str, Any]) -> AssertionSource | None:
    """What the suite lets stand for a person or a workload: an ID token, or a JWT of the platform."""
    if "idp_id_token" in context:
        provider = IdentityProvider(context["idp_token_endpoint"], context["idp_client_id"])
        return enterprise(provider, lambda: context["idp_id_token"])
    if "valid_jwt" in context:
        return workload(lambda: context["valid_jwt"])
    return None


async def run(url: str, scenario: str, revision: str, context: Mapping[str, Any]) -> None:
    """Do what a scenario asks for.

    Raises:
        Exception: The client did not get in, or the server's answers were of no use.
    """
    auth = SdkOAuth(engine(url, scenario, context), follow)
    async with httpx2.AsyncClient(auth=auth, timeout=httpx2.Timeout(10, read=20)) as http:
        await exercise(streamable_http_client(url, http_client=http), scenario, revision, context.get("toolCalls"))
    if auth.failure is not None:
        raise auth.failure


def main() -> None:
    """Run the scenario of the environment against the URL of the command line."""
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    scenario = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
    revision = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "2026-07-28")
    asyncio.run(run(sys.argv[-1], scenario, revision, context))


if __name__ == "__main__":
    main()
