"""The demo user: someone who can sign in at once."""

import secrets
import string
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient

DEMO_USER = "demo"
_CLASSES = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_.!")
_LENGTH = 20


@dataclass(frozen=True, slots=True)
class User:
    """Who can sign in."""

    username: str
    password: str


def ensure_demo_user(
    cognito: "CognitoIdentityProviderClient", user_pool_id: str, password: str | None = None, name: str = DEMO_USER
) -> User:
    """Make the demo user, or give the existing one a password; its address counts as verified."""
    user = User(name, password or make_password())
    with suppress(cognito.exceptions.UsernameExistsException):
        cognito.admin_create_user(
            UserPoolId=user_pool_id,
            Username=user.username,
            MessageAction="SUPPRESS",
            UserAttributes=[
                {"Name": "email", "Value": f"{name}@example.com"},
                {"Name": "email_verified", "Value": "true"},
            ],
        )
    cognito.admin_set_user_password(
        UserPoolId=user_pool_id, Username=user.username, Password=user.password, Permanent=True
    )
    return user


def make_password() -> str:
    """A password that satisfies the pool's policy: each class of characters is there."""
    everything = "".join(_CLASSES)
    while True:
        password = "".join(secrets.choice(everything) for _ in range(_LENGTH))
        if all(set(password) & set(kind) for kind in _CLASSES):
            return password
