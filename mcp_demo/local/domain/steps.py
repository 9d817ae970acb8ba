"""What must be remembered between two pages of one sign-in, bound to the browser that began it."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any

from fastapi import Request

from mcp_demo.local.domain.browser import Browser
from mcp_demo.local.domain.errors import UnsafeRequest
from mcp_demo.local.domain.forms import Form
from mcp_demo.local.domain.store import Store

_LIFETIME = 10 * 60


class Steps:
    """Steps by kind; the form carries a random name, everything else stays here."""

    def __init__(self, store: Store, browser: Browser, clock: Callable[[], float]) -> None:
        self._store = store
        self._browser = browser
        self._clock = clock

    def begin(self, request: Request, kind: str, **data: Any) -> str:
        """Remember something for the next page; returns the name to put into its form."""
        name = secrets.token_urlsafe(32)
        bound = {**data, "browser": _digest(self._browser.form_token(request))}
        self._store.put(f"step-{kind}", name, bound, expires=self._clock() + _LIFETIME)
        return name

    def read(self, request: Request, form: Form, kind: str) -> dict[str, Any]:
        """What was remembered, to the same browser.

        Raises:
            UnsafeRequest: Nothing was, or elsewhere, or too long ago.
        """
        step = self._store.get(f"step-{kind}", form.get("step", ""))
        if step is None or not hmac.compare_digest(step["browser"], _digest(self._browser.form_token(request))):
            raise UnsafeRequest(
                "invalid_request",
                "This page has expired, or it was opened in another browser.",
                "Go back to the app and sign in again.",
            )
        return step

    def end(self, form: Form, kind: str) -> bool:
        """Forget a step; whether it was still there, to one caller only."""
        return self._store.take(f"step-{kind}", form.get("step", "")) is not None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
