"""A plain script: `httpx` does the requests, `OAuth` gets it in."""

import sys

import httpx

from mcp_demo.client import mcp
from mcp_demo.client.auth import OAuth
from mcp_demo.client.drive import from_httpx, to_httpx
from mcp_demo.client.engine import Engine
from mcp_demo.client.registration import Identity
from mcp_demo.client.sign_in import Loopback


def main(url: str, client_id: str | None = None) -> None:
    """Ask the server who I am."""
    with Loopback() as browser:
        engine = Engine(url, Identity(client_id=client_id), browser.redirect_uri)
        with httpx.Client(auth=OAuth(engine, browser), timeout=30) as http:
            response = http.send(to_httpx(mcp.call_tool(url, "whoami", {}).request))
    print(mcp.text_of(mcp.read(from_httpx(response))))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
