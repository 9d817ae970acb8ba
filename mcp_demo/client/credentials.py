"""A client's own key, in the place of a secret that two parties would have to know.

Spec: RFC 7523 §2.2 and §3; MCP 2026-07-28 Client Registration.
"""

import secrets
from dataclasses import dataclass, field
from typing import Any, cast

from mcp_demo.oauth import client_assertion
from mcp_demo.oauth.client_assertion import Key


@dataclass(frozen=True, slots=True)
class ClientKey:
    """The private key of a client.

    Args:
        key: The key.
        algorithm: The signature algorithm, one of `mcp_demo.oauth.client_assertion.ALGORITHMS` that fits the key.
        key_id: Its `kid` in the client's published `jwks`.
    """

    key: Key = field(repr=False)
    algorithm: str = "ES256"
    key_id: str | None = None

    def assertion(self, client_id: str, issuer: str, now: float) -> dict[str, str]:
        """The form fields by which the client authenticates to one authorization server, once."""
        signed = client_assertion.sign(
            self.key,
            client_id=client_id,
            issuer=issuer,
            token_id=secrets.token_urlsafe(16),
            now=now,
            algorithm=self.algorithm,
            key_id=self.key_id,
        )
        return {"client_id": client_id, **client_assertion.form(signed)}

    def public(self) -> dict[str, Any]:
        """The public key as published in `jwks` (RFC 7517 §4)."""
        members = cast("dict[str, Any]", self.key.as_dict(private=False))
        named = {} if self.key_id is None else {"kid": self.key_id}
        return {**members, "use": "sig", "alg": self.algorithm, **named}
