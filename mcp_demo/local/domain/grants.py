"""Authorization codes and refresh tokens: what they stand for and how long (Cognito docs › Token endpoint)."""

import secrets
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import uuid4

from mcp_demo.local.domain.signing import TokenFacts
from mcp_demo.local.domain.store import Store

CODE_LIFETIME = 5 * 60


@dataclass(frozen=True, slots=True)
class Grant:
    """What a user's sign-in gave to an app client.

    `origin_jti` names the family of tokens, `session_jti` the sign-in it came from.
    """

    client_id: str
    username: str
    sub: str
    scopes: tuple[str, ...]
    redirect_uri: str
    auth_time: int
    session_jti: str
    resource: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    origin_jti: str = ""
    expires: float = 0
    retiring: bool = False

    def facts(self) -> TokenFacts:
        """The part that goes into tokens."""
        return TokenFacts(
            self.client_id, self.scopes, self.auth_time, self.origin_jti, resource=self.resource, nonce=self.nonce
        )


class Grants:
    """Codes, single-use for five minutes, and refresh tokens, good until their app client's limit."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def issue_code(self, grant: Grant, *, now: float) -> str:
        """A fresh code for a grant."""
        code = str(uuid4())
        self._store.put("code", code, asdict(replace(grant, origin_jti=str(uuid4()))), expires=now + CODE_LIFETIME)
        return code

    def redeem(self, code: str, client_id: str) -> Grant | None:
        """What a code stands for, once, and only to the client it was issued to."""
        found = self._store.get("code", code)
        if found is None or found["client_id"] != client_id:
            return None  # a stranger's attempt does not spend the code
        taken = self._store.take("code", code)
        return _grant(taken) if taken else None

    def issue_refresh_token(self, grant: Grant, *, expires: float) -> str:
        """A refresh token for a grant."""
        token = secrets.token_urlsafe(96)
        self._store.put("refresh", token, asdict(replace(grant, expires=expires, retiring=False)), expires=expires)
        self._store.put("family", grant.origin_jti, {"session_jti": grant.session_jti}, expires=expires)
        return token

    def find(self, refresh_token: str, client_id: str) -> Grant | None:
        """What a live refresh token stands for, to the client it was issued to."""
        found = self._store.get("refresh", refresh_token)
        if found is None or found["client_id"] != client_id or self.is_revoked(found["origin_jti"]):
            return None
        return _grant(found)

    def rotate(self, refresh_token: str, grant: Grant, *, grace: int, now: float) -> str | None:
        """A new refresh token that expires when the old one would have; the old one dies after `grace` seconds.

        Returns:
            The token, or None when somebody else used the old one first and there is no grace.
        """
        if grace == 0:
            if self._store.take("refresh", refresh_token) is None:
                return None
        elif not grant.retiring:
            dying = asdict(replace(grant, retiring=True))
            self._store.put("refresh", refresh_token, dying, expires=min(grant.expires, now + grace))
        return self.issue_refresh_token(grant, expires=grant.expires)

    def revoke(self, grant: Grant) -> None:
        """End a refresh token and all that came from the same sign-in of the app."""
        self._store.put("revoked", grant.origin_jti, {"revoked": True}, expires=grant.expires)

    def is_revoked(self, origin_jti: str) -> bool:
        """Whether the tokens of this origin were revoked."""
        return self._store.get("revoked", origin_jti) is not None

    def session_of(self, origin_jti: str) -> str | None:
        """The sign-in that tokens of this origin came from."""
        family = self._store.get("family", origin_jti)
        return family["session_jti"] if family else None


def _grant(body: dict[str, Any]) -> Grant:
    body["scopes"] = tuple(body["scopes"])
    return Grant(**body)
