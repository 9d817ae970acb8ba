"""Every parser that meets a stranger, each with what must hold whatever comes in.

A parser here is a function of bytes that returns, or raises because a promise is broken: an exception that is not
documented, an answer that another reader of the same bytes would not give, a round trip that does not come back. So the
same list serves Hypothesis (`test_parsers.py`) and a coverage-guided fuzzer (`guided.py`).
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import routing
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from fastapi import Request, Response
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey
from pydantic_core import from_json

from mcp_demo.bridge import wire
from mcp_demo.bridge.browser import Browsers, digest
from mcp_demo.bridge.cimd import freshness
from mcp_demo.bridge.envelope import EnvelopeRefused, Envelopes
from mcp_demo.bridge.payloads import CheckedRequest
from mcp_demo.dcr import http
from mcp_demo.oauth import (
    access_token,
    authorization,
    challenge,
    client_assertion,
    client_metadata,
    dpop,
    metadata_document,
    redirect_uri,
    resource,
    resource_metadata,
    scopes,
    server_metadata,
    token,
    unverified_token,
)
from mcp_demo.oauth.access_token import Rules
from mcp_demo.oauth.errors import ErrorResponse, OAuthError, ProtocolViolation
from mcp_demo.oauth.unverified_token import TokenRejected
from mcp_demo.server import credentials, operations
from mcp_demo.server.body import message_of
from mcp_demo.server.keys import MAX_KEYS, read_keys
from mcp_demo.server.protocol_version import ProtocolVersion
from mcp_demo.web.sessions import Sessions

NOW = 1_800_000_000.0
URL = "https://mcp.example/mcp"
CLIENT = "https://app.example/client.json"
_EC = ECKey.generate_key("P-256", {"kid": "k"}, private=True)
_RSA = rsa.generate_private_key(65537, 2048)
_PUBLIC = RSAKey.import_key(_RSA.public_key())
_RULES = Rules("https://issuer.example", URL, frozenset({f"{URL}/read"}))
_ENVELOPES = Envelopes([urlsafe_b64encode(bytes(range(32))).decode()], lambda: NOW)
_REQUEST = CheckedRequest(
    client_id="c", redirect_uri="http://localhost/cb", code_challenge="x" * 43, scopes=(), resource=URL, state="s"
)
_SEALED = _ENVELOPES.seal(_REQUEST)
_SESSIONS = Sessions("s", secure=False, clock=lambda: NOW)
_BROWSERS = Browsers(secure=False)
_SPOKEN = (OAuthError, ProtocolViolation, ErrorResponse)


class Broken(AssertionError):
    """A promise is broken."""


@dataclass(frozen=True, slots=True)
class Parser:
    """Something that reads what strangers write.

    Args:
        name: What it reads.
        read: Reads, and looks at what came of it.
        seeds: Examples that are understood, to start from.
    """

    name: str
    read: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def _hold(condition: object, promise: str) -> None:
    if not condition:
        raise Broken(promise)


def _spoken(error: Exception) -> None:
    """An error that is told can be sent, on one line."""
    words = json.dumps(error.as_dict(), ensure_ascii=False) if isinstance(error, OAuthError) else str(error)
    words.encode("utf-8")
    _hold("\n" not in words and "\r" not in words, "an error is one line")


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _members(data: bytes) -> Mapping[str, Any]:
    document = _json(data)
    return cast("Mapping[str, Any]", document) if isinstance(document, dict) else {}


def _challenge(data: bytes) -> None:
    text = data.decode("latin-1")
    for found in challenge.parse([text, text[::-1]]):
        if found.scheme.lower() != "bearer":
            continue
        try:
            built = challenge.build_bearer(found.parameters)
        except ValueError:
            continue
        again = challenge.parse_bearer([built])
        _hold(again is not None and again.parameters == found.parameters, "a challenge that is built is read the same")


def _token(data: bytes) -> None:
    text = data.decode("latin-1")
    try:
        read = unverified_token.read(text)
    except TokenRejected as error:
        return _spoken(error)
    _hold(read.signed.decode() + "." + encode(read.signature) == text, "a token has one spelling")
    try:
        access_token.verify(read, _PUBLIC, _RULES, NOW)
    except TokenRejected as error:
        return _spoken(error)
    raise Broken("nobody but the issuer signs")


def _signed_token(data: bytes) -> None:
    members, _, claims = data.partition(b"\n")
    raw = f"{encode(members)}.{encode(claims)}"
    signature = _RSA.sign(raw.encode(), padding.PKCS1v15(), hashes.SHA256())
    try:
        said = access_token.verify(unverified_token.read(f"{raw}.{encode(signature)}"), _PUBLIC, _RULES, NOW)
    except TokenRejected as error:
        return _spoken(error)
    meant: dict[str, Any] = json.loads(claims)
    audience: Any = meant["aud"]
    _hold(
        meant["iss"] == _RULES.issuer and URL in (audience if isinstance(audience, list) else [audience]),
        "an accepted token is from the issuer and for us",
    )
    _hold(meant["exp"] > NOW and meant["token_use"] == "access", "an accepted token is alive, and an access token")
    _hold(said.subject == meant["sub"] and said.client_id == meant["client_id"], "it says what another reader reads")
    return None


def _keys(data: bytes) -> None:
    try:
        found = read_keys(data)
    except ValueError:
        return
    _hold(0 < len(found) <= MAX_KEYS, "a bounded number of keys")
    for key in found.values():
        _hold(key.raw_value.key_size >= 2041, "no short key")


def _resource_metadata(data: bytes) -> None:
    document = _json(data)
    try:
        found = resource_metadata.parse(document)
        resource_metadata.validate_resource(found, URL)
    except _SPOKEN as error:
        return _spoken(error)
    _hold(urlsplit(found.resource).hostname == "mcp.example", "metadata is of the server that was asked")
    return None


def _server_metadata(data: bytes) -> None:
    issuer = _members(data).get("issuer")
    expected = issuer if isinstance(issuer, str) else "https://issuer.example"
    try:
        server_metadata.candidate_urls(expected)
        found = server_metadata.parse(_json(data), expected_issuer=expected)
    except _SPOKEN as error:
        return _spoken(error)
    _hold(found.issuer == expected, "the issuer is the one that was asked")
    for endpoint in (found.authorization_endpoint, found.token_endpoint, found.registration_endpoint):
        _hold(endpoint is None or resource.is_secure_url(endpoint), "endpoints are secure")
        _hold(
            not endpoint or httpx.URL(endpoint).host == (urlsplit(endpoint).hostname or ""), "one host to all readers"
        )
    return None


def _client_id_url(data: bytes) -> None:
    url = data.decode("latin-1")
    try:
        metadata_document.validate_client_id_url(url, allow_loopback_http=False)
    except OAuthError as error:
        return _spoken(error)
    parts, other = urlsplit(url), httpx.URL(url)
    _hold(parts.scheme == other.scheme == "https", "client ids are https")
    _hold(parts.hostname == other.host.lower(), "one host to all readers")
    _hold((parts.port or 443) == (other.port or 443) and not other.userinfo, "one port, nobody in it")
    return None


def _document(data: bytes) -> None:
    try:
        found = metadata_document.parse(_json(data), CLIENT)
    except OAuthError as error:
        return _spoken(error)
    _hold(found.redirect_uris and found.client_name, "a document names its client and the way back")
    _hold(found.token_endpoint_auth_method in ("none", "private_key_jwt"), "no shared secret")
    return None


def _registration(data: bytes) -> None:
    try:
        document = http.json_body({"body": data.decode("latin-1"), "isBase64Encoded": False})
        found = client_metadata.parse(document)
    except OAuthError as error:
        return _spoken(error)
    again = json.dumps(found.as_dict(), ensure_ascii=False).encode("utf-8")
    _hold(client_metadata.parse(json.loads(again)) == found, "what is registered is read the same again")
    _hold(
        all(redirect_uri.objection(uri) is None for uri in found.redirect_uris), "no redirect URI that is objected to"
    )
    return None


def _redirect_uri(data: bytes) -> None:
    first, _, second = data.decode("latin-1").partition("\n")
    registered = redirect_uri.is_registered(second, [first])
    for uri in (first, second):
        if redirect_uri.objection(uri) is None and uri.lower().startswith(("http:", "https:")):
            answered = redirect_uri.with_parameters(uri, {"code": "c&d", "state": "#"})
            hosts = {urlsplit(uri).hostname, httpx.URL(uri).host.lower(), httpx.URL(answered).host.lower()}
            _hold(len(hosts) == 1, "one host to all readers, before and after")
            _hold("#" not in answered and not httpx.URL(uri).userinfo, "no fragment, nobody in it")
    if registered and first != second:
        one, other = urlsplit(first), urlsplit(second)
        _hold(one.scheme.lower() == "http" and one.hostname in ("localhost", "127.0.0.1", "::1"), "loopback only")
        _hold(one.hostname == other.hostname and one.path == other.path and one.query == other.query, "only the port")


def _envelope(data: bytes) -> None:
    text = data.decode("latin-1")
    try:
        opened = _ENVELOPES.open(CheckedRequest, text)
    except EnvelopeRefused:
        return
    _hold(text == _SEALED and opened == _REQUEST, "an envelope is as it was sealed")


def _operation(data: bytes) -> None:
    for handshake, reader in ((True, from_json), (False, json.loads)):  # the readers that the SDK has in its two eras
        tool = operations.called_tool(message_of(data, handshake=handshake))
        missing = operations.Operations(URL).missing(tool, (f"{URL}/read",))
        try:
            message: Any = reader(data)
        except (ValueError, RecursionError):
            continue
        served = cast("dict[str, Any]", message) if isinstance(message, dict) else {}
        params: object = served.get("params")
        if served.get("method") == "tools/call" and isinstance(params, dict):
            name = cast("dict[str, Any]", params).get("name")
            _hold(
                tool == (name if isinstance(name, str) else None), "the tool that is served is the one that is judged"
            )
            _hold(name != "add_context" or missing, "what needs more than is granted is refused")


def _routing(data: bytes) -> None:
    broken = routing.read(data)
    _hold(not broken, "; ".join(broken))


def _version(data: bytes) -> None:
    header, _, body = data.partition(b"\n")
    sent: list[Mapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async def served(scope: Any, receive: Any, send: Any) -> None:
        got = await receive()
        _hold(got["body"] == body, "the body goes on as it came")

    scope = {"type": "http", "headers": [(b"mcp-protocol-version", header)] if header else []}
    with suppress(StopIteration):
        cast("Any", ProtocolVersion(served)(scope, receive, send)).send(None)
    if sent:
        _hold(sent[0]["status"] in (400, 413), "a refusal has its status")
        json.loads(sent[1]["body"])


def _assertion(data: bytes) -> None:
    keys: Any = {"keys": [_EC.as_dict(private=False)]}
    _verified(data.decode("latin-1"), keys)


def _signed_assertion(data: bytes) -> None:
    members, _, claims = data.partition(b"\n")
    keys = {"keys": [_EC.as_dict(private=False)]}
    if _members(members).get("alg") == "ES256":
        _verified(_sign(members, claims), keys)


def _assertion_keys(data: bytes) -> None:
    """The keys are the stranger's too, fetched from where he says; `Documents.keys` gives any object."""
    claims = {"iss": "app", "sub": "app", "aud": URL, "jti": "1", "exp": NOW + 60}
    for header in ({"alg": "ES256"}, {"alg": "ES256", "kid": "k"}):
        signed = jws.serialize_compact(header, json.dumps(claims), _EC)
        _verified(signed, _members(data))


def _verified(text: str, keys: Mapping[str, Any]) -> None:
    try:
        found = client_assertion.verify(text, client_id="app", keys=keys, audiences=[URL], now=NOW)
    except OAuthError as error:
        return _spoken(error)
    found.token_id.encode()
    _hold(NOW < found.expires_at <= NOW + client_assertion.MAX_LIFETIME, "an accepted assertion ends soon")
    return None


def _proof(data: bytes) -> None:
    members, newline, claims = data.partition(b"\n")
    text = data.decode("latin-1")
    if newline:
        jwk = _EC.as_dict(private=False)
        text = _sign(json.dumps({**_members(members), "jwk": jwk}).encode(), claims)
    try:
        found = dpop.verify(text, method="POST", url=URL, now=NOW, access_token="token")
    except OAuthError as error:
        return _spoken(error)
    found.token_id.encode()
    return None


def _client(data: bytes) -> None:
    header, _, body = data.decode("latin-1").partition("\n")
    try:
        pairs = (pair.partition("=") for pair in body.split("&"))
        form = authorization.single_valued((name, value) for name, _, value in pairs)
        token.read_client(header or None, form).client_id.encode()
    except OAuthError as error:
        return _spoken(error)
    return None


def _token_response(data: bytes) -> None:
    for status in (200, 400, 500):
        try:
            found = token.read_response(status, _json(data))
        except _SPOKEN as error:
            _spoken(error)
        else:
            _hold(status == 200 and found.access_token, "a good answer has a token")


def _authorization_response(data: bytes) -> None:
    try:
        code = authorization.read_response(
            f"http://localhost/cb?{data.decode('latin-1')}", state="s", issuer=_RULES.issuer, iss_advertised=True
        )
    except _SPOKEN as error:
        return _spoken(error)
    _hold(code and b"state" in data and b"iss" in data, "a code comes with state and issuer")
    return None


def _names(data: bytes) -> None:
    text = data.decode("latin-1")
    try:
        found = scopes.parse(text)
        _hold(scopes.parse(scopes.join(found)) == found, "scopes are read the same again")
    except OAuthError as error:
        _spoken(error)
    try:
        uri = resource.canonical(text)
        _hold(resource.canonical(uri) == uri, "canonical is canonical")
        _hold(urlsplit(uri).hostname == urlsplit(text).hostname, "of the same host")
    except OAuthError as error:
        _spoken(error)


def _form(data: bytes) -> None:
    try:
        pairs = wire.query_pairs(Request({"type": "http", "query_string": data, "headers": []}))
        found = wire.only(pairs, resource=URL)
    except OAuthError as error:
        return _spoken(error)
    _hold(len(pairs) <= 60 and all(len(wire.values(pairs, name)) <= 1 for name in found), "each parameter once")
    json.dumps(found, ensure_ascii=False).encode()
    return None


def _headers(data: bytes) -> None:
    request = Request({"type": "http", "headers": [(b"cookie", data), (b"authorization", data)]})
    _hold(_SESSIONS.find(request) is None, "nobody guesses a session")
    _hold(len(_BROWSERS.visitor(request)) == 43, "a visitor is well formed or new")
    _hold(not _BROWSERS.is_visitor(request, digest("another")), "one browser is not another")
    _BROWSERS.remember_visitor(Response(), _BROWSERS.visitor(request))
    try:
        found = credentials.bearer_token({b"authorization": data})
        _hold(found is None or ("," not in found and found), "a token is one")
    except OAuthError as error:
        _spoken(error)
    credentials.form_has_token(data)
    lines = (line.partition(": ") for line in data.decode("latin-1").lower().split("\n"))
    fields = {name: value for name, _, value in lines}
    lifetime = freshness(fields, NOW)
    _hold(lifetime <= 86_400, "nothing is kept for longer than a day")


def _sign(members: bytes, claims: bytes) -> str:
    raw = f"{encode(members)}.{encode(claims)}"
    algorithm = jws.JWSRegistry(algorithms=["ES256"]).get_alg("ES256")
    return f"{raw}.{encode(algorithm.sign(raw.encode(), _EC))}"


def encode(data: bytes) -> str:
    """Base64url as JWTs have it."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _dumped(**members: Any) -> bytes:
    return json.dumps(members).encode()


_JWK = RSAKey.import_key(_RSA.public_key()).as_dict(private=False)
_CLAIMS = {"iss": "https://issuer.example", "sub": "u", "client_id": "c", "token_use": "access", "aud": URL}
_GOOD = _dumped(**_CLAIMS, scope=f"{URL}/read", exp=NOW + 60, iat=NOW - 60, nbf=NOW - 60, act={"sub": "x"})
_METADATA: dict[str, Any] = {
    "client_name": "x",
    "redirect_uris": ["http://localhost/cb", "https://a.example/cb", "com.example:/cb"],
    "grant_types": ["authorization_code", "refresh_token"],
    "scope": "a b",
    "logo_uri": "https://a.example/x",
}
_SERVER: dict[str, Any] = {
    "authorization_endpoint": "https://i.example/a",
    "token_endpoint": "https://i.example/t",
    "response_types_supported": ["code"],
    "code_challenge_methods_supported": ["S256"],
}
_CALL: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "add_context", "arguments": {}, "_meta": {}},
}
_ASSERTION = {"iss": "app", "sub": "app", "aud": URL, "jti": "1", "exp": NOW + 60, "iat": NOW, "nbf": NOW}
_ATH = encode(sha256(b"token").digest())
_PROOF = {"jti": "1", "htm": "POST", "htu": URL, "iat": NOW, "ath": _ATH, "nonce": "n"}

_OLDER = routing.request("add_context", "mcp-protocol-version: 2025-11-25").replace(b'"_meta"', b'"x"')

PARSERS = (
    Parser("WWW-Authenticate", _challenge, (b'Bearer realm="a", scope="x y", error=invalid_token, Basic dGVzdA==',)),
    Parser(
        "access token",
        _token,
        (f"{encode(_dumped(alg='RS256', kid='k'))}.{encode(_GOOD)}.{encode(bytes(256))}".encode(),),
    ),
    Parser("access token, signed", _signed_token, (_dumped(alg="RS256", kid="k", typ="at+jwt") + b"\n" + _GOOD,)),
    Parser("JWKS", _keys, (_dumped(keys=[{**_JWK, "kid": "k", "use": "sig", "key_ops": ["verify"]}, {"kty": "EC"}]),)),
    Parser(
        "resource metadata",
        _resource_metadata,
        (_dumped(resource=URL, authorization_servers=["https://i.example"], scopes_supported=["a"]),),
    ),
    Parser("server metadata", _server_metadata, (_dumped(issuer="https://i.example", **_SERVER),)),
    Parser("client id URL", _client_id_url, (CLIENT.encode(), b"https://[2001:db8::1]:8443/a/b?c=d")),
    Parser("client metadata document", _document, (_dumped(client_id=CLIENT, **_METADATA),)),
    Parser("registration", _registration, (_dumped(**_METADATA, token_endpoint_auth_method="none"),)),
    Parser(
        "redirect URI",
        _redirect_uri,
        (b"http://localhost:1/cb?a=b\nhttp://localhost:65535/cb?a=b", b"http://[::1]/\nhttp://[::1]:1/"),
    ),
    Parser("envelope", _envelope, (_SEALED.encode(),)),
    Parser("JSON-RPC operation", _operation, (_dumped(**_CALL), b"[" + _dumped(**_CALL) + b"]")),
    Parser(
        "header routing",
        _routing,
        (
            routing.request("add_context"),
            routing.request("add_context", name="whoami"),
            routing.request("whoami", "Mcp-Protocol-Version: 2026-07-28", "mcp-method: tools/list", "mcp-name: whoami"),
            routing.request("add_context", name="=?base64?YWRkX2NvbnRleHQ=?="),
            _OLDER,
            _OLDER.replace(b"2025-11-25", b"2025-11-25\nmcp-method: tools/list"),
            _OLDER.replace(b"mcp-protocol-version: 2025-11-25", b"mcp-method: tools/list\nmcp-name: whoami"),
        ),
    ),
    Parser("protocol version", _version, (b"2025-11-25\n" + _dumped(**_CALL), b"x\n{}")),
    Parser("client assertion", _assertion, (_sign(b'{"alg":"ES256"}', b"{}").encode(),)),
    Parser("client assertion, signed", _signed_assertion, (b'{"alg":"ES256","kid":"k"}\n' + _dumped(**_ASSERTION),)),
    Parser(
        "keys of a client", _assertion_keys, (_dumped(keys=[_EC.as_dict(private=False), {"kty": "RSA", "n": "x"}]),)
    ),
    Parser("DPoP proof", _proof, (b'{"alg":"ES256","typ":"dpop+jwt"}\n' + _dumped(**_PROOF),)),
    Parser(
        "client authentication", _client, (b"Basic YTpi\ngrant_type=x&client_id=a", b"\nclient_id=a&client_secret=b")
    ),
    Parser(
        "token response", _token_response, (_dumped(access_token="a", token_type="Bearer", expires_in=9, scope="a"),)
    ),
    Parser(
        "authorization response",
        _authorization_response,
        (b"code=c&state=s&iss=https%3A%2F%2Fissuer.example", b"error=x&error_description=y&state=s"),
    ),
    Parser("scopes and resources", _names, (b"a b c", b"https://MCP.example:443/mcp?x")),
    Parser("form", _form, (b"client_id=a&resource=https%3A%2F%2Fmcp.example%2Fmcp&x=%C3%A9",)),
    Parser(
        "headers",
        _headers,
        (b"Bearer abc", b"s=a; mcp-bridge-visitor=" + b"x" * 43, b"cache-control: max-age=9\nage: 3\nexpires: 0"),
    ),
)
"""All of them."""
