"""What the MCP server needs in the user pool to act for people: made once, kept by the next deployment."""

from pathlib import Path

from mcp_demo.deploy.delegation import ensure_delegation
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.profile import Profile
from mcp_demo.local.ministack import running_ministack
from mcp_demo.local.ports import Ports

API = "https://api.example"


def test_the_acting_client_is_made_once_and_may_do_one_thing(tmp_path: Path) -> None:
    with running_ministack(tmp_path, Ports.free().aws) as ministack:
        cognito = Profile.local(ministack.endpoint).cognito()
        pool = cognito.create_user_pool(PoolName="p")["UserPool"].get("Id", "")
        outputs = {"UserPoolId": pool, "Region": "us-east-1", "Issuer": "https://as.example", "DomainUrl": "https://d"}
        first, again = (ensure_delegation(cognito, outputs, Endpoints(), API) for _ in range(2))
        assert first == again
        found = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=first.server.client_id)["UserPoolClient"]
        assert (
            cognito.describe_resource_server(UserPoolId=pool, Identifier=API)["ResourceServer"].get("Scopes", []) == []
        )
    assert found.get("ExplicitAuthFlows") == ["ALLOW_TOKEN_EXCHANGE_DELEGATION"]
    assert found.get("AllowedOAuthFlows") == ["client_credentials"]
    assert found.get("AllowedOAuthScopes") == [first.api.scope] == [f"{Endpoints().mcp}/read"]
    assert found.get("ClientSecret") == first.server.client_secret.get_secret_value()
    assert (first.api.actors, first.api.downstream_url) == ([first.server.client_id], API)
    assert (first.server.endpoint, first.server.token_endpoint) == (None, "https://d/oauth2/token")
