"""Ties a login to one browser, in two steps, with a cookie each.

The *visitor* cookie is set when the consent page is shown and proves that the form comes back from the browser that got
it. The *login* cookie is set only when the person has approved: a link that skips the consent page finds no such cookie
at the callback. It exists once for each login, so two tabs do not disturb each other, and is taken away once used.

Spec: MCP 2026-07-28 Security Best Practices › Confused Deputy Problem.
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode

from starlette.requests import Request
from starlette.responses import Response

from mcp_demo.bridge.payloads import LOGIN_SECONDS

_VISITOR = "mcp-bridge-visitor"
_LOGIN = "mcp-bridge-login-"
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


def digest(value: str) -> str:
    """SHA-256 in base64url: what an envelope keeps of a value it only has to recognize."""
    return urlsafe_b64encode(hashlib.sha256(value.encode()).digest()).rstrip(b"=").decode("ascii")


class Browsers:
    """Sets and checks the cookies.

    Args:
        secure: Whether the bridge is served over https; then the cookies are `Secure` and `__Host-` prefixed.
    """

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure
        self._prefix = "__Host-" if secure else ""

    def visitor(self, request: Request) -> str:
        """The value of the visitor cookie: the one that came, if it is well formed, else a new one."""
        value = request.cookies.get(self._prefix + _VISITOR, "")
        return value if _VALUE.fullmatch(value) else secrets.token_urlsafe(32)

    def remember_visitor(self, response: Response, value: str) -> None:
        """Set the visitor cookie."""
        self._set(response, _VISITOR, value)

    def is_visitor(self, request: Request, expected: str) -> bool:
        """Whether the request brings the visitor cookie with this digest."""
        return self._matches(request, _VISITOR, expected)

    def approve(self, response: Response, login: str, value: str) -> None:
        """Set the cookie of a login that the person has approved."""
        self._set(response, _LOGIN + login, value)

    def is_login(self, request: Request, login: str, expected: str) -> bool:
        """Whether the request comes from the browser in which this login was approved."""
        return self._matches(request, _LOGIN + login, expected)

    def forget_login(self, response: Response, login: str) -> None:
        """Take the login cookie away: its `state` works once."""
        response.delete_cookie(
            self._prefix + _LOGIN + login, path="/", secure=self._secure, httponly=True, samesite="lax"
        )

    def _set(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(
            self._prefix + name,
            value,
            max_age=LOGIN_SECONDS,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def _matches(self, request: Request, name: str, expected: str) -> bool:
        value = request.cookies.get(self._prefix + name)
        return value is not None and hmac.compare_digest(digest(value), expected)
