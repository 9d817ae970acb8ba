"""Clients whose id is the URL of a document about them (Client ID Metadata Documents).

Documents come from three places, in this order: pinned by an administrator, kept from an earlier fetch for as long as
its HTTP headers allow, or fetched now. Whether the host of a document is welcome is asked first. Nothing that failed is
kept, so a client that mends its document gets in at once; how often a host is asked is limited instead. What was good
before has a turn of its own beside that limit, so that a stranger who names many URLs shuts out nobody who is known.

Spec: draft-ietf-oauth-client-id-metadata-document-00, MCP 2026-07-28 Client ID Metadata Documents, RFC 9111 §4.2.
"""

import json
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import mktime_tz, parsedate_tz
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from mcp_demo.bridge.allowance import Allowance
from mcp_demo.bridge.fetch import Fetcher, FetchFailed
from mcp_demo.errors import SetupError
from mcp_demo.oauth import metadata_document
from mcp_demo.oauth.client_metadata import ClientMetadata
from mcp_demo.oauth.errors import InvalidClient, OAuthError
from mcp_demo.oauth.resource import is_loopback_host
from mcp_demo.registry.model import Client
from mcp_demo.settings import BridgeSettings

_log = logging.getLogger(__name__)
_MAX_DOCUMENT = 5 * 1024  # what CIMD §6.6 recommends
_MAX_KEYS = 16 * 1024
_UNLABELLED = 300.0
_LONGEST = 86_400.0
_MOST = 500
_MOST_KNOWN = 5_000
_TURN = 3.0  # as often as an allowance lets a host be asked
Kind = Literal["client", "keys"]
_MAX_AGE = re.compile(r"(s-maxage|max-age)=\"?([0-9]{1,9})\"?")


@dataclass(frozen=True, slots=True)
class Trust:
    """Which hosts may describe clients.

    Args:
        welcome: The only ones, `*.example.com` for subdomains; empty for all.
        blocked: Never these.
    """

    welcome: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()

    def allows(self, host: str) -> bool:
        """Whether documents of a host are accepted."""
        listed = not self.welcome or any(_matches(host, pattern) for pattern in self.welcome)
        return listed and not any(_matches(host, pattern) for pattern in self.blocked)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A document, and until when it is good."""

    good_until: float
    value: Any


class Documents:
    """Clients by the URL of their document.

    Args:
        fetcher: The guarded fetcher.
        trust: Which hosts are welcome.
        pinned: Documents that are used instead of fetching them, by URL.
        allow_loopback: Accept http on this machine.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        trust: Trust | None = None,
        pinned: Mapping[str, ClientMetadata] | None = None,
        allow_loopback: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._fetcher = fetcher
        self._trust = trust or Trust()
        self._pinned = dict(pinned or {})
        self._allow_loopback = allow_loopback
        self._clock = clock
        self._allowance = Allowance(clock)
        # By what was read from the URL too: anybody may name the document of another as the place of his keys.
        self._kept: OrderedDict[tuple[Kind, str], _Kept] = OrderedDict()
        # When what was good before was asked for last, even if it may not be kept; the least recently used comes first.
        self._known: OrderedDict[tuple[Kind, str], float] = OrderedDict()

    async def client(self, url: str) -> Client:
        """The client that a document describes.

        Raises:
            InvalidClient: The URL, its host, the document or the way to it is not acceptable; says which and why.
        """
        try:
            metadata_document.validate_client_id_url(url, self._allow_loopback)
            if url in self._pinned:
                return client_of(url, self._pinned[url])
            host = urlsplit(url).hostname or ""
            if not self._trust.allows(host):
                raise InvalidClient(f"Applications of {host} are not accepted here.", status=400)
            return client_of(url, await self._document(url))
        except OAuthError as error:
            _log.warning("client metadata document %.300r refused: %s", url, error.description)
            raise

    async def keys(self, url: str) -> Mapping[str, Any]:
        """The public keys at a client's `jwks_uri`, whichever way the client came.

        Raises:
            InvalidClient: They cannot be had.
        """
        keys = await self._get("keys", url, _MAX_KEYS, lambda document: document)
        return cast("Mapping[str, Any]", keys) if isinstance(keys, dict) else {}

    def vouch(self, url: str) -> None:
        """Note that a client has proven itself by the keys at its `jwks_uri`: they are known from now on.

        Before that they are not, whatever is there: anybody may name any URL, and have a turn of its own for each.
        """
        self._know(("keys", url))

    async def _document(self, url: str) -> ClientMetadata:
        read = await self._get("client", url, _MAX_DOCUMENT, lambda document: metadata_document.parse(document, url))
        self._know(("client", url))  # it names its own URL, so who serves it wants to be asked for it
        return read

    async def _get(self, kind: Kind, url: str, max_bytes: int, read: Callable[[object], Any]) -> Any:
        now = self._clock()
        kept = self._kept.get((kind, url))
        if kept is not None and now < kept.good_until:
            return kept.value
        host = urlsplit(url).hostname or ""
        if not self._may_ask((kind, url), host, now):
            raise InvalidClient(f"Documents of {host} are asked for too often. Try again in a minute.", status=429)
        try:
            fetched = await self._fetcher.get(url, max_bytes=max_bytes)
        except FetchFailed as error:
            raise InvalidClient(f"The document at {url} could not be used: {error}.", status=400) from None
        value = read(fetched.document)
        seconds = freshness(fetched.headers, now)
        self._kept.pop((kind, url), None)
        if seconds > 0:
            self._kept[kind, url] = _Kept(now + seconds, value)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return value

    def _may_ask(self, name: tuple[Kind, str], host: str, now: float) -> bool:
        if self._allow_loopback and is_loopback_host(host):
            return True  # a stack on one machine asks only itself
        asked = self._known.get(name)
        if asked is not None and now - asked >= _TURN:
            self._known[name] = now
            return True
        return self._allowance.take(host)

    def _know(self, name: tuple[Kind, str]) -> None:
        self._known.setdefault(name, self._clock())
        self._known.move_to_end(name)
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)


def freshness(headers: Mapping[str, str], now: float) -> float:
    """For how many seconds a response may be used again: what its headers say, at most a day; 0 for not at all.

    Spec: RFC 9111 §4.2 and §5.2.2. We are a shared cache, so `private` means no.
    """
    control = headers.get("cache-control", "").lower()
    words = {word.strip().partition("=")[0] for word in control.split(",")}
    if words & {"no-store", "no-cache", "private"} or headers.get("vary", "").strip() == "*":
        return 0.0
    ages = {name: float(value) for name, value in _MAX_AGE.findall(control)}
    lifetime = ages.get("s-maxage", ages.get("max-age"))
    if lifetime is None:
        lifetime = _until(headers["expires"], headers.get("date"), now) if "expires" in headers else _UNLABELLED
    age = headers.get("age", "0")
    return min(lifetime - (float(age) if age.isdecimal() else 0.0), _LONGEST)


def open_documents(settings: BridgeSettings, fetcher: Fetcher, clock: Callable[[], float]) -> Documents:
    """The documents as the settings want them.

    Raises:
        SetupError: A pinned document is malformed.
    """
    try:
        entries = cast("dict[str, object]", json.loads(settings.pinned_documents))
        pinned = {url: metadata_document.parse(document, url) for url, document in entries.items()}
    except (ValueError, AttributeError, OAuthError) as error:
        raise SetupError(f"A pinned client metadata document is malformed: {error}", "Correct it.") from None
    trust = Trust(tuple(settings.metadata_document_hosts), tuple(settings.blocked_document_hosts))
    return Documents(fetcher, trust=trust, pinned=pinned, allow_loopback=settings.loopback_documents, clock=clock)


def client_of(url: str, metadata: ClientMetadata) -> Client:
    """The client that the document at a URL describes."""
    # Its `scope` is no ceiling: the document is written for every server there is, and the person decides.
    return replace(Client.from_metadata(url, metadata, source="cimd"), scopes=())


def _matches(host: str, pattern: str) -> bool:
    host, pattern = host.lower().rstrip("."), pattern.lower()
    return host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def _until(expires: str, date: str | None, now: float) -> float:
    try:
        parsed, sent = parsedate_tz(expires), parsedate_tz(date) if date else None
        if parsed is None:  # "0" and other junk mean: in the past (RFC 9111 §5.3)
            return 0.0
        return mktime_tz(parsed) - (mktime_tz(sent) if sent else now)
    except (ValueError, OverflowError):  # a date that no calendar has
        return 0.0
