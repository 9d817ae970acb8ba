"""The user pool's domain, as the bridge uses it: where to send the browser, and the token endpoint.

The bridge is one confidential app client there. Its answers are trusted for what they say, not for being well formed.
"""

import json
import logging
import time
from base64 import b64encode
from collections.abc import Callable, Mapping

import anyio
import httpx

from mcp_demo.bridge.payloads import CheckedRequest
from mcp_demo.exchange.model import Exchange, Request, Response
from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth import token as token_rules
from mcp_demo.oauth.errors import (
    ErrorResponse,
    InvalidGrant,
    OAuthError,
    ResponseInvalid,
    ServerError,
    TemporarilyUnavailable,
)
from mcp_demo.oauth.redirect_uri import with_parameters
from mcp_demo.oauth.token import TokenResponse
from mcp_demo.settings import BridgeSettings

_log = logging.getLogger(__name__)
_SECONDS = 8.0  # hosted clients give up after ten
Record = Callable[[Exchange], None]


class Upstream:
    """The user-pool domain.

    Args:
        settings: Where it is and who we are there.
        http: The connection pool.
        callback: Our redirect URI there.
    """

    def __init__(self, settings: BridgeSettings, http: httpx.AsyncClient, callback: str) -> None:
        self._settings = settings
        self._domain = settings.domain.rstrip("/")
        self._http = http
        self._callback = callback

    def authorize_url(self, request: CheckedRequest, state: str, app_client: str | None = None) -> str:
        """Where the browser goes to sign in (Cognito docs › Authorize endpoint).

        The code challenge is the client's own, so the user pool itself verifies PKCE from end to end.

        Args:
            request: What the person approved.
            state: What comes back with them.
            app_client: The app client, if the client has one of its own in the user pool.
        """
        parameters = {
            "response_type": "code",
            "client_id": app_client or self._settings.bridge_client_id,
            "redirect_uri": self._callback,
            "scope": scope_rules.join(request.scopes),
            "state": state,
            "code_challenge": request.code_challenge,
            "code_challenge_method": "S256",
        }
        if self._settings.audience == "resource":
            parameters["resource"] = self._settings.mcp_url
        return with_parameters(f"{self._domain}/oauth2/authorize", parameters)

    async def exchange_code(
        self, code: str, verifier: str, app_client: str | None = None, record: Record | None = None
    ) -> TokenResponse:
        """Redeem the user pool's code (Cognito docs › Token endpoint).

        Raises:
            InvalidGrant: The code is spent, too old, or the verifier is wrong.
            TemporarilyUnavailable, ServerError: The user pool cannot be used.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback,
            "code_verifier": verifier,
        }
        return await self._tokens(form, app_client, record)

    async def refresh(self, refresh_token: str, app_client: str | None = None) -> TokenResponse:
        """Get a new access token (Cognito docs › Token endpoint).

        Raises:
            InvalidGrant: The refresh token is revoked or too old.
            TemporarilyUnavailable, ServerError: The user pool cannot be used.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return await self._tokens(form, app_client)

    async def revoke(self, refresh_token: str, app_client: str | None = None) -> None:
        """End a login at the user pool too (Cognito docs › Revoke endpoint).

        Raises:
            TemporarilyUnavailable: The user pool does not answer.
        """
        response = await self._post("/oauth2/revoke", {"token": refresh_token}, app_client)
        if response.status >= 500 or response.status == 429:
            raise TemporarilyUnavailable("The sign-in service is not available at the moment.")
        if response.status != 200:
            _log.warning("the user pool answered a revocation with %d", response.status)

    async def _tokens(
        self, form: Mapping[str, str], app_client: str | None, record: Record | None = None
    ) -> TokenResponse:
        response = await self._post("/oauth2/token", form, app_client, record)
        if response.status >= 500 or response.status == 429:
            raise TemporarilyUnavailable("The sign-in service is not available at the moment.")
        try:
            return token_rules.read_response(response.status, _document(response))
        except ErrorResponse as error:
            raise _translated(error) from None
        except ResponseInvalid as error:
            _log.error("token endpoint of the user pool: %s", error)
            raise ServerError("The sign-in service gave an answer that cannot be used.", status=502) from None

    async def _post(
        self, path: str, form: Mapping[str, str], app_client: str | None, record: Record | None = None
    ) -> Response:
        headers, data = {"accept": "application/json"}, dict(form)
        if app_client is None:
            # Cognito takes the pair as it stands, without the form encoding of RFC 6749 §2.3.1.
            pair = f"{self._settings.bridge_client_id}:{self._settings.bridge_client_secret.get_secret_value()}"
            headers["authorization"] = "Basic " + b64encode(pair.encode()).decode("ascii")
        else:  # a public one: the bridge has authenticated the client, and PKCE binds the code
            data["client_id"] = app_client
        outgoing = self._http.build_request("POST", self._domain + path, data=data, headers=headers)
        started, begin = time.time(), time.perf_counter()
        try:
            with anyio.fail_after(_SECONDS):
                answer = await self._http.send(outgoing)
        except (httpx.HTTPError, TimeoutError) as error:
            _log.warning("the user pool's %s does not answer: %s", path, type(error).__name__)
            raise TemporarilyUnavailable("The sign-in service does not answer at the moment.") from None
        response = Response(answer.status_code, tuple(answer.headers.multi_items()), answer.content)
        if record is not None:
            request = Request("POST", str(outgoing.url), tuple(outgoing.headers.multi_items()), outgoing.content)
            record(
                Exchange(
                    name="The bridge redeems the user pool's code",
                    why="The bridge authenticates as its app client there and passes on the client's PKCE verifier.",
                    spec="Cognito docs › Token endpoint",
                    sender="bridge",
                    receiver="user-pool domain",
                    request=request,
                    response=response,
                    phase="token",
                    started=started,
                    seconds=time.perf_counter() - begin,
                )
            )
        return response


def _document(response: Response) -> object:
    try:
        return json.loads(response.body)
    except ValueError:
        return None


def _translated(error: ErrorResponse) -> OAuthError:
    """What a refusal of the user pool means for the client: a dead grant, or a fault that is ours and not its."""
    if error.error == "invalid_grant":
        return InvalidGrant("The grant is used, expired or revoked.")
    _log.error("the user pool refused the bridge's token request: %s", error.error[:40])
    return ServerError("The sign-in service refused the bridge.")
