"""The client of this project as a command: `python -m conformance.reference_client URL`.

It lists the tools of the server and calls each of them once, with the engine of `mcp_demo.client`. Exit status 1 and a
line of explanation say that it did not get that far. What it takes from the environment is told in
`conformance.client_command`; `--document` prints the metadata document that its client id leads to.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import httpx

from mcp_demo.client import mcp
from mcp_demo.client.drive import SignInWay, drive_sync
from mcp_demo.client.engine import Engine
from mcp_demo.client.errors import explain
from mcp_demo.client.policy import Policy
from mcp_demo.client.registration import Identity, client_metadata
from mcp_demo.client.revision import NEWEST, Revision
from mcp_demo.client.sign_in import Loopback
from mcp_demo.client.transport import open_sync

METADATA_URL = "https://client.conformance.example/client.json"
"""Where the document would be; it is handed to the suite as a file."""


def use(
    url: str,
    http: httpx.Client,
    sign_in: SignInWay,
    redirect_uri: str,
    *,
    context: Mapping[str, str],
    revision: Revision = NEWEST,
    clock: Callable[[], float] = time.time,
) -> None:
    """List the tools and call each of them.

    Raises:
        Exception: What the client raises.
    """
    identity = Identity(
        client_id=context.get("client_id"),
        client_secret=context.get("client_secret"),
        issuer=context.get("issuer"),
        metadata_url=METADATA_URL,
    )
    engine = Engine(url, identity, redirect_uri, policy=Policy(revision=revision), clock=clock)
    listed = mcp.read(drive_sync(mcp.converse(engine, mcp.list_tools(url)), http, sign_in))
    for tool in cast("list[Mapping[str, Any]]", listed.get("tools") or []):
        mcp.read(drive_sync(mcp.converse(engine, mcp.call_tool(url, tool["name"], {})), http, sign_in))


def document() -> Mapping[str, Any]:
    """Its client metadata document (CIMD §4)."""
    return {"client_id": METADATA_URL, **client_metadata(Identity(), ["http://localhost/callback"], "none")}


def main() -> int:
    """Use the server that the command line names."""
    if sys.argv[-1] == "--document":
        sys.stdout.write(json.dumps(document(), indent=2) + "\n")
        return 0
    url = sys.argv[-1]
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    revision = cast("Revision", os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", NEWEST))
    try:
        with Loopback(timeout=10) as listener, open_sync(url) as http:
            use(url, http, listener, listener.redirect_uri, context=context, revision=revision)
    except Exception as error:
        layer, words, cure = explain(error)
        sys.stderr.write(f"{layer}: {words} {cure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
