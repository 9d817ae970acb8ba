"""A client for MCP servers that ask for authorization, Cognito or not.

    from mcp_demo.client import call_tool
    print(asyncio.run(call_tool("http://localhost:3001/mcp", "whoami")))

`call_tool`, `list_tools`, `get_token` and `connect` are the short way in; `OAuth` and `SdkOAuth` are the faces for
`httpx` and the `mcp` SDK; `Engine` is what all of them drive, with `mcp_demo.client.drive` or, step by step, `Walk`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mcp_demo.client.assertions import IdentityProvider, enterprise, workload
from mcp_demo.client.credentials import ClientKey
from mcp_demo.client.drive import Walk, drive_sync
from mcp_demo.client.engine import Engine
from mcp_demo.client.errors import (
    CallFailed,
    ClientError,
    DiscoveryFailed,
    IssuerChanged,
    RegistrationFailed,
    SignInFailed,
    SignInNeeded,
    StepUpExhausted,
    StoreUnavailable,
    Unauthorized,
    explain,
)
from mcp_demo.client.events import SignIn, Step
from mcp_demo.client.grant import Grant
from mcp_demo.client.pending import PendingAuthorization
from mcp_demo.client.policy import Policy
from mcp_demo.client.registration import Identity, Registration
from mcp_demo.client.sign_in import Loopback, print_url, system_browser
from mcp_demo.client.storage import FileStore, KeyringStore, MemoryStore, Store, Vault

if TYPE_CHECKING:
    from mcp_demo.client.api import call_tool, connect, get_token, list_tools
    from mcp_demo.client.auth import OAuth, SdkOAuth
    from mcp_demo.client.browser import HeadlessBrowser
    from mcp_demo.client.transport import open_async, open_sdk, open_sync

__all__ = [
    "CallFailed",
    "ClientError",
    "ClientKey",
    "DiscoveryFailed",
    "Engine",
    "FileStore",
    "Grant",
    "HeadlessBrowser",
    "Identity",
    "IdentityProvider",
    "IssuerChanged",
    "KeyringStore",
    "Loopback",
    "MemoryStore",
    "OAuth",
    "PendingAuthorization",
    "Policy",
    "Registration",
    "RegistrationFailed",
    "SdkOAuth",
    "SignIn",
    "SignInFailed",
    "SignInNeeded",
    "Step",
    "StepUpExhausted",
    "Store",
    "StoreUnavailable",
    "Unauthorized",
    "Vault",
    "Walk",
    "call_tool",
    "connect",
    "drive_sync",
    "enterprise",
    "explain",
    "get_token",
    "list_tools",
    "open_async",
    "open_sdk",
    "open_sync",
    "print_url",
    "system_browser",
    "workload",
]

# What takes long to import, or needs an extra, is imported by who uses it: the `mcp` SDK and Playwright.
_LATER = {
    **dict.fromkeys(("call_tool", "connect", "get_token", "list_tools"), "api"),
    **dict.fromkeys(("OAuth", "SdkOAuth"), "auth"),
    **dict.fromkeys(("open_async", "open_sdk", "open_sync"), "transport"),
    "HeadlessBrowser": "browser",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
