"""Keeps web pages away from the embedded AWS.

MiniStack answers pages of every origin, and its keys are published. So without a guard any page that somebody has open
while the system runs could read the secrets of the user pool, or deploy a Lambda function: its own code, on this
machine. Programs, the AWS SDKs among them, send neither `Origin` nor `Sec-Fetch-Site`; browsers cannot leave them out.

Spec: Fetch Standard › Origin header, Fetch Metadata Request Headers; MCP 2026-07-28 Security Best Practices.
"""

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_demo.oauth.resource import is_loopback_host

# What is made for browsers: deployed APIs, which have CORS rules of their own, the hosted sign-in, public keys.
_FOR_BROWSERS = re.compile(
    r"/_aws/execute-api/.*|/oauth2/(?:authorize|login|token|userInfo|userinfo)|/log(?:in|out)|/[\w-]+/\.well-known/[\w.-]+"
)


def guarded(app: ASGIApp) -> ASGIApp:
    """The application, for programs on this machine; for pages only those parts that are made for browsers."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _is_allowed(scope):
            await app(scope, receive, send)
        elif scope["type"] == "http":
            refusal = PlainTextResponse("The embedded AWS does not answer web pages.\n", status_code=403)
            await refusal(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    return guard


def _is_allowed(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    if not _is_here(headers.getlist("host")):
        return False
    if "origin" not in headers and headers.get("sec-fetch-site", "none") == "none":
        return True
    signed = "x-amz-target" in headers or headers.get("authorization", "").startswith("AWS")
    signed = signed or b"x-amz-" in scope["query_string"].lower()  # whatever the path, that is a call of an AWS API
    return not signed and _FOR_BROWSERS.fullmatch(scope["path"]) is not None


def _is_here(hosts: list[str]) -> bool:
    """Whether a request names this machine, which no page can make its own name do (DNS rebinding)."""
    try:
        name = urlsplit(f"//{hosts[0]}").hostname if len(hosts) == 1 else None
    except ValueError:
        return False
    return is_loopback_host(name) or (name is not None and name.endswith(".localhost"))
