"""From a bearer token to who is calling: the issuer chooses rules and keys, the rules decide."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mcp_demo.oauth import access_token
from mcp_demo.oauth.access_token import AccessToken, Rules, TokenRejected
from mcp_demo.server.keys import SigningKeys


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """An issuer whose tokens are accepted, and under which rules."""

    rules: Rules
    keys: SigningKeys


class TokenVerifier:
    """Verifies access tokens of one or more issuers.

    Args:
        issuers: Who is trusted. A token of anybody else is refused without fetching a key.
        clock: Seconds since the epoch.
    """

    def __init__(self, issuers: Iterable[TrustedIssuer], clock: Callable[[], float] = time.time) -> None:
        self._issuers: Mapping[str, TrustedIssuer] = {trusted.rules.issuer: trusted for trusted in issuers}
        self._clock = clock

    async def verify(self, token: str) -> AccessToken:
        """What the token says, if all of it may be believed.

        Spec: MCP 2026-07-28 Authorization › Token Handling.

        Raises:
            TokenRejected: The token is not an access token for this server.
            KeysUnavailable: It cannot be told, since the issuer's keys are out of reach.
        """
        unverified = access_token.read(token)
        trusted = self._issuers.get(unverified.issuer)
        if trusted is None:
            raise TokenRejected("issuer")
        if unverified.algorithm != trusted.rules.algorithm:  # no key could help: do not look for one
            raise TokenRejected("algorithm")
        key = await trusted.keys.get(unverified.key_id)
        if key is None:
            raise TokenRejected("key")
        return access_token.verify(unverified, key, trusted.rules, self._clock())

    async def close(self) -> None:
        """End what runs in the background."""
        for trusted in self._issuers.values():
            await trusted.keys.close()
