# /// script
# requires-python = ">=3.11"
# dependencies = ["fastmcp==4.1.2"]
# ///
# pyright: basic, reportMissingImports=false
"""A FastMCP server with its Cognito provider, as its documentation shows it.

`uv run --script fastmcp_cognito.py`, with the environment variables that README.md lists. One thing is not as in the
documentation: the provider builds the address of the user pool's OpenID configuration from Region and pool, so a pool
on this machine has to be put in its place.
"""

import os
from typing import Any
from urllib.parse import urlsplit

from fastmcp import FastMCP
from fastmcp.server.auth.oidc_proxy import OIDCConfiguration
from fastmcp.server.auth.providers.aws import AWSCognitoProvider
from key_value.aio.stores.memory import MemoryStore

URL = urlsplit(os.environ["TARGET_URL"])


class EmbeddedPool(AWSCognitoProvider):
    """The provider, told the endpoints of the pool instead of reading them from AWS."""

    def get_oidc_configuration(self, config_url: Any, strict: Any, timeout_seconds: Any) -> OIDCConfiguration:
        """What the pool's OpenID configuration says on AWS, with the hosts of this machine."""
        domain = os.environ["TARGET_DOMAIN"]
        return OIDCConfiguration(
            issuer=os.environ["TARGET_ISSUER"],
            authorization_endpoint=f"{domain}/oauth2/authorize",
            token_endpoint=f"{domain}/oauth2/token",
            revocation_endpoint=f"{domain}/oauth2/revoke",
            jwks_uri=os.environ["TARGET_JWKS_URI"],
            response_types_supported=["code", "token"],
            subject_types_supported=["public"],
            id_token_signing_alg_values_supported=["RS256"],
        )


auth = EmbeddedPool(
    user_pool_id=os.environ["TARGET_ISSUER"].rpartition("/")[2],
    aws_region="us-east-1",
    client_id=os.environ["TARGET_CLIENT_ID"],
    client_secret=os.environ["TARGET_CLIENT_SECRET"],
    base_url=f"{URL.scheme}://{URL.netloc}",
    client_storage=MemoryStore(),
)
server = FastMCP("Known target", auth=auth)


@server.tool
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}."


if __name__ == "__main__":
    server.run("http", host="127.0.0.1", port=URL.port, path=URL.path, show_banner=False)
