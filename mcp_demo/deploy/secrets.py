"""The secrets of the bridge: one that Cognito keeps, and keys of our own that are made once."""

import base64
import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_demo.deploy.files import write_private

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient

_KEY_BYTES = 32  # A256GCM


def client_secret(cognito: "CognitoIdentityProviderClient", user_pool_id: str, client_id: str) -> str:
    """The secret of an app client, asked of the pool, so that no template output ever shows it."""
    described = cognito.describe_user_pool_client(UserPoolId=user_pool_id, ClientId=client_id)
    return described["UserPoolClient"].get("ClientSecret", "")


def envelope_keys(path: Path) -> list[str]:
    """The bridge's envelope keys, base64url: those of the file, or a first one, kept there for next time."""
    if path.is_file():
        keys = json.loads(path.read_text(encoding="utf-8"))
        if keys and all(isinstance(key, str) for key in keys):
            return keys
    made = [base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).rstrip(b"=").decode()]
    write_private(path, json.dumps(made))
    return made
