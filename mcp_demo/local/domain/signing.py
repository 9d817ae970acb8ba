"""Tokens as Cognito issues them, signed with the pool's own keys: its JWKS, `GetUser` and authorizers accept them.

The embedded AWS keeps two RSA keys for each pool, one for access tokens and one for ID tokens, and publishes them under
the base64 SHA-256 of the public key.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from mcp_demo.errors import SetupError
from mcp_demo.local.domain.pool import User
from mcp_demo.settings import DomainSettings

_ALGORITHM = "RS256"
_TIMEOUT = 5
_OWN_TOKEN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What the tokens of one grant have in common."""

    client_id: str
    scopes: tuple[str, ...]
    auth_time: int
    origin_jti: str
    resource: str | None = None
    nonce: str | None = None
    act: Mapping[str, Any] | None = None


class Signer:
    """Issues and verifies the pool's tokens."""

    def __init__(self, settings: DomainSettings) -> None:
        self._settings = settings
        self._keys: dict[str, RSAKey] = {}

    def access_token(
        self, facts: TokenFacts, user: User | None, *, now: int, seconds: int, groups: list[str] | None = None
    ) -> str:
        """An access token; without a user it is a client's own (Cognito docs › Understanding the access token)."""
        claims: dict[str, Any] = {
            "sub": user.sub if user else facts.client_id,
            **self._common(facts, now, seconds),
            "token_use": "access",
            "client_id": facts.client_id,
            "version": 2,
            "scope": " ".join(facts.scopes),
        }
        if user is not None:
            claims |= {"username": user.username, "origin_jti": facts.origin_jti, "event_id": str(uuid4())}
        if facts.resource is not None:
            claims["aud"] = facts.resource
        if facts.act is not None:
            claims["act"] = facts.act
        if groups:
            claims["cognito:groups"] = groups
        return self._sign("access", claims)

    def id_token(
        self,
        facts: TokenFacts,
        user: User,
        attributes: dict[str, Any],
        *,
        now: int,
        seconds: int,
        groups: list[str],
        access_token: str,
    ) -> str:
        """An ID token (Cognito docs › Understanding the identity (ID) token, OpenID Connect Core §3.1.3.6)."""
        claims: dict[str, Any] = {
            **attributes,
            "sub": user.sub,
            **self._common(facts, now, seconds),
            "token_use": "id",
            "aud": facts.client_id,
            "cognito:username": user.username,
            "origin_jti": facts.origin_jti,
            "event_id": str(uuid4()),
            "at_hash": _at_hash(access_token),
        }
        if facts.nonce is not None:
            claims["nonce"] = facts.nonce
        if groups:
            claims["cognito:groups"] = groups
        return self._sign("id", claims)

    def own_api_token(self, user: User, *, now: int, origin_jti: str = "") -> str:
        """A short-lived token with which the domain calls the pool's API in the name of a user."""
        facts = TokenFacts("managed-login", ("aws.cognito.signin.user.admin",), now, origin_jti or str(uuid4()))
        return self.access_token(facts, user, now=now, seconds=_OWN_TOKEN_SECONDS)

    def revocation_token(self, origin_jti: str) -> str:
        """A refresh token in the embedded AWS's own form: its `RevokeToken` then revokes the origin's access tokens."""
        return self._sign("access", {"iss": self._settings.issuer, "token_use": "refresh", "origin_jti": origin_jti})

    def verified_access_token(self, token: str, *, now: float) -> dict[str, Any] | None:
        """The claims of a live access token of this pool, else None."""
        try:
            claims = jwt.decode(token, self._key("access"), algorithms=[_ALGORITHM]).claims
        except (JoseError, ValueError):
            return None
        expires = claims.get("exp")
        live = isinstance(expires, int) and now < expires
        own = claims.get("iss") == self._settings.issuer and claims.get("token_use") == "access"
        return claims if live and own else None

    def _common(self, facts: TokenFacts, now: int, seconds: int) -> dict[str, Any]:
        times = {"auth_time": facts.auth_time, "iat": now, "exp": now + seconds}
        return {"iss": self._settings.issuer, "jti": str(uuid4()), **times}

    def _sign(self, use: str, claims: dict[str, Any]) -> str:
        key = self._key(use)
        return jwt.encode({"alg": _ALGORITHM, "kid": key.kid}, claims, key, algorithms=[_ALGORITHM])

    def _key(self, use: str) -> RSAKey:
        if use not in self._keys:
            pool = self._settings.user_pool_id
            path = self._settings.key_dir / f"{pool}-{use}.pem"
            if not path.exists():  # the embedded AWS makes the keys when they are first asked for
                _fetch(f"{self._settings.aws_endpoint}/{pool}/.well-known/jwks.json")
            self._keys[use] = _read(path)
        return self._keys[use]


def _fetch(url: str) -> None:
    try:
        httpx.get(url, timeout=_TIMEOUT, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise SetupError(
            f"The user pool's keys cannot be had from {url}: {error}.", "Start the embedded AWS."
        ) from None


def _read(path: Path) -> RSAKey:
    try:
        key = RSAKey.import_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SetupError(
            f"The user pool's key {path.name} cannot be read: {error}.", "Check MCP_DEMO_KEY_DIR."
        ) from None
    kid = base64.b64encode(hashlib.sha256(key.as_der(private=False)).digest()).decode("ascii")
    return RSAKey.import_key(path.read_bytes(), {"kid": kid})


def _at_hash(access_token: str) -> str:
    left = hashlib.sha256(access_token.encode("ascii")).digest()[:16]
    return base64.urlsafe_b64encode(left).rstrip(b"=").decode("ascii")
