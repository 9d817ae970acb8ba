"""What people do with their accounts: sign in, sign up, recover, enrol a second factor, through the pool's own API.

Passwords and codes are checked by the pool. Answers to the person are in plain words (`AccountProblem`).
"""

import base64
import hmac
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from mcp_demo.local.domain.pool import AppClient, Pool, error_code

_OWN_CLIENT = "managed-login-stand-in"
_WORDS = {
    "UsernameExistsException": "That username is taken. Choose another one.",
    "AliasExistsException": "There is an account with this email address already. Sign in with it.",
    "CodeMismatchException": "That code is not the one that was sent. Check it and try again.",
    "ExpiredCodeException": "That code has expired. Ask for a new one.",
    "EnableSoftwareTokenMFAException": "That code does not fit. Check the clock of your device and try the next code.",
    "LimitExceededException": "Too many attempts. Wait a while, then try again.",
}
_OWN_WORDS = frozenset({"InvalidPasswordException", "InvalidParameterException", "UserLambdaValidationException"})
_HIDDEN = frozenset({"UserNotFoundException", "NotAuthorizedException", "InvalidParameterException"})


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The person has shown who they are, and nothing more is asked."""

    username: str
    origin_jti: str


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


class AccountProblem(Exception):
    """What the person asked for cannot be done; the text is for them."""


class Accounts:
    """The user-facing operations of one pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._api = pool.api
        self._own_client: str | None = None
        self._lock = threading.Lock()

    def sign_in(self, username: str, password: str) -> SignedIn | Challenge:
        """Check a password. Whether the user exists does not show: a wrong name and a wrong password look the same.

        Raises:
            SignInRefused: Wrong, unconfirmed, or a password reset is due.
        """
        try:
            answer = self._api.admin_initiate_auth(
                UserPoolId=self._pool.pool_id,
                ClientId=self._client(),
                AuthFlow="ADMIN_USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": username, "PASSWORD": password},
            )
        except ClientError as error:
            reasons = {"UserNotConfirmedException": "unconfirmed", "PasswordResetRequiredException": "reset"}
            code = error_code(error)
            if code in reasons or code in _HIDDEN:
                raise SignInRefused(reasons.get(code, "password")) from None
            raise
        if name := answer.get("ChallengeName"):
            return Challenge(str(name), username, answer.get("Session", ""))
        return _signed_in(answer.get("AuthenticationResult", {}).get("AccessToken", ""))

    def answer_totp(self, username: str, session: str, code: str) -> SignedIn:
        """Check the code of an authenticator app after the password.

        Raises:
            AccountProblem: It is wrong.
        """
        with _in_words():
            answer = self._api.admin_respond_to_auth_challenge(
                UserPoolId=self._pool.pool_id,
                ClientId=self._client(),
                ChallengeName="SOFTWARE_TOKEN_MFA",
                Session=session,
                ChallengeResponses={"USERNAME": username, "SOFTWARE_TOKEN_MFA_CODE": code},
            )
        return _signed_in(answer.get("AuthenticationResult", {}).get("AccessToken", ""))

    def set_password(self, username: str, password: str) -> None:
        """The password that replaces a temporary one.

        Raises:
            AccountProblem: It is not one that the pool's policy allows.
        """
        with _in_words():
            self._api.admin_set_user_password(
                UserPoolId=self._pool.pool_id, Username=username, Password=password, Permanent=True
            )

    def sign_up(self, client: AppClient, username: str, password: str, attributes: dict[str, str]) -> bool:
        """Make an account; whether it is confirmed already. A code goes out if not.

        Raises:
            AccountProblem: The name is taken, the password too weak, an attribute wrong.
        """
        with _in_words():
            answer = self._api.sign_up(
                ClientId=client.client_id,
                Username=username,
                Password=password,
                UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
                **_secret_hash(client, username),
            )
        return answer["UserConfirmed"]

    def resend(self, client: AppClient, username: str) -> None:
        """Send the confirmation code again. Whether there is such an account does not show."""
        with _unless_hidden():
            self._api.resend_confirmation_code(
                ClientId=client.client_id, Username=username, **_secret_hash(client, username)
            )

    def confirm(self, client: AppClient, username: str, code: str) -> None:
        """Confirm an account by its code; that verifies the email address, if the pool says so.

        Raises:
            AccountProblem: The code is wrong or expired, or the address is another account's.
        """
        user = self._pool.user(username)
        email = user.attributes.get("email") if user else None
        owner = self._pool.user(email) if email else None
        if user and owner and owner.sub != user.sub:
            raise AccountProblem(_WORDS["AliasExistsException"])
        with _in_words():
            self._api.confirm_sign_up(
                ClientId=client.client_id,
                Username=username,
                ConfirmationCode=code,
                **_secret_hash(client, username),
            )
        if email and self._pool.rules().auto_verify_email:  # the embedded AWS leaves this out
            self._pool.update_user(username, {"email_verified": "true"})

    def forgot(self, client: AppClient, username: str) -> None:
        """Send a code for a new password to a verified address. Whether there is such an account does not show."""
        user = self._pool.user(username)
        if user is None or user.attributes.get("email_verified") != "true" or user.is_federated:
            return
        with _unless_hidden():
            self._api.forgot_password(
                ClientId=client.client_id, Username=user.username, **_secret_hash(client, user.username)
            )

    def reset(self, client: AppClient, username: str, code: str, password: str) -> None:
        """Set a new password by the code that was sent.

        Raises:
            AccountProblem: The code is wrong or expired, or the password too weak.
        """
        user = self._pool.user(username)
        name = user.username if user else username
        with _in_words():
            self._api.confirm_forgot_password(
                ClientId=client.client_id,
                Username=name,
                ConfirmationCode=code,
                Password=password,
                **_secret_hash(client, name),
            )

    def totp_secret(self, access_token: str) -> str:
        """A fresh secret for an authenticator app, pending until a code shows that the app has it."""
        return self._api.associate_software_token(AccessToken=access_token).get("SecretCode", "")

    def enrol_totp(self, access_token: str, code: str) -> None:
        """Make the pending secret the user's second factor.

        Raises:
            AccountProblem: The code does not fit.
        """
        with _in_words():
            self._api.verify_software_token(AccessToken=access_token, UserCode=code)

    def _client(self) -> str:
        """The domain's own app client, made at first use: what managed login has inside AWS."""
        with self._lock:
            if self._own_client is None:
                self._own_client = self._find_client() or self._make_client()
            return self._own_client

    def _find_client(self) -> str | None:
        for page in self._api.get_paginator("list_user_pool_clients").paginate(UserPoolId=self._pool.pool_id):
            for client in page["UserPoolClients"]:
                if client.get("ClientName") == _OWN_CLIENT:
                    return client.get("ClientId")
        return None

    def _make_client(self) -> str:
        made = self._api.create_user_pool_client(
            UserPoolId=self._pool.pool_id,
            ClientName=_OWN_CLIENT,
            ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
            PreventUserExistenceErrors="ENABLED",
        )
        return made["UserPoolClient"].get("ClientId", "")


@contextmanager
def _in_words() -> Generator[None]:
    """Turn what the pool refuses into words for the person; an unknown user looks like a wrong code."""
    try:
        yield
    except ParamValidationError:  # too short for the API even to ask
        raise AccountProblem(_WORDS["CodeMismatchException"]) from None
    except ClientError as error:
        code = error_code(error)
        if code in ("UserNotFoundException", "NotAuthorizedException"):
            raise AccountProblem(_WORDS["CodeMismatchException"]) from None
        if code in _OWN_WORDS:
            raise AccountProblem(error.response.get("Error", {}).get("Message", "That is not possible.")) from None
        if code in _WORDS:
            raise AccountProblem(_WORDS[code]) from None
        raise


@contextmanager
def _unless_hidden() -> Generator[None]:
    try:
        yield
    except ClientError as error:
        if error_code(error) not in _HIDDEN:
            raise


def _secret_hash(client: AppClient, username: str) -> dict[str, Any]:
    if client.secret is None:
        return {}
    digest = hmac.digest(client.secret.encode(), (username + client.client_id).encode(), "sha256")
    return {"SecretHash": base64.b64encode(digest).decode("ascii")}


def _signed_in(token: str) -> SignedIn:
    """Who signed in, from a token that came straight from the pool's API."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return SignedIn(claims["username"], claims["origin_jti"])
