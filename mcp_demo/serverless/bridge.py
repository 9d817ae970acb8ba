"""The bridge's Lambda function. Its two secrets are asked for when an instance starts, and stand in no setting."""

import os
from typing import Any

import boto3
from pydantic import SecretStr

from mcp_demo.bridge.app import create_app
from mcp_demo.deploy.secrets import client_secret
from mcp_demo.serverless.asgi import IMPATIENT, Instance
from mcp_demo.serverless.envelope_keys import usable
from mcp_demo.settings import BridgeSettings


def settings() -> BridgeSettings:
    """The settings: what is no secret from the environment, the rest from Secrets Manager and the user pool."""
    aws: Any = boto3
    secret = aws.client("secretsmanager", config=IMPATIENT).get_secret_value(SecretId=os.environ["ENVELOPE_SECRET"])
    app_client = os.environ["MCP_DEMO_BRIDGE_CLIENT_ID"]
    return BridgeSettings(
        bridge_client_secret=SecretStr(
            client_secret(aws.client("cognito-idp", config=IMPATIENT), os.environ["USER_POOL_ID"], app_client)
        ),
        envelope_keys=[SecretStr(key) for key in usable(secret["SecretString"])],
    )  # pyright: ignore[reportCallIssue]


handler = Instance(lambda: create_app(settings()), "bridge")
