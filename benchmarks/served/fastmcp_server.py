# /// script
# requires-python = ">=3.11"
# dependencies = ["fastmcp==4.1.2", "uvicorn[standard]"]
# ///
# pyright: basic, reportMissingImports=false
"""FastMCP at its fastest: stateless, JSON answers, its JWT verifier, the same uvicorn. In an environment of its own."""

import gc
import os
import sys

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import JWTVerifier
from fastmcp.server.dependencies import get_access_token
from peer_tools import tools
from pydantic import AnyHttpUrl

resource = os.environ["MCP_DEMO_MCP_URL"]
verifier = JWTVerifier(
    jwks_uri=os.environ["MCP_DEMO_JWKS_URI"],
    issuer=os.environ["MCP_DEMO_ISSUER"],
    audience=resource,
    algorithm="RS256",
    required_scopes=[f"{resource}/read"],
)
auth = RemoteAuthProvider(
    token_verifier=verifier,
    authorization_servers=[AnyHttpUrl("https://login.example.com")],
    base_url=resource.removesuffix("/mcp"),
)
server = FastMCP("peer", auth=auth)
for title, tool in tools(lambda: get_access_token().claims).items():
    server.tool(tool, title=title, annotations={"readOnlyHint": True, "openWorldHint": False})

if __name__ == "__main__":
    gc.collect()  # as `mcp_demo.local.run` does for the others
    gc.freeze()
    uvicorn.run(
        server.http_app(path="/mcp", stateless_http=True, json_response=True),
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
