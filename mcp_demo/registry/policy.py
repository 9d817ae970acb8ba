"""What may register itself here: the whole policy, in one place.

The protocol's own rules are in `mcp_demo.oauth.client_metadata`. This module adds what is ours to decide: which private
schemes, scopes, grants and methods we take, and how much of everything. Where RFC 7591 lets a server replace a value
instead of refusing the client, we do, and the response tells the client what it got.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mcp_demo.oauth import client_metadata
from mcp_demo.oauth.client_metadata import ClientMetadata
from mcp_demo.oauth.errors import InvalidClientMetadata, InvalidRedirectUri
from mcp_demo.oauth.redirect_uri import is_loopback, is_registered, without_port
from mcp_demo.registry.model import AUTH_METHODS, DAY

GRANT_TYPES = ("authorization_code", "refresh_token")
"""Grants in which a person takes part. A client that came by itself gets no others."""

LONGEST_NAME = 100
LONGEST_URI = 2048
MOST_REDIRECT_URIS = 20
LARGEST_JWKS = 8 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an administrator chooses.

    Args:
        scopes: The ceiling. Every client may ask for all of it: clients register with the scopes of their first request
            and step up later, and the person consents each time.
        private_schemes: Schemes of redirect URIs that are taken beside https and http on loopback.
        redirect_uris: The redirect URIs that are taken, see `is_listed`; empty for any.
        approval: Whether a new client waits for an administrator.
        lifetime: Seconds without use after which a client expires.
        max_clients: How many clients may have registered themselves at a time; None for any number.
    """

    scopes: tuple[str, ...]
    private_schemes: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    approval: bool = False
    lifetime: int = 30 * DAY
    max_clients: int | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Policy":
        """The policy that `infrastructure/registration.yaml` hands to a function."""
        limit = environment.get("MAX_CLIENTS")
        return cls(
            scopes=tuple(f"{environment['MCP_URL']}/{scope}" for scope in environment["SCOPES"].split()),
            private_schemes=tuple(environment.get("PRIVATE_SCHEMES", "").split()),
            redirect_uris=tuple(environment.get("REDIRECT_URIS", "").split()),
            approval=environment.get("APPROVAL") == "administrator",
            lifetime=int(environment.get("UNUSED_DAYS", "30")) * DAY,
            max_clients=int(limit) if limit else None,
        )

    def admit(self, document: object) -> ClientMetadata:
        """The metadata that gets registered for what a client asked for.

        Spec: RFC 7591 §2, §3.2.1 (values may be replaced) and §5.

        Raises:
            InvalidRedirectUri: Names every redirect URI that is refused.
            InvalidClientMetadata: Names the member that is refused.
        """
        metadata = client_metadata.parse(document)
        _check_sizes(metadata)
        if metadata.token_endpoint_auth_method not in AUTH_METHODS:
            raise InvalidClientMetadata(f"`token_endpoint_auth_method` has to be one of {', '.join(AUTH_METHODS)}.")
        if "authorization_code" not in metadata.grant_types:
            raise InvalidClientMetadata("`grant_types` has to name authorization_code; no other flow is offered.")
        return replace(
            metadata,
            redirect_uris=self._redirect_uris(metadata.redirect_uris),
            grant_types=tuple(grant for grant in metadata.grant_types if grant in GRANT_TYPES),
            response_types=("code",),
            scope=self.scopes,
        )

    def _redirect_uris(self, uris: tuple[str, ...]) -> tuple[str, ...]:
        """Those that lead to https, to loopback, or to a private scheme that is listed.

        A scheme that is merely not listed is left out and does not lose the others: some clients send one URI for each
        platform they run on. A URI that could not be right anywhere has been refused before.
        """
        taken = tuple(uri for uri in uris if _scheme(uri) in ("https", "http", *self.private_schemes))
        if not taken:
            named = _named(enumerate(uris))
            listed = f" or one of the schemes {', '.join(self.private_schemes)}" if self.private_schemes else ""
            raise InvalidRedirectUri(f"Only https, http on this machine{listed} can be redirected to, not {named}.")
        # Here all are refused: half of a client would fail later, where nobody knows why.
        strangers = [(place, uri) for place, uri in enumerate(uris) if uri in taken and not self._may_register(uri)]
        if strangers:
            raise InvalidRedirectUri(f"This server takes listed redirect URIs only, not {_named(strangers)}.")
        return taken

    def _may_register(self, uri: str) -> bool:
        return not self.redirect_uris or any(is_listed(uri, entry) for entry in self.redirect_uris)


def is_listed(uri: str, entry: str) -> bool:
    """Whether an entry of the list of redirect URIs covers a URI that is right in itself.

    An entry with a scheme is a redirect URI: it covers itself, on loopback with any port. Any other entry is a host,
    as it stands before the path: it covers https there, and on loopback http with any port. `*.` at its start covers
    every name below, and not the host itself.

    Spec: OAuth 2.1 §2.3.1, RFC 8252 §7.3.
    """
    if ":/" in entry:
        return is_registered(uri, (entry,))
    scheme, _, rest = (without_port(uri) if is_loopback(uri) else uri).partition("://")
    host = rest.partition("/")[0].partition("?")[0].lower()
    if scheme.lower() != "https" and not is_loopback(uri):
        return False
    entry = entry.lower()
    return host.endswith(entry[1:]) and host != entry[1:] if entry.startswith("*.") else host == entry


def _named(uris: Iterable[tuple[int, str]]) -> str:
    return ", ".join(f"redirect_uris[{place}] {uri[:200]}" for place, uri in uris)


def _scheme(uri: str) -> str:
    return uri.partition(":")[0].lower()


def _check_sizes(metadata: ClientMetadata) -> None:
    if len(metadata.redirect_uris) > MOST_REDIRECT_URIS:
        raise InvalidRedirectUri(f"`redirect_uris` names more than {MOST_REDIRECT_URIS} URIs.")
    for place, uri in enumerate(metadata.redirect_uris):
        if len(uri) > LONGEST_URI:
            raise InvalidRedirectUri(f"redirect_uris[{place}] is longer than {LONGEST_URI} characters.")
    if len(metadata.client_name or "") > LONGEST_NAME:
        raise InvalidClientMetadata(f"`client_name` is longer than {LONGEST_NAME} characters.")
    for name, uri in (("client_uri", metadata.client_uri), ("jwks_uri", metadata.jwks_uri)):
        if len(uri or "") > LONGEST_URI:
            raise InvalidClientMetadata(f"`{name}` is longer than {LONGEST_URI} characters.")
    if metadata.jwks is not None and len(json.dumps(metadata.jwks)) > LARGEST_JWKS:
        raise InvalidClientMetadata(f"`jwks` is larger than {LARGEST_JWKS} bytes.")
