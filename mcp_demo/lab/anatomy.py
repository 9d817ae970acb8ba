"""A token taken apart: what each member means, where that is written, and what this server says to it.

The verdicts are the server's own (`mcp_demo.oauth.access_token`): each member is put alone into a token that is right
in everything else, signed with a key of ours, and judged. The token itself is never shown.
"""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from html import escape
from typing import Any, cast

import httpx
from joserfc.jwk import KeySet, RSAKey

from conformance.issuer import TestIssuer
from mcp_demo import cognito
from mcp_demo.exchange.model import Exchange
from mcp_demo.exchange.redact import shorten
from mcp_demo.lab.box import BAD, GOOD, MONO, QUIET_TEXT, STRONG, box, element, link, table
from mcp_demo.lab.display import Shown
from mcp_demo.local.state import Run
from mcp_demo.oauth.access_token import Rules, verify
from mcp_demo.oauth.unverified_token import REASONS, Reason, TokenRejected, read

_TIMES = ("exp", "iat", "nbf", "auth_time")
_HEADER: Mapping[str, tuple[str, str]] = {
    "alg": ("how it is signed; the server decides which one it takes, not the token", "RFC 7515 §4.1.1"),
    "kid": ("the name of the key, to be looked up among the issuer's", "RFC 7515 §4.1.4"),
    "typ": ("what kind of JWT it says it is", "RFC 7515 §4.1.9"),
}
_CLAIMS: Mapping[str, tuple[str, str]] = {
    "iss": ("who made it", "RFC 7519 §4.1.1"),
    "aud": ("which server it is for", "RFC 7519 §4.1.3"),
    "token_use": ("access or ID token: Cognito's own way to tell", "Cognito docs › Access token"),
    "scope": ("what it allows", "RFC 9068 §2.2.3"),
    "exp": ("from when on it is dead", "RFC 7519 §4.1.4"),
    "nbf": ("from when on it is alive", "RFC 7519 §4.1.5"),
    "iat": ("when it was made", "RFC 7519 §4.1.6"),
    "sub": ("whom it is about: the user's unchanging id", "RFC 7519 §4.1.2"),
    "jti": ("its own name", "RFC 7519 §4.1.7"),
    "client_id": ("which client it was given to", "RFC 9068 §2.2"),
    "auth_time": ("when the person signed in", "RFC 9068 §2.2.1"),
    "username": ("the user's name in the pool", "Cognito docs › Access token"),
    "version": ("the version of Cognito's token format", "Cognito docs › Access token"),
    "origin_jti": ("ties it to the sign-in, so that both can be revoked", "Cognito docs › Access token"),
    "event_id": ("the sign-in, as the logs name it", "Cognito docs › Access token"),
    "cognito:username": ("the user's name in the pool", ""),
    "at_hash": ("ties an ID token to its access token", "OIDC Core §3.1.3.6"),
}
_RULED = frozenset({"iss", "aud", "exp", "nbf", "iat", "token_use", "scope", "client_id", "sub"})


def token(thing: str | Exchange, run: Run) -> Shown:
    """What a token says, member by member, and whether this MCP server would take it.

    Args:
        thing: A token, or an exchange that carries one: a token response, or a request with a bearer token.
        run: The running system, whose MCP server judges.
    """
    raw = _token_in(thing) if isinstance(thing, Exchange) else thing
    rules = Rules(run.issuer, run.server, frozenset(cognito.scopes(run.server)), run.audience)
    refused, signature = _judged(raw, rules, run.jwks_uri)
    header, claims = _parts(raw)
    missing = dict.fromkeys(_required(rules) - claims.keys()) if claims else {}
    rows = [_row("header", name, value, *_HEADER.get(name, ("", "")), "") for name, value in header.items()]
    rows += [
        _row(
            "claim", name, value, *_CLAIMS.get(name, ("this server has no rule for it", "")), _alone(name, value, rules)
        )
        for name, value in sorted((claims | missing).items(), key=_place)
    ]
    return _drawn(raw, refused, signature, rows)


Row = tuple[str, str, str, str, str, str]


def _row(part: str, name: str, value: object, meaning: str, section: str, verdict: str) -> Row:
    return part, name, _words(name, value), meaning, section, verdict


def _place(claim: tuple[str, object]) -> int:
    """The claims in the order of the table above, strangers last."""
    return list(_CLAIMS).index(claim[0]) if claim[0] in _CLAIMS else len(_CLAIMS)


def _words(name: str, value: object) -> str:
    if value is None:
        return "(missing)"
    if name in _TIMES and isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value} · {datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return value if isinstance(value, str) else json.dumps(value)


def _required(rules: Rules) -> set[str]:
    return {"iss", "exp", "token_use", "sub", "client_id", "scope"} | (
        {"aud"} if rules.audience == "resource" else set()
    )


def _token_in(exchange: Exchange) -> str:
    """The token that an exchange carries; empty if there is none."""
    if exchange.response is not None and exchange.response.body.startswith(b"{"):
        found: dict[str, Any] = json.loads(exchange.response.body)
        if isinstance(found.get("access_token"), str):
            return cast("str", found["access_token"])
    return (exchange.request.header("authorization") or "").partition(" ")[2]


def _parts(raw: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        unverified = read(raw)
    except TokenRejected:
        from conformance.mutants.plant import peek

        found = peek(raw)
        return found if found else ({}, {})
    header: dict[str, Any] = {"alg": unverified.algorithm, "kid": unverified.key_id}
    return header, dict(unverified.claims)


def _judged(raw: str, rules: Rules, jwks_uri: str) -> tuple[Reason | None, str]:
    """Why the server refuses the token, None if it takes it; and what became of the signature."""
    try:
        unverified = read(raw)
    except TokenRejected as refused:
        return refused.reason, "– not looked at"
    try:
        verify(unverified, _key(jwks_uri, unverified.key_id), rules, time.time())
    except TokenRejected as refused:
        bad = refused.reason in ("key", "algorithm", "signature")
        return refused.reason, "✗ does not verify" if bad else "✓ verifies"
    return None, "✓ verifies"


def _key(jwks_uri: str, key_id: str) -> RSAKey:
    found = KeySet.import_key_set(httpx.get(jwks_uri, timeout=10).json())
    for key in found.keys:
        if isinstance(key, RSAKey) and key.kid == key_id:
            return key
    raise TokenRejected("key")


@cache
def _ours() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "lab"}, private=True)


def _alone(name: str, value: object, rules: Rules) -> str:
    """What the server says to one claim, all else being right: `✓`, `✗ reason`, or nothing if it has no rule for it."""
    if name not in _RULED:
        return ""
    if name == "scope" and not str(value or "").strip():
        return "✗ allows nothing"  # a token without scopes is believed, and answered 403
    issuer = TestIssuer(rules.issuer, _ours(), rules.resource, tuple(sorted(rules.scopes)), rules.audience)
    claims = issuer.token_claims()
    if value is None:
        claims.pop(name, None)
    else:
        claims[name] = value
    try:
        verify(read(issuer.sign({"alg": "RS256", "kid": "lab"}, claims)), _ours(), rules, time.time())
    except TokenRejected as refused:
        return f"✗ {refused.reason}"
    return "✓ fits"


def _drawn(raw: str, refused: Reason | None, signature: str, rows: list[Row]) -> Shown:
    said = f"✗ Refused here: {REASONS[refused]}" if refused else "✓ Accepted here: signature and every claim fit."
    short = shorten(raw) if raw else "no token"
    cells = [
        (
            element("span", MONO, escape(name)) + element("div", QUIET_TEXT, part),
            element("span", MONO, escape(value)),
            f"{_marked(verdict)} {escape(meaning)} {link(section) if section else ''}",
        )
        for part, name, value, meaning, section, verdict in rows
    ]
    mood = BAD if refused else GOOD
    html = box(
        "A token taken apart",
        element("p", STRONG, f"Token <span style='{MONO}'>{escape(short)}</span>"),
        element("p", f"margin:0 0 6px;{mood}", escape(said)),
        table(cells, ("member", "value", "this server's verdict, and what it means")),
        element("p", "margin:0", f"Signature: {_marked(signature)}"),
    )
    text = [f"Token {short}", said, ""]
    text += [
        f"{part:<6}  {name:<10}  {value}  {verdict}  ({'; '.join(filter(None, (meaning, section)))})"
        for part, name, value, meaning, section, verdict in rows
    ]
    return Shown(html, "\n".join([*text, f"signature  {signature}"]))


def _marked(verdict: str) -> str:
    return element("strong", BAD if verdict.startswith("✗") else GOOD, escape(verdict)) if verdict else ""
