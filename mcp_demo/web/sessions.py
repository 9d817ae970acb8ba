"""Browser sessions kept on the server: the cookie is a random name, its digest is the key, nothing else leaves."""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request, Response

LIFETIME = 12 * 60 * 60
CAPACITY = 10_000


@dataclass(slots=True)
class Session:
    """What one browser did so far. `csrf` goes into every form and comes back with it."""

    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    data: MutableMapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    used: float = 0.0


class Sessions:
    """Sessions in memory, the least recently used one forgotten first.

    Args:
        cookie: Name of the cookie, unique among the apps of one host: browsers share cookies between ports.
        secure: Whether the app is served over https; then the cookie is `__Host-` prefixed and Secure.
        clock: Seconds since the epoch.
    """

    def __init__(self, cookie: str, *, secure: bool, clock: Callable[[], float] = time.time) -> None:
        self.cookie = f"__Host-{cookie}" if secure else cookie
        self._secure = secure
        self._clock = clock
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def find(self, request: Request) -> Session | None:
        """The session of a request, if it has a live one."""
        name = request.cookies.get(self.cookie)
        key = _digest(name) if name else ""
        session = self._sessions.get(key)
        if session is None:
            return None
        if session.used + LIFETIME <= self._clock():
            del self._sessions[key]
            return None
        session.used = self._clock()
        self._sessions.move_to_end(key)
        return session

    def start(self, response: Response) -> Session:
        """A new session, its cookie set on the response."""
        name = secrets.token_urlsafe(32)
        session = self._sessions[_digest(name)] = Session(used=self._clock())
        while len(self._sessions) > CAPACITY:
            self._sessions.popitem(last=False)
        self._set_cookie(response, name)
        return session

    def renew(self, request: Request, response: Response) -> Session | None:
        """The session under a new name and with other forms, around a sign-in: a planted cookie is worth nothing."""
        old = self._sessions.pop(_digest(request.cookies.get(self.cookie, "")), None)
        if old is not None:
            name, old.csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(16)
            self._sessions[_digest(name)] = old
            self._set_cookie(response, name)
        return old

    def end(self, request: Request, response: Response) -> None:
        """Forget the session and its cookie."""
        self._sessions.pop(_digest(request.cookies.get(self.cookie, "")), None)
        response.delete_cookie(self.cookie, path="/", secure=self._secure, httponly=True, samesite="lax")

    def _set_cookie(self, response: Response, name: str) -> None:
        response.set_cookie(self.cookie, name, path="/", secure=self._secure, httponly=True, samesite="lax")


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
