"""An app client of its own in the user pool for each registered client: the strategy `per-client` (design D4).

It buys a `client_id` claim that tells clients apart in Cognito's own tokens and logs. It costs one of 1,000 app clients
and, on AWS, one of 20 managed-login styles a pool, and at most five can be made a second.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from mcp_demo.oauth.errors import TemporarilyUnavailable

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient

PREFIX = "mcp-dcr."
"""Starts the name of every app client that a registration made."""

_BUSY = {"LimitExceededException", "TooManyRequestsException"}


class AppClients:
    """The app clients of registered clients in one pool.

    They are public: the bridge authenticates the client, and PKCE binds the code to it, so no secret has to be kept.

    Args:
        client: The Cognito client; may be shared between threads.
        pool: The user pool's id.
        callback: The bridge's callback, the only redirect URI of every app client.
        style: Whether each needs a managed-login style before its sign-in page shows. So it is on AWS.
        providers: What people can sign in with.
    """

    def __init__(
        self,
        client: "CognitoIdentityProviderClient",
        pool: str,
        *,
        callback: str,
        style: bool,
        providers: Sequence[str] = ("COGNITO",),
    ) -> None:
        self._client = client
        self._pool = pool
        self._callback = callback
        self._style = style
        self._providers = providers

    def create(self, client_id: str, scopes: tuple[str, ...]) -> str:
        """Make the app client of a registered client; returns its id, or leaves nothing behind.

        Raises:
            TemporarilyUnavailable: A quota of the pool is used up, for the moment or altogether.
        """
        try:
            return self._create(client_id, scopes)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _BUSY:
                raise TemporarilyUnavailable("No further app client can be made now. Try again later.") from error
            raise

    def delete(self, app_client_id: str) -> None:
        """Remove an app client, and with it its style; fine if it is gone already."""
        try:
            self._client.delete_user_pool_client(UserPoolId=self._pool, ClientId=app_client_id)
        except self._client.exceptions.ResourceNotFoundException:
            return

    def take_back(self, app_client_id: str) -> None:
        """Remove an app client while another failure is on its way; if that fails too, the sweep finds it."""
        with suppress(ClientError, BotoCoreError):
            self.delete(app_client_id)

    def list(self) -> Iterator[tuple[str, str]]:
        """Each app client that this module made: its id, and the id of the registered client it is for."""
        paginator = self._client.get_paginator("list_user_pool_clients")
        for page in paginator.paginate(UserPoolId=self._pool, PaginationConfig={"PageSize": 60}):
            for found in page["UserPoolClients"]:
                name = found.get("ClientName", "")
                if name.startswith(PREFIX):
                    yield found.get("ClientId", ""), name.removeprefix(PREFIX)

    def age(self, app_client_id: str, now: float) -> float:
        """Seconds since an app client was made; it may be half of a registration under way."""
        try:
            answer = self._client.describe_user_pool_client(UserPoolId=self._pool, ClientId=app_client_id)
        except self._client.exceptions.ResourceNotFoundException:
            return 0.0  # gone since it was listed
        created = answer["UserPoolClient"].get("CreationDate")
        return now - created.timestamp() if created else float("inf")

    def _create(self, client_id: str, scopes: tuple[str, ...]) -> str:
        answer = self._client.create_user_pool_client(
            UserPoolId=self._pool,
            ClientName=f"{PREFIX}{client_id}",
            GenerateSecret=False,
            SupportedIdentityProviders=self._providers,
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthFlows=["code"],
            AllowedOAuthScopes=list(scopes),
            CallbackURLs=[self._callback],
            ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH"],
            EnableTokenRevocation=True,
            PreventUserExistenceErrors="ENABLED",
            RefreshTokenRotation={"Feature": "ENABLED", "RetryGracePeriodSeconds": 30},
        )
        app_client_id = answer["UserPoolClient"].get("ClientId", "")
        if self._style:
            try:
                self._client.create_managed_login_branding(
                    UserPoolId=self._pool, ClientId=app_client_id, UseCognitoProvidedValues=True
                )
            except BaseException:
                self.take_back(app_client_id)
                raise
        return app_client_id
