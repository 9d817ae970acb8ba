"""The user pool as the domain sees it: users, app clients and resource servers, through the `cognito-idp` API.

The domain acts with IAM credentials, as managed login acts inside AWS, so it depends on none of the authentication
flows that an app client allows to its own callers.
"""

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from mcp_demo.local.ministack import ACCESS_KEY, SECRET_KEY
from mcp_demo.settings import DomainSettings

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient
    from types_boto3_cognito_idp.type_defs import AttributeTypeTypeDef, PasswordPolicyTypeTypeDef

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
    revocable: bool = True
    auth_flows: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PoolRules:
    """The pool's own settings, as far as the pages go by them."""

    mfa: str
    self_sign_up: bool
    email_as_username: bool
    auto_verify_email: bool
    required: tuple[str, ...]
    case_sensitive: bool
    password_hint: str


@dataclass(frozen=True, slots=True)
class User:
    """A user of the pool."""

    username: str
    sub: str
    enabled: bool
    status: str
    attributes: dict[str, str] = field(repr=False)
    mfa: tuple[str, ...] = ()

    @property
    def is_federated(self) -> bool:
        """Whether the profile is an external identity's own, so that it has no password here."""
        return any(identity.get("primary") for identity in json.loads(self.attributes.get("identities", "[]")))


class Pool:
    """One user pool."""

    def __init__(self, settings: DomainSettings) -> None:
        self.pool_id = settings.user_pool_id
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
            found = self.api.describe_user_pool_client(UserPoolId=self.pool_id, ClientId=client_id)["UserPoolClient"]
        except ClientError as error:
            if error_code(error) in ("ResourceNotFoundException", "InvalidParameterException"):
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
            revocable=found.get("EnableTokenRevocation", True),
            auth_flows=frozenset(map(str, found.get("ExplicitAuthFlows", ()))),
        )

    def rules(self) -> PoolRules:
        """The pool's settings."""
        found = self.api.describe_user_pool(UserPoolId=self.pool_id)["UserPool"]
        schema, policy = found.get("SchemaAttributes", []), found.get("Policies", {}).get("PasswordPolicy", {})
        required = [item.get("Name", "") for item in schema if item.get("Required")]
        return PoolRules(
            mfa=str(found.get("MfaConfiguration", "OFF")),
            self_sign_up=not found.get("AdminCreateUserConfig", {}).get("AllowAdminCreateUserOnly", False),
            email_as_username="email" in found.get("UsernameAttributes", []),
            auto_verify_email="email" in found.get("AutoVerifiedAttributes", []),
            required=tuple(name for name in required if name not in ("sub", "email")),
            case_sensitive=found.get("UsernameConfiguration", {}).get("CaseSensitive", True),
            password_hint=_password_hint(policy),
        )

    def is_resource_server(self, identifier: str) -> bool:
        """Whether a resource server of that very identifier is registered in the pool."""
        try:
            self.api.describe_resource_server(UserPoolId=self.pool_id, Identifier=identifier)
        except ClientError as error:
            if error_code(error) in ("ResourceNotFoundException", "InvalidParameterException"):
                return False
            raise
        return True

    def user(self, username: str) -> User | None:
        """A user by name, alias or `sub`."""
        if not username:
            return None
        try:
            found = self.api.admin_get_user(UserPoolId=self.pool_id, Username=username)
        except ClientError as error:
            if error_code(error) in ("UserNotFoundException", "InvalidParameterException"):
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

    def canonical(self, username: str) -> str:
        """The one name of an account, whatever name, alias or spelling was typed; as typed if there is none."""
        found = self.user(username)
        if found is None and not self.rules().case_sensitive:
            found = self.user(username.lower())
        return found.username if found else username

    def groups(self, username: str) -> list[str]:
        """The user's groups, for `cognito:groups`."""
        found = self.api.admin_list_groups_for_user(UserPoolId=self.pool_id, Username=username)["Groups"]
        return [group.get("GroupName", "") for group in found]

    def federated_username(self, provider: str, subject: str) -> str | None:
        """The user that a federated identity belongs to, as its own profile or by `AdminLinkProviderForUser`."""
        for page in self.api.get_paginator("list_users").paginate(UserPoolId=self.pool_id):
            for user in page["Users"]:
                attributes = {item["Name"]: item.get("Value", "") for item in user.get("Attributes", [])}
                for identity in json.loads(attributes.get("identities", "[]")):
                    if (identity.get("providerName"), identity.get("userId")) == (provider, subject):
                        return user.get("Username")
        return None

    def update_user(self, username: str, attributes: dict[str, str]) -> None:
        """Set some attributes of a user."""
        if attributes:
            self.api.admin_update_user_attributes(
                UserPoolId=self.pool_id, Username=username, UserAttributes=_pairs(attributes)
            )

    def add_federated_user(self, username: str, attributes: dict[str, str]) -> bool:
        """Make the profile of a federated user; False when somebody has taken the name.

        The API knows no way to make a user of status EXTERNAL_PROVIDER, so a password nobody knows confirms it.
        """
        try:
            self.api.admin_create_user(
                UserPoolId=self.pool_id, Username=username, MessageAction="SUPPRESS", UserAttributes=_pairs(attributes)
            )
        except ClientError as error:
            if error_code(error) == "UsernameExistsException":
                return False
            raise
        self.api.admin_set_user_password(
            UserPoolId=self.pool_id, Username=username, Password=f"aA1!{secrets.token_urlsafe(48)}", Permanent=True
        )
        return True

    def is_signed_out(self, access_token: str) -> bool:
        """Whether the pool refuses a token of its own user: signed out everywhere, or revoked."""
        try:
            self.api.get_user(AccessToken=access_token)
        except ClientError as error:
            if error_code(error) in ("NotAuthorizedException", "UserNotFoundException"):
                return True
            raise
        return False

    def custom_css(self, client_id: str) -> str:
        """The CSS of the classic hosted UI that the pool keeps for an app client, or for all."""
        found = self.api.get_ui_customization(UserPoolId=self.pool_id, ClientId=client_id)["UICustomization"]
        return found.get("CSS", "")


def _password_hint(policy: "PasswordPolicyTypeTypeDef") -> str:
    kinds = {
        "upper-case letters": policy.get("RequireUppercase"),
        "lower-case letters": policy.get("RequireLowercase"),
        "digits": policy.get("RequireNumbers"),
        "symbols": policy.get("RequireSymbols"),
    }
    wanted = [kind for kind, required in kinds.items() if required]
    length = f"At least {policy.get('MinimumLength', 8)} characters"
    return f"{length}, among them {', '.join(wanted)}." if wanted else f"{length}."


def _pairs(attributes: dict[str, str]) -> "list[AttributeTypeTypeDef]":
    return [{"Name": name, "Value": value} for name, value in attributes.items()]


def error_code(error: ClientError) -> str:
    """The name of the exception that the API answered with."""
    return error.response.get("Error", {}).get("Code", "")


def _seconds(value: int, unit: str) -> int:
    return value * _UNITS[unit]
