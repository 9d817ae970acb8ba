"""The API behind this server, called for a person with a token of its own (RFC 8693, MCP Token Passthrough).

Each call exchanges the token that came in; nothing that comes of it is kept. A tool gets a function without arguments
and, from it, what the API said: no token, neither the one that came in nor the one that went out, is in its reach.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import httpx
from pydantic import BaseModel, ValidationError

from mcp_demo.oauth import challenge, unverified_token
from mcp_demo.oauth.errors import ErrorResponse, ResponseInvalid
from mcp_demo.oauth.token import client_authentication, read_response
from mcp_demo.settings import Downstream

ON_BEHALF = "mcp_demo.on_behalf"
"""Where the caller's `OnBehalf` lies in the ASGI scope, if there is an API to call."""

MODELS: Final = Path(__file__).with_name("models")
"""GetDerivedToken for SDKs older than 1.44.3, in the form that botocore adds to its own models."""

_RENEW_BEFORE = 60

logger = logging.getLogger(__name__)


class Seen(BaseModel):
    """Whom the API saw."""

    subject: str
    actors: list[str]
    audience: str
    scopes: list[str]
    expires_at: float


class DownstreamFailed(Exception):
    """The API was not reached, or refused. The message is for the caller, and holds no secret."""


OnBehalf = Callable[[], Awaitable[Seen]]
"""Calls the API for one caller."""


@dataclass(frozen=True, slots=True)
class _OwnToken:
    value: str = field(repr=False)
    until: float


class DownstreamApi:
    """The API, and how this server gets tokens for it.

    Args:
        settings: Where both are, and who this server is there.
        issuer: Whose tokens can be exchanged: the user pool. It is shown no token of another authorization server.
        scopes: What is asked for; never more than the tool that calls needs itself.
        http: The client to call with.
    """

    def __init__(self, settings: Downstream, issuer: str, scopes: tuple[str, ...], http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._issuer = issuer
        self._scopes = scopes
        self._http = http
        self._own: _OwnToken | None = None
        self._cognito: Any = None

    def on_behalf_of(self, token: str) -> OnBehalf:
        """How a tool calls the API for the caller who sent this token, verified before."""

        async def call() -> Seen:
            return await self._call(await self._exchange(token))

        return call

    async def _exchange(self, subject: str) -> str:
        """A token for the API, on which the person is `sub` and this server `act` (RFC 8693 §2, Cognito's shape of it).

        Raises:
            DownstreamFailed: There is none.
        """
        if unverified_token.read(subject).issuer != self._issuer:
            raise DownstreamFailed("The API behind this server is called for people of its user pool only.")
        actor = await self._own_token()
        answer = await anyio.to_thread.run_sync(self._derive, subject, actor)
        token, granted = answer.get("IssuedToken"), set(answer.get("Scopes", self._scopes))
        kind = (answer.get("IssuedTokenType"), str(answer.get("TokenType")).lower())
        if not token or kind != ("ACCESS_TOKEN", "bearer") or not granted <= set(self._scopes):
            raise DownstreamFailed("The user pool answered with another token than was asked for.")
        return token

    async def _own_token(self) -> str:
        """This server's own token, which says who acts (RFC 6749 §4.4). One serves until shortly before it ends."""
        now = time.monotonic()
        if self._own is None or now >= self._own.until:
            settings = self._settings
            headers, form = client_authentication(
                "client_secret_basic", settings.client_id, settings.client_secret.get_secret_value()
            )
            form["grant_type"] = "client_credentials"
            try:
                response = await self._http.post(settings.token_endpoint, data=form, headers=headers)
                tokens = read_response(response.status_code, _json(response))
            except httpx.HTTPError:
                raise DownstreamFailed("Tokens cannot be exchanged now: the user pool does not answer.") from None
            except (ErrorResponse, ResponseInvalid) as error:
                logger.warning("No token of our own: %s", error)
                raise DownstreamFailed("The user pool gives this server no token of its own.") from None
            self._own = _OwnToken(tokens.access_token, now + (tokens.expires_in or 0) - _RENEW_BEFORE)
        return self._own.value

    def _derive(self, subject: str, actor: str) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError  # the SDK takes long to import

        settings = self._settings
        self._cognito = self._cognito or cognito_client(settings)
        try:
            return self._cognito.get_derived_token(
                ClientId=settings.client_id,
                ClientSecret=settings.client_secret.get_secret_value(),
                SubjectToken=subject,
                SubjectTokenType="ACCESS_TOKEN",
                ActorToken=actor,
                ActorTokenType="ACCESS_TOKEN",
                Scopes=list(self._scopes),
                Resources=[settings.url],
                RequestedTokenType="ACCESS_TOKEN",
            )
        except ClientError as error:
            self._own = None  # if it was the reason, the next call gets another
            code = error.response.get("Error", {}).get("Code", "unknown")
            logger.warning("GetDerivedToken refused: %s", code)
            raise DownstreamFailed(f"The user pool refuses a token for the API behind this server ({code}).") from None
        except BotoCoreError as error:
            logger.warning("GetDerivedToken failed: %s", type(error).__name__)
            raise DownstreamFailed("Tokens cannot be exchanged now: the user pool does not answer.") from None

    async def _call(self, token: str) -> Seen:
        try:
            response = await self._http.get(
                f"{self._settings.url}/whoami", headers={"authorization": f"Bearer {token}"}, follow_redirects=False
            )
        except httpx.HTTPError:
            raise DownstreamFailed("The API behind this server does not answer.") from None
        if response.status_code != 200:
            refusal = challenge.parse_bearer(response.headers.get_list("www-authenticate"))
            reason = refusal.parameters.get("error", "") if refusal else ""
            logger.warning("The API behind this server answered %s %s", response.status_code, reason)
            raise DownstreamFailed(f"The API behind this server refuses: {response.status_code} {reason}".rstrip())
        try:
            return Seen.model_validate_json(response.content)
        except ValidationError:
            raise DownstreamFailed("The API behind this server answered something else than was asked for.") from None


def cognito_client(settings: Downstream) -> Any:
    """The SDK's client of the user pools' API, with GetDerivedToken even where the SDK is older than that."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.session import Session

    session = Session()
    session.get_component("data_loader").search_paths.append(str(MODELS))
    # The operation asks for IAM credentials or for the app client's secret: the secret, so no role needs a permission.
    config = Config(signature_version=UNSIGNED, connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
    if settings.endpoint:  # nothing stands between us and the stand-in
        config = config.merge(Config(proxies={}))
    aws: Any = boto3.Session(botocore_session=session)
    return aws.client("cognito-idp", region_name=settings.region, endpoint_url=settings.endpoint, config=config)


def _json(response: httpx.Response) -> object:
    try:
        return response.json()
    except ValueError:
        return None
