"""What the domain knows of a browser: who is signed in there for an hour, and which forms it was shown.

Two cookies: one for the signed-in session, new at every sign-in, so that a planted one is worth nothing; and one that
ties forms to the browser they were shown in, so that no other site can submit them.
"""

import hmac
import secrets
from typing import Any

from fastapi import Request, Response

from mcp_demo.local.domain.errors import UnsafeRequest
from mcp_demo.local.domain.pool import Pool, User
from mcp_demo.local.domain.store import Store
from mcp_demo.settings import DomainSettings

SESSION_LIFETIME = 60 * 60
_FORM_LIFETIME = 24 * 60 * 60
_TOKEN_LENGTH = len(secrets.token_urlsafe(32))


class Browser:
    """Cookies and what they stand for.

    Args:
        settings: Says whether cookies must be Secure, from the base URL.
        store: Where sessions are kept.
        pool: To see whether the user is still there.
    """

    def __init__(self, settings: DomainSettings, store: Store, pool: Pool) -> None:
        self._store = store
        self._pool = pool
        self._secure = settings.domain.startswith("https:")
        prefix = "__Host-" if self._secure else ""
        self._session_cookie = f"{prefix}mcp-demo-domain"
        self._form_cookie = f"{prefix}mcp-demo-domain-form"

    def signed_in(self, request: Request) -> dict[str, Any] | None:
        """The live session of a browser whose user is still there: `username`, `sub`, `auth_time`, `origin_jti`."""
        name = request.cookies.get(self._session_cookie)
        session = self._store.get("session", name) if name else None
        if session is None:
            return None
        user = self._pool.user(session["username"])
        return session if user and user.enabled and user.sub == session["sub"] else None

    def begin(self, request: Request, user: User, origin_jti: str, *, now: float) -> tuple[str, dict[str, Any]]:
        """A session for a user who has just signed in: its cookie value and what it holds. An earlier one ends."""
        self.forget(request)
        name = secrets.token_urlsafe(32)
        session = {"username": user.username, "sub": user.sub, "auth_time": int(now), "origin_jti": origin_jti}
        self._store.put("session", name, session, expires=now + SESSION_LIFETIME)
        return name, session

    def set_session(self, response: Response, name: str) -> None:
        """Give the browser its session."""
        self._set(response, self._session_cookie, name, SESSION_LIFETIME)

    def forget(self, request: Request) -> None:
        """End the browser's session on the server."""
        if name := request.cookies.get(self._session_cookie):
            self._store.take("session", name)

    def end(self, request: Request, response: Response) -> None:
        """Sign out: the session ends and its cookie goes."""
        self.forget(request)
        response.delete_cookie(self._session_cookie, path="/", secure=self._secure, httponly=True, samesite="lax")

    def form_token(self, request: Request) -> str:
        """The secret of this browser's forms, an existing one if it has it: tabs side by side all work."""
        known = request.cookies.get(self._form_cookie, "")
        return known if len(known) == _TOKEN_LENGTH else secrets.token_urlsafe(32)

    def set_form(self, response: Response, token: str) -> None:
        """Give the browser the cookie that its forms are compared with."""
        self._set(response, self._form_cookie, token, _FORM_LIFETIME)

    def check_form(self, request: Request, submitted: str) -> None:
        """Whether a submitted form was shown in this browser.

        Raises:
            UnsafeRequest: It was not, or the browser takes no cookies.
        """
        known = request.cookies.get(self._form_cookie, "")
        # A page on another port of this host can set our cookies, hence know the token; it cannot pass for our own.
        ours = request.headers.get("sec-fetch-site", "same-origin") == "same-origin"
        if not ours or not known or not hmac.compare_digest(known.encode(), submitted.encode()):
            raise UnsafeRequest(
                "invalid_request",
                "This form was not opened in this browser, or it is too old.",
                "Go back to the app and sign in again. Cookies must be allowed for this address.",
            )

    def _set(self, response: Response, cookie: str, value: str, seconds: int) -> None:
        response.set_cookie(
            cookie, value, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="lax"
        )
