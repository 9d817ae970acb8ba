"""Client ID Metadata Documents: the client id is the URL of the client's metadata.

    is_url(client_id) -> bool                                            is it meant as a URL, good or bad?
    validate_client_id_url(url, allow_loopback_http) -> None             before the document is fetched
    parse(document, client_id_url) -> ClientMetadata                     after it was fetched
    allows_redirect_uri(metadata, redirect_uri) -> bool                  for each authorization request

All refusals are InvalidClient with status 400: they are shown to the person and never sent to a redirect URI, since no
redirect URI is known to be good yet. Fetching, with its guards, is not done here.

Spec: draft-ietf-oauth-client-id-metadata-document-00, MCP 2026-07-28 Client ID Metadata Documents.
"""

import re
from typing import Any

from mcp_demo.oauth import client_metadata, redirect_uri
from mcp_demo.oauth.client_metadata import ClientMetadata
from mcp_demo.oauth.errors import InvalidClient, InvalidClientMetadata, InvalidRedirectUri
from mcp_demo.oauth.members import json_object, text
from mcp_demo.oauth.resource import is_secure_url, is_uri

LONGEST_URL = 2048
_PARTS = re.compile(r"(https?)://([^/?#]*)([^?#]*)")
_AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^:\[\]@]+)(?::[0-9]{1,5})?")
_DOT = re.compile(r"%2e", re.IGNORECASE)
_METHODS = frozenset({"none", "private_key_jwt"})


def is_url(client_id: str) -> bool:
    """Whether a client id is meant as a URL, so that no registry has to be asked (CIMD §3)."""
    return client_id.lower().startswith(("https:", "http:"))


def validate_client_id_url(url: str, allow_loopback_http: bool) -> None:
    """Refuse a client id that is no client identifier URL, judged as it stands and before any parser cleans it up.

    Args:
        url: The client id as it came with the request.
        allow_loopback_http: Accept http on loopback too. For a stack that runs on one machine, never in production.

    Spec: CIMD §3: https, a path, no dot segments (written with %2e neither), no fragment, no user information.

    Raises:
        InvalidClient: It breaks a rule; the description says which.
    """
    if len(url) > LONGEST_URL:
        raise _refusal(f"The client id is longer than {LONGEST_URL} characters.")
    parts = _PARTS.match(url)
    if parts is None or not is_uri(url):
        raise _refusal("The client id is not an https URL.")
    scheme, authority, path = parts.groups()
    if "#" in url:
        raise _refusal("The client id has a fragment.")
    if "@" in authority:
        raise _refusal("The client id carries user information.")
    if not _AUTHORITY.fullmatch(authority) or not is_secure_url(f"https://{authority}"):
        raise _refusal("The client id has no valid host and port.")
    if scheme == "http" and not (allow_loopback_http and is_secure_url(url)):
        raise _refusal("The client id is not an https URL.")
    if path in {"", "/"}:
        raise _refusal("The client id has no path.")
    if not {".", ".."}.isdisjoint(_DOT.sub(".", path).split("/")):
        raise _refusal("The client id has dot segments in its path.")


def parse(document: object, client_id_url: str) -> ClientMetadata:
    """The client metadata of a document that was fetched from a client id.

    Where the document is silent about `token_endpoint_auth_method` the client is public: the default of RFC 7591 is a
    shared secret, and there is none.

    Args:
        document: The parsed JSON.
        client_id_url: The client id as it came with the request, which is the URL the document was fetched from.

    Spec: CIMD §4.1 and §6.2, MCP 2026-07-28 Client ID Metadata Documents › Implementation Requirements.

    Raises:
        InvalidClient: `client_id` differs in any character, a required member is missing, a shared secret is declared,
            or a member is not what RFC 7591 asks for.
    """
    try:
        members = json_object(document, "client metadata document", InvalidClientMetadata)
        _check_identity(members.get("client_id"), client_id_url)
        if "client_secret" in members or "client_secret_expires_at" in members:
            raise _refusal("The client metadata document has a client secret, which everybody can read.")
        method = text(members, "token_endpoint_auth_method", InvalidClientMetadata) or "none"
        if method not in _METHODS:
            raise _refusal(
                f"The client metadata document asks for {method[:40]}; only none and private_key_jwt can be."
            )
        completed: dict[str, Any] = {**members, "token_endpoint_auth_method": method}
        metadata = client_metadata.parse(completed)
    except (InvalidClientMetadata, InvalidRedirectUri) as error:
        raise _refusal(error.description) from error
    if metadata.client_name is None or not metadata.redirect_uris:
        raise _refusal("The client metadata document lacks `client_name` or `redirect_uris`.")
    return metadata


def allows_redirect_uri(metadata: ClientMetadata, requested: str) -> bool:
    """Whether the document lists a redirect URI; of a loopback one the port may vary (CIMD §4.5, RFC 8252 §7.3)."""
    return redirect_uri.is_registered(requested, metadata.redirect_uris)


def _check_identity(client_id: object, client_id_url: str) -> None:
    if client_id != client_id_url:
        raise _refusal("The client metadata document does not name the URL it was fetched from as its `client_id`.")


def _refusal(description: str) -> InvalidClient:
    return InvalidClient(description, status=400)
