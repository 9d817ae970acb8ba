"""A person at the browser: is shown where to go, and comes back to a listener on this machine (RFC 8252 §7.3)."""

import sys
from collections.abc import Callable
from urllib.parse import urlsplit

from conformance.check import Blocked
from conformance.journey import Journey
from conformance.target import Capability
from mcp_demo.client.errors import SignInFailed
from mcp_demo.client.sign_in import Loopback
from mcp_demo.oauth.resource import is_loopback_host

PATIENCE = 180.0
"""Seconds that a person has for one sign-in."""


class Person:
    """A `SignIn` by somebody who reads the terminal. Who does not come once, is not called again.

    Args:
        open_url: Brings the person to the page: `mcp_demo.client.sign_in.system_browser`, or only prints the URL.
        patience: Seconds for one sign-in.
    """

    def __init__(self, open_url: Callable[[str], object], *, patience: float = PATIENCE) -> None:
        self._open, self._patience = open_url, patience
        self._away = False
        self._times = 0

    def __call__(self, authorization_url: str, redirect_uri: str) -> str:
        """Have somebody sign in and agree.

        Raises:
            Blocked: Nobody came.
        """
        journey = self.travel(authorization_url, redirect_uri)
        assert journey.returned is not None  # noqa: S101 - `travel` raises otherwise
        return journey.returned

    def travel(self, url: str, redirect_uri: str, *, approve: bool = True) -> Journey:
        """Wait for somebody to come back, having agreed or not."""
        if self._away:
            raise Blocked("Not tried: nobody came to sign in before.", Capability.PERSON)
        self._times += 1
        self._say(f"Waiting for you ({self._times}): {'sign in and agree' if approve else 'refuse this time'}.")
        try:
            with _listener(self._open, redirect_uri, self._patience) as listener:
                returned = listener(url, redirect_uri)
        except SignInFailed as failure:
            self._away = True
            raise Blocked(str(failure), Capability.PERSON) from None
        self._say("Thank you; going on.")
        return Journey(returned, (url, returned))

    @staticmethod
    def _say(line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _listener(open_url: Callable[[str], object], redirect_uri: str, patience: float) -> Loopback:
    """Listen at a redirect URI.

    Raises:
        Blocked: It is not on this machine, or somebody else listens there.
    """
    parts = urlsplit(redirect_uri)
    if parts.scheme != "http" or not is_loopback_host(parts.hostname):
        raise Blocked(f"A person's way back to {redirect_uri} cannot be seen from here.", Capability.SIGN_IN)
    try:
        return Loopback(
            open_url, path=parts.path or "/", host=parts.hostname or "", port=parts.port or 80, timeout=patience
        )
    except OSError as error:
        raise Blocked(
            f"Nobody can come back to {redirect_uri}: {error.strerror}. End what listens there.", Capability.SIGN_IN
        ) from None
