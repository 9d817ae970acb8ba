"""Client metadata: what a client says about itself when it registers (RFC 7591 §2).

    parse(document: object) -> ClientMetadata      raises InvalidClientMetadata, InvalidRedirectUri
    ClientMetadata.as_dict() -> dict[str, Any]     what was registered, for the response (RFC 7591 §3.2.1)
    ClientMetadata.loopback_only -> bool           every redirect URI leads to the person's own machine

These are the rules of the protocol. Which schemes, scopes, grants and methods a server offers, and how long a name may
be, is policy and decided elsewhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from mcp_demo.oauth import redirect_uri as redirect_rules
from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth.errors import InvalidClientMetadata, InvalidRedirectUri, InvalidScope
from mcp_demo.oauth.members import json_object, text, texts
from mcp_demo.oauth.resource import is_secure_url, is_uri

_PAGES = ("client_uri", "logo_uri", "tos_uri", "policy_uri")
_WORDS = ("client_name", "software_id", "software_version")
_APPLICATION_TYPES = frozenset({"web", "native"})
_WEB_PAGE: Final = re.compile(r"https?://[^/?#@\\]+(?:[/?#]|\Z)", re.IGNORECASE)
# Line breaks, controls, and marks that turn the reading direction round: in a name they are there to deceive.
_DECEPTIVE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_SECRET_KEY_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class ClientMetadata:
    """The client metadata that this project uses; None or () where a member is absent (RFC 7591 §2)."""

    redirect_uris: tuple[str, ...] = ()
    client_name: str | None = None
    grant_types: tuple[str, ...] = ("authorization_code",)
    response_types: tuple[str, ...] = ("code",)
    token_endpoint_auth_method: str = "client_secret_basic"  # noqa: S105 - the name of a method
    scope: tuple[str, ...] = ()
    application_type: str | None = None
    client_uri: str | None = None
    logo_uri: str | None = None
    tos_uri: str | None = None
    policy_uri: str | None = None
    contacts: tuple[str, ...] = ()
    jwks: Mapping[str, Any] | None = field(default=None, hash=False)
    jwks_uri: str | None = None
    software_id: str | None = None
    software_version: str | None = None

    @property
    def loopback_only(self) -> bool:
        """Whether any program on the person's machine could receive the response (MCP, Localhost Redirect Risks)."""
        return bool(self.redirect_uris) and all(redirect_rules.is_loopback(uri) for uri in self.redirect_uris)

    def as_dict(self) -> dict[str, Any]:
        """The JSON members, defaults included and those without a value left out (RFC 7591 §3.2.1)."""
        members: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        members["scope"] = scope_rules.join(self.scope)
        return {
            name: list(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else value
            for name, value in members.items()
            if value
        }


def parse(document: object) -> ClientMetadata:
    """The metadata of a parsed JSON document, with the defaults of RFC 7591 where it is silent.

    Members that are null, empty or unknown count as absent. So does an `application_type` that OpenID Connect does not
    define. A client that does not use the code grant has no response types unless it names some.

    Spec: RFC 7591 §2, §2.1 and §5.

    Raises:
        InvalidRedirectUri: A redirect URI is none, or there has to be one; the description names every bad one.
        InvalidClientMetadata: Another member has the wrong type or contradicts another.
    """
    members = json_object(document, "client metadata", InvalidClientMetadata)
    grant_types = texts(members, "grant_types", InvalidClientMetadata) or ("authorization_code",)
    default = ("code",) if "authorization_code" in grant_types else ()
    response_types = texts(members, "response_types", InvalidClientMetadata) or default
    _check_consistency(grant_types, response_types)
    application_type = text(members, "application_type", InvalidClientMetadata)
    method = text(members, "token_endpoint_auth_method", InvalidClientMetadata) or "client_secret_basic"
    jwks, jwks_uri = _keys(members, method)
    return ClientMetadata(
        redirect_uris=_redirect_uris(members, required=bool(response_types)),
        grant_types=_unique(grant_types),
        response_types=_unique(response_types),
        token_endpoint_auth_method=method,
        scope=_scope(members),
        application_type=application_type if application_type in _APPLICATION_TYPES else None,
        contacts=_unique(texts(members, "contacts", InvalidClientMetadata)),
        jwks=jwks,
        jwks_uri=jwks_uri,
        **{name: _page(members, name) for name in _PAGES},
        **{name: _words(members, name) for name in _WORDS},
    )


def _check_consistency(grant_types: tuple[str, ...], response_types: tuple[str, ...]) -> None:
    """The table of RFC 7591 §2.1: a code needs the code grant and the reverse; a token in the browser, the implicit."""
    answers = {word for response_type in response_types for word in response_type.split(" ")}
    for grant_type, needed in (("authorization_code", {"code"}), ("implicit", {"token", "id_token"})):
        if (grant_type in grant_types) != bool(answers & needed):
            raise InvalidClientMetadata(f"`grant_types` and `response_types` contradict each other about {grant_type}.")


def _redirect_uris(members: Mapping[str, Any], *, required: bool) -> tuple[str, ...]:
    uris = texts(members, "redirect_uris", InvalidRedirectUri)
    if required and not uris:
        raise InvalidRedirectUri("`redirect_uris` has to name at least one URI.")
    objections = [(place, uri, redirect_rules.objection(uri)) for place, uri in enumerate(uris)]
    bad = [f"redirect_uris[{place}] {uri[:200]} {why}" for place, uri, why in objections if why]
    if bad:
        raise InvalidRedirectUri("; ".join(bad[:5]) + ".")
    return _unique(uris)


def _keys(members: Mapping[str, Any], method: str) -> tuple[Mapping[str, Any] | None, str | None]:
    """The public keys, by value or by reference but not both (RFC 7591 §2)."""
    jwks, jwks_uri = members.get("jwks") or None, text(members, "jwks_uri", InvalidClientMetadata)
    if jwks is not None and jwks_uri is not None:
        raise InvalidClientMetadata("`jwks` and `jwks_uri` cannot both be present.")
    if method == "private_key_jwt" and jwks is None and jwks_uri is None:
        raise InvalidClientMetadata("private_key_jwt needs a `jwks` or a `jwks_uri`.")
    if jwks_uri is not None and not is_secure_url(jwks_uri):
        raise InvalidClientMetadata("`jwks_uri` is not an https URL.")
    return None if jwks is None else _public_keys(jwks), jwks_uri


def _public_keys(jwks: object) -> Mapping[str, Any]:
    key_set = json_object(jwks, "`jwks`", InvalidClientMetadata)
    keys: object = key_set.get("keys")
    if not isinstance(keys, list) or not keys:
        raise InvalidClientMetadata("`jwks` has no array `keys`.")
    for key in cast("list[object]", keys):
        key_members = json_object(key, "key in `jwks`", InvalidClientMetadata)
        if not isinstance(key_members.get("kty"), str):
            raise InvalidClientMetadata("A key in `jwks` has no `kty`.")
        if key_members["kty"] == "oct" or not _SECRET_KEY_MEMBERS.isdisjoint(key_members):
            raise InvalidClientMetadata("`jwks` holds a secret or private key; it is for public keys only.")
    return key_set


def _scope(members: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        return scope_rules.parse(text(members, "scope", InvalidClientMetadata) or "")
    except InvalidScope as error:
        raise InvalidClientMetadata("`scope` is not a list of scope tokens separated by single spaces.") from error


def _page(members: Mapping[str, Any], name: str) -> str | None:
    """A web page; anything else, javascript: above all, must not become a link on ours (RFC 7591 §5)."""
    value = text(members, name, InvalidClientMetadata)
    if value is not None and not (is_uri(value) and _WEB_PAGE.match(value)):
        raise InvalidClientMetadata(f"`{name}` is not the URL of a web page.")
    return value


def _words(members: Mapping[str, Any], name: str) -> str | None:
    value = text(members, name, InvalidClientMetadata)
    if value is not None and _DECEPTIVE.search(value):
        raise InvalidClientMetadata(f"`{name}` has control characters.")
    return value


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
