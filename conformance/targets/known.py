"""The known targets: what each is, how its recipe is started, and what is judged."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from conformance.requirements import LATEST, Role

HERE = Path(__file__).parent
_INSTALL_DEADLINE = 300
_RS: tuple[Role, ...] = ("resource-server",)
_BOTH: tuple[Role, ...] = ("resource-server", "authorization-server")


class Unavailable(Exception):
    """A target cannot be run here; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Known:
    """A known target.

    Args:
        name: What it is called.
        title: What it is, with versions.
        recipe: The file that is started.
        runner: With what: our own environment, an environment of its own (uv), or Node.
        authorization_server: Whom its metadata names: our bridge, the user pool, or itself.
        roles: What of it is judged. Our bridge is judged elsewhere.
        revision: The newest revision of MCP that it speaks.
        packages: What is judged, for the table.
    """

    name: str
    title: str
    recipe: str
    runner: Literal["ours", "uv", "node"]
    authorization_server: Literal["bridge", "pool", "itself"]
    packages: str
    roles: tuple[Role, ...] = _RS
    revision: str = LATEST

    def command(self) -> list[str]:
        """How to start it; what it needs is installed first.

        Raises:
            Unavailable: Something is missing.
        """
        recipe = str(HERE / self.recipe)
        if self.runner == "ours":
            return [sys.executable, recipe]
        if self.runner == "uv":
            uv = Path(sys.executable).with_name("uv")
            return [str(uv if uv.exists() else _found("uv")), "run", "--quiet", "--script", recipe]
        _npm_packages()
        return [_found("node"), recipe]


TARGETS = (
    Known(
        "mcp-sdk",
        "MCP server of the official Python SDK, tokens verified by PyJWT, behind our bridge",
        "mcp_sdk.py",
        "ours",
        "bridge",
        "mcp 2.3.0, pyjwt 2.15.1",
    ),
    Known(
        "fastmcp-cognito",
        "FastMCP with AWSCognitoProvider: it is its own authorization server in front of Cognito",
        "fastmcp_cognito.py",
        "uv",
        "itself",
        "fastmcp 4.1.2",
        _BOTH,
    ),
    Known(
        "cognito-alone",
        "The server of mcp-sdk, its metadata naming the user pool itself: no bridge",
        "mcp_sdk.py",
        "ours",
        "pool",
        "mcp 2.3.0, a user pool of MiniStack with our stand-in for its domain",
        _BOTH,
    ),
    Known(
        "typescript-sdk",
        "MCP server of the official TypeScript SDK with its bearer middleware, behind our bridge",
        "typescript_sdk.mjs",
        "node",
        "bridge",
        "@modelcontextprotocol/sdk 1.32.2, jose 6.2.17",
        revision="2025-11-25",
    ),
    Known(
        "mcp-auth",
        "The npm package mcp-auth in resource-server mode, in front of the TypeScript SDK",
        "mcp_auth.mjs",
        "node",
        "pool",
        "mcp-auth 0.2.0, @modelcontextprotocol/sdk 1.32.2",
        revision="2025-11-25",
    ),
)
"""All known targets."""


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise Unavailable(f"It takes {program}, which is not installed.")
    return path


def _npm_packages() -> None:
    """Install what `package-lock.json` lists, once."""
    if (HERE / "node_modules" / ".package-lock.json").exists():
        return
    command = [_found("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=_INSTALL_DEADLINE, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"npm did not finish in {_INSTALL_DEADLINE} s.") from None
    if done.returncode != 0:
        raise Unavailable(f"npm cannot install the packages: {(done.stderr.strip() or 'no reason').splitlines()[0]}")
