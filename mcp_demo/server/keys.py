"""The signing keys of an issuer: fetched when needed, kept, renewed, and never asked for too often (RFC 7517 §5)."""

import asyncio
import json
import logging
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

MAX_DOCUMENT: Final = 64 * 1024
MAX_KEYS: Final = 32
_MIN_MODULUS: Final = 256  # octets: 2048 bits (RFC 7518 §3.3)

logger = logging.getLogger(__name__)


class KeysUnavailable(Exception):
    """The keys of the issuer cannot be had now: nobody can say whether the token is good (RFC 8725 §3.3)."""


class SigningKeys:
    """The keys that one issuer publishes at its JWKS URL.

    A key once fetched stays usable while the URL does not answer. A key id we do not know makes us look again, so a
    rotation is noticed at once; but such looks are rationed, since anybody can make up key ids, and those who wait for
    the same answer share one request. An old set is renewed beside the requests, which also drops withdrawn keys.

    Args:
        uri: The JWKS URL, from the settings. Never one that a token names.
        http: The client to fetch with.
        clock: A monotonic clock, in seconds.
        max_age: After how many seconds the set is renewed.
        interval: Seconds until one more fetch is allowed, once `burst` fetches are used up.
        burst: How many fetches may follow each other closely.
        timeout: Seconds that a fetch may take in all.
    """

    def __init__(
        self,
        uri: str,
        http: httpx.AsyncClient,
        *,
        clock: Callable[[], float] = time.monotonic,
        max_age: float = 3600,
        interval: float = 10,
        burst: int = 3,
        timeout: float = 5,
    ) -> None:
        self._uri = uri
        self._http = http
        self._clock = clock
        self._max_age = max_age
        self._interval = interval
        self._burst = burst
        self._timeout = timeout
        self._keys: Mapping[str, RSAKey] = {}
        self._fetched_at = clock()
        self._fetches = 0
        self._failed = False
        self._allowance = float(burst)
        self._counted_at = clock()
        self._lock = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None

    def known(self, key_id: str) -> RSAKey | None:
        """The key with this id, if it was among those fetched last."""
        key = self._keys.get(key_id)
        if key is not None and self._clock() - self._fetched_at > self._max_age:
            self._renew()
        return key

    async def get(self, key_id: str) -> RSAKey | None:
        """The key with this id, or None if the issuer does not publish it.

        Raises:
            KeysUnavailable: The key is not known, and the issuer cannot be asked.
        """
        key = self.known(key_id)
        if key is not None:
            return key
        await self._look_again()
        key = self._keys.get(key_id)
        if key is None and self._failed:
            raise KeysUnavailable(f"The signing keys at {self._uri} are not available.")
        return key

    async def close(self) -> None:
        """End a renewal that is under way."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)

    async def _look_again(self) -> None:
        before = self._fetches
        async with self._lock:
            if self._fetches == before and self._may_fetch():  # else somebody asked while we waited
                await self._fetch()

    def _renew(self) -> None:
        idle = self._renewal is None or self._renewal.done()
        if idle and self._may_fetch():
            self._renewal = asyncio.create_task(self._fetch_alone())

    async def _fetch_alone(self) -> None:
        async with self._lock:
            await self._fetch()

    def _may_fetch(self) -> bool:
        now = self._clock()
        self._allowance = min(self._burst, self._allowance + (now - self._counted_at) / self._interval)
        self._counted_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                keys = read_keys(await self._download())
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            logger.warning("No signing keys from %s: %s", self._uri, type(error).__name__)
            self._failed = True
        else:
            self._keys, self._fetched_at, self._failed = keys, self._clock(), False
        self._fetches += 1

    async def _download(self) -> bytes:
        body = bytearray()
        # Asked for uncompressed, so that what arrives is what the limit counts.
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        async with self._http.stream("GET", self._uri, headers=headers, follow_redirects=False) as response:
            if response.status_code != 200:
                raise ValueError(f"status {response.status_code}")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_DOCUMENT:
                    raise ValueError("the document is too large")
        return bytes(body)


def read_keys(document: bytes) -> dict[str, RSAKey]:
    """The RS256 keys of a JWKS document, by key id. Keys of other kinds or for other uses are left out.

    Spec: RFC 7517 §4 and §5 (members and keys that are not understood are to be ignored).

    Raises:
        ValueError: No JWKS, or none with a usable key: better the keys we have than none.
    """
    try:
        parsed: object = json.loads(document)
    except RecursionError as error:
        raise ValueError("the document is nested too deeply") from error
    members = cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
    listed: object = members.get("keys")
    candidates = cast("list[object]", listed)[:MAX_KEYS] if isinstance(listed, list) else []
    keys = dict(pair for candidate in candidates if (pair := _read_key(candidate)) is not None)
    if not keys:
        raise ValueError("the document holds no usable key")
    return keys


def _read_key(candidate: object) -> tuple[str, RSAKey] | None:
    if not isinstance(candidate, dict):
        return None
    jwk = cast("dict[str, Any]", candidate)
    key_id, n, e = jwk.get("kid"), jwk.get("n"), jwk.get("e")
    if not (isinstance(key_id, str) and isinstance(n, str) and isinstance(e, str)):
        return None
    if jwk.get("kty") != "RSA" or jwk.get("use", "sig") != "sig" or jwk.get("alg", "RS256") != "RS256":
        return None
    operations: object = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        if len(urlsafe_b64decode(n + "=" * (-len(n) % 4))) < _MIN_MODULUS:
            return None
        return key_id, RSAKey.import_key({"kty": "RSA", "n": n, "e": e})
    except (JoseError, ValueError):
        return None
