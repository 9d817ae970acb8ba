"""Who a token request is from: the client's authentication, by the one method it registered.

Spec: RFC 6749 §2.3 and §3.2.1, OAuth 2.1 §2.4, RFC 7523 §2.2 and §3.
"""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from mcp_demo.bridge.context import Bridge
from mcp_demo.oauth import client_assertion
from mcp_demo.oauth.errors import InvalidClient, InvalidRequest
from mcp_demo.oauth.token import read_client
from mcp_demo.registry.model import Client


async def authenticate(bridge: Bridge, request: Request, form: Mapping[str, str]) -> Client:
    """The client a request comes from, proven if it is a confidential one.

    Raises:
        InvalidClient: Unknown, or it does not prove who it is.
        InvalidRequest: Two methods at once.
    """
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise InvalidRequest("There is more than one Authorization header.")
    presented = read_client(headers[0] if headers else None, form)
    client = await bridge.client(presented.client_id)
    if client is None:
        raise InvalidClient("The client is not registered, or its registration has expired.")
    if presented.method != client.token_endpoint_auth_method:
        raise InvalidClient(f"The client is registered for the method {client.token_endpoint_auth_method}.")
    if presented.method == "private_key_jwt":
        await _verify(bridge, client, form["client_assertion"])
    elif not client.is_public() and not client.proves(presented.client_secret):
        raise InvalidClient("The client secret is wrong.")
    return client


async def _verify(bridge: Bridge, client: Client, assertion: str) -> None:
    """An assertion of the client's own, for us, fresh, and for the first time.

    The issuer is the audience it should have. The token endpoint is accepted beside it, since clients built to the
    first edition of RFC 7523 send that and would be locked out.
    """
    verified = client_assertion.verify(
        assertion,
        client_id=client.client_id,
        keys=await _keys(bridge, client),
        audiences=(bridge.issuer, f"{bridge.issuer}/token"),
        now=bridge.clock(),
    )
    if client.jwks_uri is not None:
        bridge.documents.vouch(client.jwks_uri)
    name = f"{client.client_id} {verified.token_id}"
    first = await bridge.blocking(
        lambda: bridge.families.is_first_use(name, now=bridge.clock(), expires=verified.expires_at)
    )
    if not first:
        raise InvalidClient("The client assertion was used before.")


async def _keys(bridge: Bridge, client: Client) -> Mapping[str, Any]:
    if client.jwks is not None:
        return client.jwks
    if client.jwks_uri is None:
        raise InvalidClient("The client has registered no keys.")
    return await bridge.documents.keys(client.jwks_uri)
