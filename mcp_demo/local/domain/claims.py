"""Which user attributes a grant shows (Cognito docs › Scopes, M2M, and resource servers › About scopes)."""

from collections.abc import Iterable, Mapping
from typing import Any

_SCOPE_OF = {
    "email": "email",
    "email_verified": "email",
    "phone_number": "phone",
    "phone_number_verified": "phone",
}
_PROFILE = frozenset(
    {"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture"}
    | {"website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"}
)
_VERIFIED = frozenset({"email_verified", "phone_number_verified"})


def user_claims(attributes: Mapping[str, str], scopes: Iterable[str]) -> dict[str, Any]:
    """Attributes as claims: with `openid` alone all of them, else those of the further standard scopes."""
    asked = {"profile", "email", "phone"}.intersection(scopes)
    return {
        name: value == "true" if name in _VERIFIED else value
        for name, value in attributes.items()
        if name != "sub" and (not asked or _scope_of(name) in asked)
    }


def _scope_of(name: str) -> str | None:
    return "profile" if name in _PROFILE else _SCOPE_OF.get(name)
