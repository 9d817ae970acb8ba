"""The MCP server as somebody who acts for people: its app client, and the API that it may get tokens for.

CloudFormation has no word for it yet: its schema of app clients, as cfn-lint 1.58 knows it, lacks the flow
ALLOW_TOKEN_EXCHANGE_DELEGATION. So both are made by the API of user pools, and go when their user pool goes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from mcp_demo.cognito import scope
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.outputs import jwks_uri
from mcp_demo.deploy.secrets import client_secret
from mcp_demo.settings import Downstream, DownstreamSettings

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient


@dataclass(frozen=True, slots=True)
class Delegation:
    """What each side is to be told."""

    server: Downstream
    api: DownstreamSettings


def ensure_delegation(
    cognito: "CognitoIdentityProviderClient", outputs: Mapping[str, str], endpoints: Endpoints, url: str
) -> Delegation:
    """Make sure that the MCP server may act for people at an API; how both sides are set up for it.

    Args:
        cognito: Of the account and Region of the user pool.
        outputs: Of the stacks.
        endpoints: Where the parts are served.
        url: The API, which becomes a resource server of the pool.
    """
    pool, what = outputs["UserPoolId"], scope(endpoints.mcp, "read")
    _ensure_resource_server(cognito, pool, url)
    client_id = _ensure_client(cognito, pool, what)
    server = Downstream(
        url=url,
        client_id=client_id,
        client_secret=SecretStr(client_secret(cognito, pool, client_id)),
        token_endpoint=f"{endpoints.domain or outputs['DomainUrl']}/oauth2/token",
        region=outputs["Region"],
        endpoint=endpoints.domain if endpoints.aws else None,
    )
    keys = jwks_uri(outputs, endpoints)
    api = DownstreamSettings(
        downstream_url=url, issuer=outputs["Issuer"], jwks_uri=keys, scope=what, actors=[client_id]
    )
    return Delegation(server, api)


def _ensure_resource_server(cognito: "CognitoIdentityProviderClient", pool: str, url: str) -> None:
    """The target of exchanges. It has no scopes: Cognito adds none to those that the person gave to the MCP server."""
    try:
        cognito.describe_resource_server(UserPoolId=pool, Identifier=url)
    except cognito.exceptions.ResourceNotFoundException:
        cognito.create_resource_server(UserPoolId=pool, Identifier=url, Name="API behind the MCP server")


def _ensure_client(cognito: "CognitoIdentityProviderClient", pool: str, what: str) -> str:
    """The app client of the MCP server: client credentials for its own token, and delegation, for one scope."""
    wanted: dict[str, Any] = {
        "UserPoolId": pool,
        "ClientName": "MCP server acting for people",
        "AllowedOAuthFlowsUserPoolClient": True,
        "AllowedOAuthFlows": ["client_credentials"],
        "AllowedOAuthScopes": [what],
        "ExplicitAuthFlows": ["ALLOW_TOKEN_EXCHANGE_DELEGATION"],
        "AccessTokenValidity": 5,
        "TokenValidityUnits": {"AccessToken": "minutes"},
    }
    pages = cognito.get_paginator("list_user_pool_clients").paginate(UserPoolId=pool)
    clients = (client for page in pages for client in page["UserPoolClients"])
    for client in clients:
        if client.get("ClientName") == wanted["ClientName"]:
            cognito.update_user_pool_client(**wanted, ClientId=client.get("ClientId", ""))
            return client.get("ClientId", "")
    made = cognito.create_user_pool_client(**wanted, GenerateSecret=True)["UserPoolClient"]
    return made.get("ClientId", "")
