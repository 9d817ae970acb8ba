r"""The only redactor: no secret leaves this package in a log, an error, a page, a notebook or a report.

A long secret shows as `eyJ…·812 chars·sha256 3f9a`: two places can be compared, the secret cannot be used. Passwords
and other short ones show as `…·hidden`, since a digest of something guessable gives it away. Redacting twice changes
nothing, so that a part may redact what another part has redacted already.

Spec: RFC 6819 §5.1.6 (access token secrecy), OAuth 2.1 §7.1.3.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast
from urllib.parse import unquote_plus

from mcp_demo.exchange.model import Exchange, Headers, Request, Response

_GUESSABLE_NAMES = [
    "password", "new_password", "confirm_password", "previous_password", "proposed_password", "temporary_password",
    "confirmation_code", "user_code", "totp", "otp", "mfa_code", "software_token_mfa_code", "sms_mfa_code",
    "sms_otp_code", "email_otp_code",
]  # fmt: skip
_NAMES = [
    *_GUESSABLE_NAMES,
    "access_token", "refresh_token", "id_token", "token", "device_code", "code", "code_verifier", "code_challenge",
    "state", "nonce", "client_secret", "client_assertion", "assertion", "software_statement", "subject_token",
    "actor_token", "id_token_hint", "registration_access_token", "initial_access_token", "request_token", "secret",
    "secret_code", "secret_hash", "secret_access_key", "session_token", "session", "csrf", "csrf_token", "envelope",
    "dpop", "api_key", "authorization_code", "aws_secret_access_key", "totp_secret",
]  # fmt: skip
_NORMAL = frozenset(name.replace("_", "") for name in _NAMES)
_GUESSABLE = frozenset(name.replace("_", "") for name in _GUESSABLE_NAMES)
_SECRET_HEADERS = frozenset({"dpop", "x-api-key", "x-amz-security-token", "mcp-session-id", "x-csrf-token"})
_URL_HEADERS = frozenset({"location", "content-location", "referer", "refresh", "link"})
_PRIVATE_JWK = frozenset({"d", "p", "q", "dp", "dq", "qi", "k", "oth"})

_SHORT = r"\S{0,3}…·(?:\d+ chars·sha256 [0-9a-f]{4}|hidden)"
_ALREADY = re.compile(_SHORT)
_JOSE = re.compile(r"(?<![A-Za-z0-9_\-])eyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*){0,4}")
_PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)
# Neither the parameters of a challenge nor a plain word, as in "Basic authentication", are credentials.
_HARMLESS = r"(?:resource_metadata|scope|error|error_description|error_uri|realm)=|(?-i:[a-z]{1,19})(?![\w\-.~+/=])"
_CREDENTIALS = re.compile(
    rf"\b(Bearer|DPoP|Basic)([ \t]+)(?!{_HARMLESS})({_SHORT}|[A-Za-z0-9\-._~+/]{{8,}}=*)", re.IGNORECASE
)
_NAMED = re.compile(
    r"(?:(?<![A-Za-z0-9])|(?<=%26)|(?<=%3F)|(?<=%23))("
    + "|".join(name.replace("_", "[_-]?") for name in sorted(_NAMES, key=len, reverse=True))
    + r")"
    rf"(=|%3D|[\"']?[ \t]*[:=][ \t]*(?=[\"']))([\"']?)({_SHORT}|(?<=\")(?:[^\"\\]|\\.)*|(?<=')(?:[^'\\]|\\.)*"
    r"|(?:(?!%26|%23)[^\s&#\"'<>;,)\]}])+)",
    re.IGNORECASE,
)
_HIDDEN = "…·hidden"


def shorten(secret: str) -> str:
    """A secret as it may be shown: its first characters, its length and four digits of its digest."""
    if _ALREADY.fullmatch(secret) or not secret:
        return secret
    if len(secret) < 20:
        return _HIDDEN
    digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:4]
    return f"{secret[:3]}…·{len(secret)} chars·sha256 {digest}"


def redact(exchange: Exchange) -> Exchange:
    """The exchange with every secret shortened, in its URL, headers, bodies and prose."""
    response = exchange.response
    return replace(
        exchange,
        name=redact_text(exchange.name),
        why=redact_text(exchange.why),
        request=redact_request(exchange.request),
        response=None if response is None else redact_response(response),
    )


def redact_request(request: Request) -> Request:
    """A request with every secret shortened."""
    return replace(
        request,
        url=redact_url(request.url),
        headers=redact_headers(request.headers),
        body=_body(request.body, request.header("content-type") or ""),
    )


def redact_response(response: Response) -> Response:
    """A response with every secret shortened."""
    return replace(
        response,
        headers=redact_headers(response.headers),
        body=_body(response.body, response.header("content-type") or ""),
    )


def redact_text(text: str) -> str:
    """Free text with JWTs, JWEs, private keys, credentials and `name=value` pairs of secret names shortened."""
    text = _PRIVATE_KEY.sub(_HIDDEN, text)
    text = _CREDENTIALS.sub(lambda match: f"{match[1]}{match[2]}{shorten(match[3])}", text)
    text = _NAMED.sub(lambda match: f"{match[1]}{match[2]}{match[3]}{_named(match[1], match[4])}", text)
    return _JOSE.sub(lambda match: shorten(match[0]), text)


def redact_url(url: str) -> str:
    """A URL for display: user information, query and fragment without secrets. It need not be a valid URL any more."""
    rest, hash_mark, fragment = url.partition("#")
    base, question_mark, query = rest.partition("?")
    base = re.sub(r"(?<=//)[^/@]*@", _HIDDEN + "@", base)
    return redact_text(base) + question_mark + _pairs(query) + hash_mark + _pairs(fragment)


def redact_headers(headers: Headers) -> Headers:
    """Header fields without credentials, cookies and tokens."""
    return tuple((name, _header(name.lower(), value)) for name, value in headers)


def redact_json(value: Any, name: str = "") -> Any:
    """A parsed JSON value without secrets, at any depth."""
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value)
        private = _PRIVATE_JWK if "kty" in members else frozenset[str]()
        return {key: _HIDDEN if key in private else redact_json(item, key) for key, item in members.items()}
    if isinstance(value, list):
        return [redact_json(item, name) for item in cast("list[Any]", value)]
    if isinstance(value, str):
        return _named(name, value) if _normal(name) in _NORMAL else redact_text(value)
    return value


def _normal(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _named(name: str, value: str) -> str:
    if _normal(name) in _GUESSABLE and value:
        return _HIDDEN
    return shorten(value)


def _pairs(encoded: str) -> str:
    """A query or a form, each value shortened by its name, or searched for secrets if its name is harmless."""
    return "&".join(map(_pair, encoded.split("&"))) if "=" in encoded else redact_text(encoded)


def _pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    plain = unquote_plus(value)
    shown = _named(name, plain) if _normal(unquote_plus(name)) in _NORMAL else redact_text(plain)
    return f"{name}{equals}{value if shown == plain else shown}"


def _header(name: str, value: str) -> str:
    if name in ("authorization", "proxy-authorization"):
        scheme, space, credentials = value.partition(" ")
        return f"{scheme}{space}{shorten(credentials.strip())}" if space else shorten(value)
    if name == "cookie":
        return "; ".join(map(_cookie, value.split("; ")))
    if name == "set-cookie":
        cookie, semicolon, attributes = value.partition(";")
        return _cookie(cookie) + semicolon + attributes
    if name in _SECRET_HEADERS:
        return shorten(value)
    return redact_url(value) if name in _URL_HEADERS else redact_text(value)


def _cookie(cookie: str) -> str:
    name, equals, value = cookie.partition("=")
    return f"{name}{equals}{shorten(value)}" if equals else shorten(cookie)


def _body(body: bytes, content_type: str) -> bytes:
    if not body:
        return body
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"({len(body)} bytes that are not text)".encode()
    return _text_body(text, content_type.partition(";")[0].strip().lower()).encode("utf-8", "replace")


def _text_body(text: str, media_type: str) -> str:
    if media_type == "text/html":
        return text if text.startswith("(HTML page") else f"(HTML page of {len(text)} characters)"
    if media_type == "application/x-www-form-urlencoded":
        return _pairs(text)
    if media_type == "text/event-stream":
        return "\n".join(_event_line(line) for line in text.splitlines())
    return _maybe_json(text)


def _event_line(line: str) -> str:
    field, colon, value = line.partition(":")
    return f"{field}: {_maybe_json(value.strip())}" if colon and field == "data" else redact_text(line)


def _maybe_json(text: str) -> str:
    try:
        return json.dumps(redact_json(json.loads(text)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return redact_text(text)
