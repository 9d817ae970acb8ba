"""The user pool as the domain sees it: users, app clients and resource servers, through the `cognito-idp` API.

The domain acts with IAM credentials, as managed login acts inside AWS, so it depends on none of the authentication
flows that an app client allows to its own callers.
"""

import base64
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from mcp_demo.local.ministack import ACCESS_KEY, SECRET_KEY
from mcp_demo.settings import DomainSettings

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient

_OWN_CLIENT = "managed-login-stand-in"
_UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}


@dataclass(frozen=True, slots=True)
class AppClient:
    """An app client's settings, as far as the domain goes by them."""

    client_id: str
    name: str
    secret: str | None = field(repr=False)
    callback_urls: tuple[str, ...]
    logout_urls: tuple[str, ...]
    flows: frozenset[str]
    scopes: tuple[str, ...]
    access_seconds: int
    id_seconds: int
    refresh_seconds: int
    providers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """A user of the pool."""

    username: str
    sub: str
    enabled: bool
    status: str
    attributes: dict[str, str] = field(repr=False)
    mfa: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The password was right and nothing more is asked."""

    username: str
    origin_jti: str
    access_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """The password was right, and the pool asks for more: `NEW_PASSWORD_REQUIRED` or `SOFTWARE_TOKEN_MFA`."""

    name: str
    username: str
    session: str = field(repr=False)


class SignInRefused(Exception):
    """The pool refuses; `reason` is `password`, `unconfirmed` or `reset`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Pool:
    """One user pool."""

    def __init__(self, settings: DomainSettings) -> None:
        self._pool = settings.user_pool_id
        self._own_client: str | None = None
        self._lock = threading.Lock()
        self.api: CognitoIdentityProviderClient = boto3.client(  # pyright: ignore[reportUnknownMemberType]
            "cognito-idp",
            endpoint_url=settings.aws_endpoint,
            region_name=settings.region,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 2}, proxies={}),
        )

    def app_client(self, client_id: str) -> AppClient | None:
        """An app client by its id."""
        try:
            found = self.api.describe_user_pool_client(UserPoolId=self._pool, ClientId=client_id)["UserPoolClient"]
        except ClientError as error:
            if _code(error) in ("ResourceNotFoundException", "InvalidParameterException"):
                return None
            raise
        units = {name: str(unit) for name, unit in found.get("TokenValidityUnits", {}).items()}
        oauth = found.get("AllowedOAuthFlowsUserPoolClient", False)
        return AppClient(
            client_id=client_id,
            name=found.get("ClientName", ""),
            secret=found.get("ClientSecret"),
            callback_urls=tuple(found.get("CallbackURLs", ())),
            logout_urls=tuple(found.get("LogoutURLs", ())),
            flows=frozenset(map(str, found.get("AllowedOAuthFlows", ()))) if oauth else frozenset(),
            scopes=tuple(found.get("AllowedOAuthScopes", ())) if oauth else (),
            access_seconds=_seconds(found.get("AccessTokenValidity") or 1, units.get("AccessToken", "hours")),
            id_seconds=_seconds(found.get("IdTokenValidity") or 1, units.get("IdToken", "hours")),
            refresh_seconds=_seconds(found.get("RefreshTokenValidity") or 30, units.get("RefreshToken", "days")),
            providers=tuple(found.get("SupportedIdentityProviders", ())),
        )

    def is_resource_server(self, identifier: str) -> bool:
        """Whether a resource server of that very identifier is registered in the pool."""
        try:
            self.api.describe_resource_server(UserPoolId=self._pool, Identifier=identifier)
        except ClientError as error:
            if _code(error) in ("ResourceNotFoundException", "InvalidParameterException"):
                return False
            raise
        return True

    def user(self, username: str) -> User | None:
        """A user by name, alias or `sub`."""
        try:
            found = self.api.admin_get_user(UserPoolId=self._pool, Username=username)
        except ClientError as error:
            if _code(error) in ("UserNotFoundException", "InvalidParameterException"):
                return None
            raise
        attributes = {item["Name"]: item.get("Value", "") for item in found.get("UserAttributes", [])}
        return User(
            username=found["Username"],
            sub=attributes.get("sub", found["Username"]),
            enabled=found.get("Enabled", True),
            status=str(found.get("UserStatus", "")),
            attributes=attributes,
            mfa=tuple(found.get("UserMFASettingList", ())),
        )

    def groups(self, username: str) -> list[str]:
        """The user's groups, for `cognito:groups`."""
        found = self.api.admin_list_groups_for_user(UserPoolId=self._pool, Username=username)["Groups"]
        return [group.get("GroupName", "") for group in found]

    def sign_in(self, username: str, password: str) -> SignedIn | Challenge:
        """Check a password. Whether the user exists does not show: a wrong name and a wrong password look the same.

        Raises:
            SignInRefused: Wrong, unconfirmed, or a password reset is due.
        """
        try:
            answer = self.api.admin_initiate_auth(
                UserPoolId=self._pool,
                ClientId=self.own_client(),
                AuthFlow="ADMIN_USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": username, "PASSWORD": password},
            )
        except ClientError as error:
            reasons = {"UserNotConfirmedException": "unconfirmed", "PasswordResetRequiredException": "reset"}
            reason = reasons.get(_code(error), "password")
            if reason == "password" and _code(error) not in (
                "NotAuthorizedException",
                "UserNotFoundException",
                "InvalidParameterException",
            ):
                raise
            raise SignInRefused(reason) from None
        if name := answer.get("ChallengeName"):
            return Challenge(str(name), username, answer.get("Session", ""))
        token = answer.get("AuthenticationResult", {}).get("AccessToken", "")
        claims = _claims(token)
        return SignedIn(claims["username"], claims["origin_jti"], token)

    def own_client(self) -> str:
        """The domain's own app client, made at first use: what managed login has inside AWS."""
        with self._lock:
            if self._own_client is None:
                self._own_client = self._find_own_client() or self._make_own_client()
            return self._own_client

    def _find_own_client(self) -> str | None:
        for page in self.api.get_paginator("list_user_pool_clients").paginate(UserPoolId=self._pool):
            for client in page["UserPoolClients"]:
                if client.get("ClientName") == _OWN_CLIENT:
                    return client.get("ClientId")
        return None

    def _make_own_client(self) -> str:
        made = self.api.create_user_pool_client(
            UserPoolId=self._pool,
            ClientName=_OWN_CLIENT,
            ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
            PreventUserExistenceErrors="ENABLED",
        )
        return made["UserPoolClient"].get("ClientId", "")


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _seconds(value: int, unit: str) -> int:
    return value * _UNITS[unit]


def _claims(token: str) -> dict[str, Any]:
    """The claims of a token that came straight from the pool's API."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
