"""Bugs in metadata, registration, and the answers that anybody can see."""

# Stand-ins are given by the path of what they replace, so their parameters have no type to infer.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from conformance.mutants.authz_plant import broken, mutant
from conformance.mutants.authz_reference import CALLBACK, Lab
from conformance.mutants.plant import Answer, Forward, Seen

_WELL_KNOWN = "/.well-known/oauth-authorization-server"
_JSON = (b"content-type", b"application/json")


def query(seen: Seen) -> dict[str, str]:
    """The query parameters; of repeated ones the last."""
    return dict(parse_qsl(seen.query.decode(), keep_blank_values=True))


def with_query(seen: Seen, **changes: str | None) -> Seen:
    """The request with other query parameters."""
    kept = {name: value for name, value in {**query(seen), **changes}.items() if value is not None}
    return replace(seen, query=urlencode(kept).encode())


def with_form(seen: Seen, **changes: str | None) -> Seen:
    """The request with another form."""
    form = {**dict(parse_qsl(seen.body.decode("latin-1"))), **changes}
    return replace(seen, body=urlencode({name: value for name, value in form.items() if value is not None}).encode())


def form(seen: Seen) -> dict[str, str]:
    """The members of the form."""
    return dict(parse_qsl(seen.body.decode("latin-1")))


def redirected(url: str) -> Answer:
    """A redirect."""
    return Answer(302, [(b"location", url.encode())])


def _document(name: str, bug: str, check: str, *also: str, **members: Any) -> None:
    """A bug in the metadata; a value of ... leaves a member out."""

    async def changed(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        answer = await forward(seen)
        if seen.path != _WELL_KNOWN or seen.method != "GET":
            return answer

        def change(document: dict[str, Any]) -> None:
            for key, value in members.items():
                made = value(lab, document) if callable(value) else value
                document.pop(key, None) if made is ... else document.__setitem__(key, made)

        return answer.document(change)

    changed.__name__, changed.__doc__ = name, bug
    mutant(check, *also)(changed)


@mutant("as.metadata.published", "*")
async def has_no_metadata(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The metadata is nowhere."""
    return Answer(404) if seen.path == _WELL_KNOWN else await forward(seen)


@mutant("as.metadata.location", "*", path="/t")
async def appends_the_well_known_part(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The issuer has a path, and the well-known part is put behind it."""
    return (
        await forward(replace(seen, path=seen.path.removeprefix("/t"))) if seen.path.startswith("/t/") else Answer(404)
    )


_document(
    "issuer_with_slash",
    "The issuer in the metadata ends with a slash.",
    "as.metadata.issuer",
    issuer=lambda lab, _: lab.bridge + "/",
)
_document("emits_null", "A member that is not set is null.", "as.metadata.fields", service_documentation=None)
_document(
    "no_response_types", "response_types_supported is missing.", "as.metadata.fields", response_types_supported=...
)
_document("no_pkce", "PKCE is not announced.", "as.metadata.pkce", code_challenge_methods_supported=...)
_document(
    "offers_plain",
    "The method plain is announced.",
    "as.metadata.pkce",
    code_challenge_methods_supported=["S256", "plain"],
)
_document(
    "dead_endpoint",
    "An endpoint is announced that is not there.",
    "as.metadata.truthful",
    introspection_endpoint=lambda lab, _: lab.bridge + "/introspect",
)
_document(
    "omits_none",
    "Public clients are admitted, but not announced.",
    "as.metadata.truthful",
    token_endpoint_auth_methods_supported=["client_secret_basic"],
)
_document(
    "inner_http",
    "An endpoint is announced by its inner address.",
    "as.transport.https",
    jwks_uri="http://bridge.internal:8080/keys",
)
_document(
    "hides_documents",
    "URLs are client ids, but the metadata does not say so.",
    "as.documents.flag",
    client_id_metadata_document_supported=...,
)
_document(
    "hides_iss",
    "iss is sent, but not announced.",
    "as.response.iss-flag",
    authorization_response_iss_parameter_supported=...,
)
broken("no_documents", "URLs are no client ids.", "as.documents.supported", settings={"metadata_documents": False})


@mutant("as.metadata.fields")
async def metadata_as_text(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The metadata is text/plain."""
    answer = await forward(seen)
    return answer.with_header(b"content-type", b"text/plain") if seen.path == _WELL_KNOWN else answer


@mutant("as.documents.flag")
async def ignores_documents(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The flag is set, but a URL is an unknown client."""
    foreign = seen.path == "/authorize" and query(seen).get("client_id", "").startswith("http")
    return await forward(with_query(seen, client_id="unknown")) if foreign else await forward(seen)


# --- registration


def _registers(
    name: str, bug: str, check: str, change: Callable[[dict[str, Any]], object], *also: str, status: int | None = None
) -> None:
    """A bug in the answer to a registration."""

    async def changed(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        answer = await forward(seen)
        if seen.path != "/register" or answer.status != 201:
            return answer
        found = replace(answer, status=200).document(change)
        return replace(found, status=status or 201)

    changed.__name__, changed.__doc__ = name, bug
    mutant(check, *also)(changed)


def _asks(name: str, bug: str, check: str, change: Callable[[dict[str, Any]], object], *also: str) -> None:
    """A bug in what of a registration is read."""

    async def changed(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        if seen.path != "/register":
            return await forward(seen)
        try:
            document = json.loads(seen.body)
        except ValueError:
            return await forward(seen)
        if isinstance(document, dict):
            change(document)
        return await forward(replace(seen, body=json.dumps(document).encode()))

    changed.__name__, changed.__doc__ = name, bug
    mutant(check, *also)(changed)


@mutant("as.registration.offered")
async def registration_not_deployed(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Registration is announced, but not deployed."""
    return Answer(404) if seen.path == "/register" else await forward(seen)


_registers("registered_200", "A registration is answered 200.", "as.registration.response", lambda _: None, status=200)
_registers(
    "no_expiry",
    "A secret comes without its expiry.",
    "as.registration.response",
    lambda made: made.pop("client_secret_expires_at", None),
)
_registers(
    "only_an_id",
    "Only the client_id is returned.",
    "as.registration.echo",
    lambda made: [
        made.pop(name)
        for name in ("redirect_uris", "grant_types", "token_endpoint_auth_method", "client_name")
        if name in made
    ],
)
_registers(
    "secret_for_all",
    "Public clients are given a secret.",
    "as.registration.auth-method",
    lambda made: made.update(client_secret="s" * 40 + made["client_id"], client_secret_expires_at=0),
)
_registers(
    "one_client",
    "All registrations get the same client.",
    "as.registration.unique",
    lambda made: made.update(client_id="app"),
)
_registers(
    "no_management_token",
    "The token for managing is left out.",
    "as.management.token",
    lambda made: made.pop("registration_access_token", None),
)
_registers(
    "grants_scopes",
    "Any scope is registered.",
    "as.registration.privilege-cap",
    lambda made: made.update(scope=made.get("scope", "") + " admin aws.cognito.signin.user.admin"),
)
_registers(
    "grants_grants",
    "Any grant is registered.",
    "as.registration.privilege-cap",
    lambda made: made.update(grant_types=["authorization_code", "refresh_token", "client_credentials", "password"]),
)


@mutant("as.registration.response")
async def registration_cacheable(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A registration may be cached."""
    answer = await forward(seen)
    return answer.with_header(b"cache-control", None) if seen.path == "/register" else answer


def _safe(document: dict[str, Any]) -> None:
    uris = document.get("redirect_uris")
    bad = isinstance(uris, list) and not any(
        str(uri).startswith(("https://client.conformance.example/callback", "http://127.")) and "#" not in str(uri)
        for uri in uris
    )
    if bad or uris is None:
        document["redirect_uris"] = ["http://127.0.0.1:49152/callback"]


_asks("any_redirect_uri", "Any string is a redirect URI.", "as.registration.redirect-policy", _safe)
_asks(
    "native_refused",
    "A native client is refused.",
    "as.registration.application-type",
    lambda document: (
        document.update(redirect_uris=["nowhere"]) if document.get("application_type") == "native" else None
    ),
)


@mutant("as.registration.application-type")
async def crashes_over_type(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """An unknown application_type is a crash."""
    return Answer(500) if seen.path == "/register" and b"conformance-unknown" in seen.body else await forward(seen)


@mutant("as.registration.errors")
async def gateway_errors(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A body that is not JSON gets the gateway's own message."""
    answer = await forward(seen)
    if seen.path == "/register" and not seen.body.startswith(b"{") and answer.status == 400:
        return Answer(400, [_JSON], b'{"message": "Invalid request body"}')
    return answer


@mutant("as.registration.errors")
async def registration_crashes(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Wrong member types are a crash."""
    return Answer(500) if seen.path == "/register" and b'"not a list"' in seen.body else await forward(seen)


@mutant("as.registration.initial-token")
async def token_only_if_sent(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Registering takes a token, but its refusal carries no challenge."""
    return Answer(401, [_JSON], b'{"error": "invalid_token"}') if seen.path == "/register" else await forward(seen)


# --- management


@mutant("as.management.token")
async def registration_for_all(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Whoever knows a client_id can read its registration."""
    if seen.path.startswith("/register/") and seen.method == "GET" and lab.registry.get(seen.path.rpartition("/")[2]):
        return Answer(200, [_JSON], b"{}")
    return await forward(seen)


@mutant("as.management.lifecycle")
async def update_unchecked(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """An update is not validated."""
    return Answer(200, [_JSON], b"{}") if seen.method == "PUT" else await forward(seen)


@mutant("as.management.lifecycle")
async def deletes_nothing(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A deletion is answered 204, and deletes nothing."""
    return Answer(204) if seen.method == "DELETE" else await forward(seen)


# --- authorization endpoint and redirects


def _authorizes(name: str, bug: str, check: str, change: Callable[[dict[str, str], Lab], Any], *also: str) -> None:
    """A bug in how an authorization request is read."""

    async def changed(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        if seen.path != "/authorize":
            return await forward(seen)
        given = query(seen)
        made = change(given, lab)
        if isinstance(made, Answer):
            return made
        return await forward(with_query(seen, **made)) if made is not None else await forward(seen)

    changed.__name__, changed.__doc__ = name, bug
    mutant(check, *also)(changed)


_authorizes(
    "last_value_counts", "Of repeated parameters the last counts.", "as.authorize.parameters", lambda given, _: {}
)
_authorizes(
    "unknown_parameter",
    "Unknown parameters are refused.",
    "as.authorize.parameters",
    lambda given, _: {"client_id": "unknown"} if "conformance_unknown" in given else None,
)
_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
_authorizes(
    "pkce_optional",
    "PKCE is optional.",
    "as.authorize.pkce-required",
    lambda given, _: (
        None if "code_challenge" in given else {"code_challenge": _CHALLENGE, "code_challenge_method": "S256"}
    ),
)
_authorizes(
    "any_method",
    "The challenge method is not read.",
    "as.authorize.pkce-method",
    lambda given, _: {"code_challenge_method": "S256"} if "code_challenge" in given else None,
)
_authorizes(
    "method_may_lack",
    "A missing method is taken as S256.",
    "as.authorize.pkce-method",
    lambda given, _: (
        {"code_challenge_method": "S256"}
        if "code_challenge" in given and "code_challenge_method" not in given
        else None
    ),
)
_authorizes(
    "strands_the_client",
    "Errors end on a page.",
    "as.authorize.error",
    lambda given, _: (
        Answer(
            400,
            [(b"content-type", b"application/json"), (b"content-security-policy", b"frame-ancestors 'none'")],
            b"{}",
        )
        if given.get("response_type") == "foo"
        else None
    ),
)
_authorizes(
    "error_without_state",
    "Errors come without state.",
    "as.authorize.error",
    lambda given, _: (
        redirected(CALLBACK + "?error=unsupported_response_type")
        if given.get("response_type") == "foo" and given.get("client_id") == "app"
        else None
    ),
)
_authorizes(
    "implicit",
    "The implicit grant works.",
    "as.authorize.no-legacy-grants",
    lambda given, _: (
        redirected(given["redirect_uri"] + "#access_token=x&token_type=Bearer")
        if given.get("response_type") == "token"
        else None
    ),
)
_authorizes(
    "open_redirector",
    "Errors go wherever the request says.",
    "as.redirect.no-open",
    lambda given, _: (
        redirected(given["redirect_uri"] + "?error=invalid_client")
        if given.get("client_id") == "conformance-unknown"
        else None
    ),
)
_authorizes(
    "redirects_by_script",
    "Errors go wherever the request says, by a script.",
    "as.redirect.no-open",
    lambda given, _: (
        Answer(
            200,
            [(b"content-type", b"text/html"), (b"content-security-policy", b"frame-ancestors 'none'")],
            f"<script>location.replace('{given['redirect_uri']}')</script>".encode(),
        )
        if given.get("client_id") == "conformance-unknown"
        else None
    ),
)
_authorizes(
    "errors_at_once",
    "A client that nobody checked is sent errors at once.",
    "as.redirect.untrusted",
    lambda given, _: (
        redirected(given["redirect_uri"] + "?error=invalid_scope&state=" + given.get("state", ""))
        if given.get("scope") == "conformance:x" and "client.conformance" in given["redirect_uri"]
        else None
    ),
)


def _matching(name: str, bug: str, check: str, matches: Callable[[str, str], bool], *also: str) -> None:
    """A bug in how redirect URIs are compared: what fits is put in the place of the registered one."""
    broken(
        name,
        bug,
        check,
        *also,
        rules={
            "mcp_demo.bridge.authorize.is_registered": lambda uri, registered: any(
                matches(uri, known) for known in registered
            ),
            "mcp_demo.bridge.authorize.objection": lambda uri: None,
        },
    )


def _portless(uri: str) -> str:
    parts = urlsplit(uri)
    loopback = parts.hostname in ("127.0.0.1", "localhost")
    return uri.replace(parts.netloc, parts.hostname or "", 1) if loopback else uri


_matching(
    "prefix",
    "A redirect URI needs to begin like a registered one.",
    "as.redirect.exact",
    lambda uri, known: _portless(uri) == _portless(known) or (known.startswith("https") and uri.startswith(known)),
)
_matching(
    "any_case",
    "Redirect URIs are compared without regard to case.",
    "as.redirect.exact",
    lambda uri, known: _portless(uri).lower() == _portless(known).lower(),
)
_matching(
    "port_counts",
    "The port of a loopback redirect URI counts.",
    "as.redirect.loopback-port",
    lambda uri, known: uri == known,
)
_matching(
    "any_loopback",
    "Any loopback address is taken for any other.",
    "as.redirect.loopback-narrow",
    lambda uri, known: (
        uri == known
        or (urlsplit(known).hostname == "127.0.0.1" and urlsplit(uri).hostname in ("127.0.0.1", "localhost"))
    ),
)


@mutant("as.authorize.clickjacking")
async def frames_allowed(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The pages may be framed."""
    return (await forward(seen)).with_header(b"content-security-policy", None).with_header(b"x-frame-options", None)


# --- CORS


@mutant("as.cors.endpoints")
async def cors_on_metadata_only(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Pages may read the metadata, but not the tokens."""
    answer = await forward(seen)
    return answer.with_header(b"access-control-allow-origin", None) if seen.path == "/token" else answer


@mutant("as.cors.not-authorize")
async def cors_everywhere(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """CORS covers the authorization endpoint."""
    answer = await forward(seen)
    return answer.with_header(b"access-control-allow-origin", b"*") if seen.path == "/authorize" else answer
