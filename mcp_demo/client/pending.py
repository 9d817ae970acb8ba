"""The authorization request as a thing that can be put away, and picked up again when the browser comes back.

Spec: OAuth 2.1 §4.1.2, RFC 9207 §2.4; MCP 2026-07-28 Authorization › Authorization Response Validation.
"""

from dataclasses import dataclass, field

from pydantic import TypeAdapter

from mcp_demo.oauth import authorization


@dataclass(frozen=True, slots=True)
class PendingAuthorization:
    """What has to be remembered between the authorization request and its response.

    The issuer is the validated one of the metadata, recorded before the browser leaves. Its secrets stay out of `repr`.
    """

    url: str = field(repr=False)
    issuer: str
    resource: str
    server_url: str
    token_endpoint: str
    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...] | None
    iss_advertised: bool
    revocation_endpoint: str | None
    state: str = field(repr=False)
    code_verifier: str = field(repr=False)

    def to_json(self) -> str:
        """The pending authorization for a session store; it is a secret."""
        return _PENDING.dump_json(self).decode()

    @staticmethod
    def from_json(document: str) -> "PendingAuthorization":
        """The pending authorization of `to_json`."""
        return _PENDING.validate_json(document)

    def read(self, callback_url: str) -> str:
        """The authorization code of a response to this request; see `mcp_demo.oauth.authorization.read_response`."""
        return authorization.read_response(
            callback_url, state=self.state, issuer=self.issuer, iss_advertised=self.iss_advertised
        )


_PENDING = TypeAdapter(PendingAuthorization)
