"""Where to deploy to: AWS with the person's own credentials, or the embedded AWS. The rest of the code is the same."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
)

from mcp_demo.errors import SetupError

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cognito_idp import CognitoIdentityProviderClient
    from types_boto3_iam import IAMClient

ProfileName = Literal["local", "aws"]

_SIGN_IN = (
    "Sign in to AWS (`aws sso login`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or use --profile local."
)
_ALLOW = "Check the permissions and quotas of this account, then run the command again: it goes on where it ended."
_CORRECT = "Correct what it names, then run the command again: it goes on where it ended."
_NOT_SIGNED_IN = (
    NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, TokenRetrievalError, ProfileNotFound,
)  # fmt: skip
_REFUSED = {
    "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException",
    "SignatureDoesNotMatch", "InvalidAccessKeyId", "AuthFailure",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Profile:
    """A target: clients of its services."""

    name: ProfileName
    session: boto3.Session
    endpoint: str | None = None

    @classmethod
    def local(cls, endpoint: str, region: str = "us-east-1") -> "Profile":
        """The embedded AWS at `endpoint`, with its published root credentials."""
        session = boto3.Session("test", "test", region_name=region)
        return cls("local", session, endpoint)

    @classmethod
    def aws(cls) -> "Profile":
        """AWS, by boto3's default credential chain.

        Raises:
            SetupError: There are no credentials, or no Region.
        """
        with aws_failures():
            # boto3 reads AWS_DEFAULT_REGION only; all other tools of AWS know AWS_REGION, and prefer it.
            session = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
            if session.get_credentials() is None:
                raise SetupError("There are no AWS credentials.", _SIGN_IN)
        if not session.region_name:
            raise SetupError("No AWS Region is chosen.", "Set AWS_REGION, for example AWS_REGION=eu-central-1.")
        return cls("aws", session)

    @property
    def emulated(self) -> bool:
        """Whether this is the embedded AWS."""
        return self.endpoint is not None

    @property
    def config(self) -> Config:
        """How clients behave; no proxy of the person's stands between us and the embedded AWS."""
        retries = {"mode": "standard", "max_attempts": 5}
        if self.emulated:
            return Config(connect_timeout=5, read_timeout=30, retries=retries, proxies={})  # pyright: ignore[reportArgumentType]
        return Config(connect_timeout=10, read_timeout=60, retries=retries)  # pyright: ignore[reportArgumentType]

    def cloudformation(self) -> "CloudFormationClient":
        """A client of CloudFormation."""
        return self.session.client("cloudformation", endpoint_url=self.endpoint, config=self.config)  # pyright: ignore[reportUnknownMemberType]

    def cognito(self) -> "CognitoIdentityProviderClient":
        """A client of Cognito user pools."""
        return self.session.client("cognito-idp", endpoint_url=self.endpoint, config=self.config)  # pyright: ignore[reportUnknownMemberType]

    def iam(self) -> "IAMClient":
        """A client of IAM."""
        return self.session.client("iam", endpoint_url=self.endpoint, config=self.config)  # pyright: ignore[reportUnknownMemberType]

    def client(self, service: str) -> Any:
        """A client of any other service."""
        return self.session.client(service, endpoint_url=self.endpoint, config=self.config)  # pyright: ignore[reportUnknownMemberType, reportCallIssue, reportArgumentType, reportUnknownVariableType]


@contextmanager
def aws_failures() -> Generator[None]:
    """Turn what AWS and its SDK refuse into one line with a cure.

    Raises:
        SetupError: Credentials are missing, expired or not allowed to do this; AWS cannot be reached or refuses.
    """
    try:
        yield
    except _NOT_SIGNED_IN as error:
        raise SetupError(f"AWS cannot be used: {_line(error)}", _SIGN_IN) from None
    except EndpointConnectionError as error:
        raise SetupError(_line(error), "Check the network; for the embedded AWS run `mcp-demo up --detach`.") from None
    except ClientError as error:
        detail = error.response.get("Error", {})
        code, message = detail.get("Code", "unknown"), detail.get("Message", "")
        if code in _REFUSED:
            raise SetupError(f"AWS refuses the credentials ({code}).", _SIGN_IN) from None
        operation = error.operation_name
        raise SetupError(
            f"AWS refused {operation}: {code}: {' '.join(message.split()).rstrip('.')}.",
            _CORRECT if code == "ValidationError" else _ALLOW,
        ) from None
    except BotoCoreError as error:
        raise SetupError(f"AWS cannot be used: {_line(error)}", "Check network and AWS configuration.") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") + "."
