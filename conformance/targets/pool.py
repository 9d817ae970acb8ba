"""The user pool's own host: on AWS `cognito-idp.REGION.amazonaws.com`, here the embedded AWS.

The issuer of a user pool is an https URL of AWS, on this machine too, for it stands in every token. A target whose
metadata names that issuer is judged by asking the embedded pool whatever the suite would ask AWS.
"""

import json

import httpx

from mcp_demo.local.state import Run

_DISCOVERY = "/.well-known/openid-configuration"


class PoolTransport(httpx.HTTPTransport):
    """Leads requests for the pool's host to the embedded AWS; all others go where they are meant to go."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run
        self._host = httpx.URL(run.issuer).host
        self._aws = httpx.URL(run.aws)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        if request.url.host != self._host:
            return super().handle_request(request)
        request.url = request.url.copy_with(scheme=self._aws.scheme, host=self._aws.host, port=self._aws.port)
        request.headers["host"] = f"{self._aws.host}:{self._aws.port}"
        response = super().handle_request(request)
        if response.status_code != 200 or not request.url.path.endswith(_DISCOVERY):
            return response
        response.read()
        return httpx.Response(200, headers={"content-type": "application/json"}, content=self._as_on_aws(response))

    def _as_on_aws(self, response: httpx.Response) -> bytes:
        """The pool's OpenID configuration with the members that AWS documents: endpoints are on the pool's domain."""
        found = response.json() | {
            name: f"{self._run.domain}/oauth2/{path}"
            for name, path in (
                ("authorization_endpoint", "authorize"),
                ("token_endpoint", "token"),
                ("revocation_endpoint", "revoke"),
                ("userinfo_endpoint", "userInfo"),
            )
        }
        found["end_session_endpoint"] = f"{self._run.domain}/logout"
        found["jwks_uri"] = f"{self._run.issuer}/.well-known/jwks.json"
        return json.dumps(found).encode()
