"""Bugs in how authorization requests and their redirect URIs are read."""

# Stand-ins are given by the path of what they replace, so their parameters have no type to infer.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from conformance.mutants.authz_messages import query, redirected, with_query
from conformance.mutants.authz_plant import broken, mutant
from conformance.mutants.authz_reference import CALLBACK, Lab
from conformance.mutants.plant import Answer, Forward, Seen


def _authorizes(name: str, bug: str, check: str, change: Callable[[dict[str, str], Lab], Any]) -> None:
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
    mutant(check)(changed)


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


def _matching(name: str, bug: str, check: str, matches: Callable[[str, str], bool]) -> None:
    """A bug in how redirect URIs are compared: what fits is put in the place of the registered one."""
    broken(
        name,
        bug,
        check,
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
    "localhost_port_counts",
    "The port counts for localhost, not for 127.0.0.1.",
    "as.redirect.loopback-port",
    lambda uri, known: uri == known or (urlsplit(known).hostname == "127.0.0.1" and _portless(uri) == _portless(known)),
)
_matching(
    "any_loopback",
    "Any loopback address is taken for any other.",
    "as.redirect.loopback-narrow",
    lambda uri, known: (
        _portless(uri) == _portless(known)
        or (urlsplit(known).hostname == "127.0.0.1" and urlsplit(uri).hostname in ("127.0.0.1", "localhost"))
    ),
)


@mutant("as.authorize.clickjacking")
async def frames_allowed(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The pages may be framed."""
    return (await forward(seen)).with_header(b"content-security-policy", None).with_header(b"x-frame-options", None)
