"""The MCP server's Lambda function. Its settings are environment variables; its one secret, if any, is asked for."""

import os
from typing import Any

from pydantic import SecretStr

from mcp_demo.deploy.secrets import client_secret
from mcp_demo.server.app import create_app
from mcp_demo.serverless.asgi import IMPATIENT, Instance
from mcp_demo.settings import Downstream, ServerSettings


def settings() -> ServerSettings:
    """The settings, with the API that is called for people if there is one."""
    read = ServerSettings.load()
    if not (url := os.environ.get("DOWNSTREAM_URL")):
        return read
    import boto3  # takes long to import, and only this needs it at the start

    aws: Any = boto3
    cognito, client_id = aws.client("cognito-idp", config=IMPATIENT), os.environ["ACTING_CLIENT_ID"]
    downstream = Downstream(
        url=url,
        client_id=client_id,
        client_secret=SecretStr(client_secret(cognito, os.environ["USER_POOL_ID"], client_id)),
        token_endpoint=os.environ["TOKEN_ENDPOINT"],
        region=os.environ["AWS_REGION"],
        endpoint=os.environ.get("EXCHANGE_ENDPOINT") or None,
    )
    return read.model_copy(update={"downstream": downstream})


handler = Instance(lambda: create_app(settings()), "server")
