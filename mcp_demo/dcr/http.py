"""Events of an API Gateway REST API (payload 1.0) and the answers to them, with OAuth's errors."""

import binascii
import json
import logging
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from mcp_demo.oauth.challenge import build_bearer
from mcp_demo.oauth.errors import (
    InvalidClientMetadata,
    InvalidToken,
    OAuthError,
    ServerError,
    TemporarilyUnavailable,
)

LARGEST_BODY = 32 * 1024

_log = logging.getLogger("mcp_demo.dcr")
_HEADERS = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "Pragma": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "WWW-Authenticate",
}

Event = Mapping[str, Any]
Answer = dict[str, Any]


def json_body(event: Event) -> object:
    """The JSON document of a request.

    Raises:
        InvalidClientMetadata: There is none, or it is too large.
    """
    body = event.get("body") or ""
    try:
        raw = b64decode(body, validate=True) if event.get("isBase64Encoded") else cast("str", body).encode()
        if len(raw) > LARGEST_BODY:
            raise InvalidClientMetadata(f"The client metadata is larger than {LARGEST_BODY} bytes.")
        return json.loads(raw)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidClientMetadata("The client metadata is not JSON.") from error


def bearer_token(event: Event) -> str | None:
    """The token of the Authorization header (RFC 6750 §2.1)."""
    headers = cast("Mapping[str, str]", event.get("headers") or {})
    value = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def client_id(event: Event) -> str:
    """The client that the path names."""
    return str(cast("Mapping[str, str]", event.get("pathParameters") or {}).get("client_id", ""))


def answer(operation: str, event: Event, status: int, serve: Callable[[], dict[str, Any] | None]) -> Answer:
    """Serve a request: what `serve` returns, or the error it raises, as an answer. Writes one line to the log.

    The log names operation, client and outcome. It holds neither bodies nor headers: those carry secrets.
    """
    try:
        document = serve()
    except OAuthError as error:
        _write(operation, client_id(event), error.status, error.error)
        return _error(error, bearer_token(event) is not None)
    except Exception as error:
        _log.exception("%s failed: %s", operation, type(error).__name__)
        said = _failure(error)
        _write(operation, client_id(event), said.status, type(error).__name__)
        return _error(said, presented=False)
    _write(operation, str((document or {}).get("client_id", client_id(event))), status, None)
    return _answer(status, document, {})


def _failure(error: Exception) -> OAuthError:
    """What to say of a failure of ours: that of a table or the user pool passes, as the bridge says of its own."""
    if isinstance(error, (BotoCoreError, ClientError)):
        return TemporarilyUnavailable("A part of this service does not answer at the moment.")
    return ServerError("The registration failed on our side. Try again later.")


def _error(error: OAuthError, presented: bool) -> Answer:
    headers: dict[str, str] = {}
    if isinstance(error, InvalidToken):
        # Without credentials no error code belongs in the challenge (RFC 6750 §3.1). A REST API on AWS renames this
        # header to x-amzn-remapped-www-authenticate, a limit of its own; status and body tell the same.
        headers["WWW-Authenticate"] = build_bearer({"error": error.error} if presented else {})
    if error.status == 503:
        headers["Retry-After"] = "60"
    return _answer(error.status, error.as_dict(), headers)


def _answer(status: int, document: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Answer:
    body = "" if document is None else json.dumps(document)
    return {"statusCode": status, "headers": _HEADERS | dict(headers), "body": body, "isBase64Encoded": False}


def _write(operation: str, client: str, status: int, error: str | None) -> None:
    line = {"operation": operation, "client_id": client[:64], "status": status, "error": error}
    _log.warning(json.dumps(line)) if error else _log.info(json.dumps(line))
