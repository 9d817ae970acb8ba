"""Where a target may send the suite: never further inside than the target itself stands.

Metadata, challenges and redirects are the target's words, and the suite follows them with the network of whoever runs
it. A server on the public internet that names `http://169.254.169.254/` or a port of this machine would have the suite
ask there (server-side request forgery). So every address of a name is looked at before a connection is made, and the
connection goes to the address that was looked at.

Spec: MCP 2026-07-28 Security Best Practices › Server-Side Request Forgery, RFC 9728 §7.7.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Literal, cast
from urllib.parse import urlsplit

import httpcore

from mcp_demo.oauth.addresses import is_public, plain_address

Zone = Literal["public", "private", "loopback", "link-local"]
Resolve = Callable[[str, int], Sequence[str]]

_ALLOWED: dict[Zone, tuple[Zone, ...]] = {
    "public": ("public",),
    "private": ("public", "private"),
    "loopback": ("public", "private", "loopback"),
    "link-local": ("public", "link-local"),
}
_WORDS: dict[Zone, str] = {
    "public": "on the public internet",
    "private": "in a private network",
    "loopback": "on this machine",
    "link-local": "on the local link",
}


class OutOfReach(httpcore.ConnectError):
    """The target names an address further inside than its own."""


class Reach:
    """What may be connected to in a run.

    Args:
        url: The target. Its own address is asked for once, so that it cannot change sides later.
        resolve: Name and port to addresses; the system's resolver if not given.
    """

    def __init__(self, url: str, resolve: Resolve | None = None) -> None:
        self._url = url
        self._resolve = resolve or _resolve

    def addresses(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host, all of which may be connected to.

        Raises:
            OutOfReach: One of them may not.
            ConnectError: It has none.
        """
        try:
            found = self._resolve(host.strip("[]"), port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        for address in found:
            zone = zone_of(address)
            if zone not in _ALLOWED[self._home]:
                raise OutOfReach(
                    f"{host} is {_WORDS[zone]}, where a target that is {_WORDS[self._home]} may not send the suite"
                )
        return found

    @cached_property
    def _home(self) -> Zone:
        host = urlsplit(self._url).hostname or ""
        try:
            zones = {zone_of(address) for address in self._resolve(host, 443)}
        except (OSError, UnicodeError):
            return "public"
        outermost: list[Zone] = [zone for zone in _ALLOWED if zone in zones]
        return outermost[0] if outermost else "public"


def zone_of(address: str) -> Zone:
    """How far inside an address is, also where IPv6 carries an IPv4 address."""
    parsed = ipaddress.ip_address(address)
    plain = plain_address(parsed)
    if plain.is_loopback or plain.is_unspecified:
        return "loopback"
    if plain.is_link_local:
        return "link-local"
    return "public" if is_public(parsed) else "private"


def _resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(cast("str", entry[4][0]) for entry in found))
