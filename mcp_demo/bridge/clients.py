"""Who a token request is from: the client's authentication, by the one method it registered.

Spec: RFC 6749 §2.3 and §3.2.1, OAuth 2.1 §2.4.
"""

from starlette.requests import Request

from mcp_demo.bridge.context import Bridge
from mcp_demo.oauth.errors import InvalidClient, InvalidRequest
from mcp_demo.oauth.token import read_client
from mcp_demo.registry.model import Client


async def authenticate(bridge: Bridge, request: Request, form: dict[str, str]) -> Client:
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
    if not client.is_public() and not client.proves(presented.client_secret):
        raise InvalidClient("The client secret is wrong.")
    return client
