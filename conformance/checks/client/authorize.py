"""The authorization request: PKCE, state, and what is opened in a browser (OAuth 2.1, Security Best Practices)."""

import re
from collections.abc import Iterator

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.client import checks
from conformance.personas import Hit, Play
from conformance.views.client import Client, answer_of, body_of, texts
from mcp_demo.oauth import pkce
from mcp_demo.oauth.redirect_uri import is_loopback, is_registered

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_UNGUESSABLE = 16
"""Characters of a state below which we do not believe that it has the 128 bits that keep guessing hopeless."""


@checks.add(
    "client.authorize.pkce",
    "CL-PKCE",
    expected="a fresh code_challenge in each authorization request, and its verifier in the token request",
    why="A code that is intercepted is worth nothing to who lacks the verifier.",
    fix="Make 32 random bytes for each request; send their hash in front, and themselves with the code.",
    cognito="A user pool does not ask for PKCE; it is the client that has to.",
)
def pkce_used(client: Client) -> Problems:
    """Each authorization request has PKCE, with a verifier of its own."""
    plays = [client.control(), client.play("expiry-without-refresh"), client.play("state-altered")]
    seen: set[str] = set()
    requests = [hit for play in plays for hit in play.authorizations]
    if len(requests) < 2:
        raise Blocked("The client made one authorization request and no more, so they cannot be compared.")
    for hit in requests:
        given = hit.fields.get("code_challenge")
        if not given:
            yield Problem("an authorization request has no code_challenge", hit.exchange)
        elif given in seen:
            yield Problem("two authorization requests have the same code_challenge", hit.exchange)
        seen.add(given or "")
    yield from (problem for play in plays for problem in _verifiers(play))


def _verifiers(play: Play) -> Iterator[Problem]:
    for hit in play.code_requests:
        asked = play.world.issuer.codes.get(hit.fields.get("code", ""), {})
        verifier, given = hit.fields.get("code_verifier", ""), asked.get("code_challenge")
        if not given:
            continue
        if not pkce.is_verifier(verifier):
            words = (
                "no code_verifier" if not verifier else "a code_verifier that is not 43 to 128 unreserved characters"
            )
            yield Problem(f"a token request has {words}", hit.exchange)
        elif given not in (verifier, pkce.challenge(verifier)):
            yield Problem("a code_verifier does not belong to its code_challenge", hit.exchange)


@checks.add(
    "client.authorize.s256",
    "CL-PKCE-S256",
    expected="code_challenge_method=S256, or no authorization request at all",
    why="With plain the challenge is the verifier, so that who sees the request can use the code.",
    fix="Always send S256; do not take the first method that the server lists.",
)
def s256(client: Client) -> Problems:
    """The challenge method is S256, whatever the server lists."""
    for name in ("helpful", "plain-first", "plain-only"):
        play = client.faced(name, "metadata")
        for hit in play.authorizations[:1]:
            method = hit.fields.get("code_challenge_method", "plain")
            if hit.fields.get("code_challenge") and method != "S256":
                yield Problem(f"{play.scenario.says}: the method is {method}", hit.exchange)


@checks.add(
    "client.authorize.pkce-unlisted",
    "CL-PKCE-VERIFY-SUPPORT",
    expected="no authorization request to an issuer whose metadata has no code_challenge_methods_supported",
    why="A server that knows nothing of PKCE ignores the challenge, and the code is unprotected.",
    fix="Refuse, with a message that names the missing member.",
    cognito="A user pool supports S256 and does not say so: MCP clients refuse it unless something adds the member.",
)
def pkce_unlisted(client: Client) -> Problems:
    """An issuer that does not list PKCE is refused."""
    plays = [client.faced("pkce-unlisted", "metadata"), client.play("pkce-unlisted-openid")]
    for play in plays:
        for hit in play.authorizations[:1]:
            yield Problem(f"{play.scenario.says}: the client went on", hit.exchange)


@checks.add(
    "client.authorize.state",
    "CL-STATE",
    expected="an unguessable state, and no token request after a response with another one, or with none",
    why="Otherwise somebody can have the client finish a sign-in that is not its user's (CSRF).",
    fix="Make a random state for each request, and compare it before anything else in the response is looked at.",
)
def state(client: Client) -> Problems:
    """Responses without the right state are discarded."""
    stale = client.faced("state-stale", "authorize")
    sent = [hit for play in (client.control(), stale) for hit in play.authorizations]
    values = [hit.fields.get("state", "") for hit in sent]
    short = [hit for hit, value in zip(sent, values, strict=True) if len(value) < _UNGUESSABLE]
    if short:
        words = "has no state" if not short[0].fields.get("state") else "has a state that can be guessed"
        yield Problem(f"an authorization request {words}", short[0].exchange)
        return
    if len(set(values)) < len(values):
        yield Problem("two authorization requests have the same state", sent[-1].exchange)
    for name in ("state-missing", "state-altered"):
        play = client.faced(name, "authorize")
        for hit in play.code_requests[:1]:
            yield Problem(f"{play.scenario.says}: its code was used", hit.exchange)
    for hit in stale.code_requests[1:2]:
        yield Problem(f"{stale.scenario.says}: its code was used", hit.exchange)


@checks.add(
    "client.authorize.endpoint-scheme",
    "CL-AUTHZ-URL-SCHEME",
    expected="nothing is opened that is not https, or http on this machine",
    why="A hostile server could run a script, or a program of the user's choice, by naming it as its endpoint.",
    fix="Check the scheme of authorization_endpoint before the browser is started.",
)
def endpoint_scheme(client: Client) -> Problems:
    """Only web addresses are opened in the browser."""
    if not client.control().opened:
        raise NotApplicable("The client opens no browser; it follows the URL itself.")
    for name in ("endpoint-javascript", "endpoint-file", "endpoint-custom"):
        play = client.faced(name, "metadata")
        bad = [url for url in play.opened if not url.lower().startswith(("https:", "http:"))]
        if bad:
            scheme = _SCHEME.match(bad[0])
            words = f"{play.scenario.says}: {scheme[0] if scheme else 'something'} was opened"
            yield Problem(words, play.hits("metadata")[-1].exchange)


@checks.add(
    "client.authorize.no-shell",
    "CL-AUTHZ-URL-NO-SHELL",
    expected="a URL with shell characters is opened as it is, or refused; no part of it is run",
    why="Whoever names the endpoint could run commands on the user's machine (CVE-2025-6514).",
    fix="Start the browser with an argument list, never with a command line.",
)
def no_shell(client: Client) -> Problems:
    """No part of the authorization URL is run as a command."""
    play = client.faced("endpoint-shell", "metadata")
    if play.ran_canary:
        yield Problem("a command in the authorization endpoint was run", play.hits("metadata")[-1].exchange)


@checks.add(
    "client.authorize.redirect-registered",
    "CL-REDIRECT-REGISTERED",
    expected="a redirect URI that was registered, or is in the metadata document; on this machine any port of it",
    why="A redirect URI that nobody registered is refused by careful servers, and an open door at careless ones.",
    fix="Keep the redirect URI with the registration, and register again when it has to change.",
)
def redirect_registered(client: Client) -> Problems:
    """Only registered redirect URIs are used."""
    client.control()
    found = [pair for name in ("helpful", "documents-only") for pair in _with_registered(client, name)]
    if not found:
        raise NotApplicable("The client neither registers nor has a metadata document.")
    for hit, registered in found:
        used = hit.fields.get("redirect_uri", "")
        if not is_registered(used, registered):
            yield Problem(f"{used} is not among {', '.join(registered) or 'none'}", hit.exchange)


def _with_registered(client: Client, name: str) -> Iterator[tuple[Hit, tuple[str, ...]]]:
    """The authorization requests of a scenario, with the redirect URIs that are registered for their client id."""
    play = client.play(name)
    registered = {
        str(answer_of(hit).get("client_id")): texts(body_of(hit).get("redirect_uris")) for hit in play.hits("register")
    }
    for hit in play.authorizations:
        identifier = hit.fields.get("client_id", "")
        if identifier in registered:
            yield hit, registered[identifier]
        elif "://" in identifier and name == "documents-only":
            try:
                yield hit, texts(client.document()[1].get("redirect_uris"))
            except Blocked:
                continue  # client.registration.document-url says that it cannot be read


@checks.add(
    "client.authorize.redirect-scheme",
    "CL-REDIRECT-SCHEME",
    expected="redirect URIs that are https, or http on this machine, and a listener on loopback only",
    why="Over plain http everybody on the way sees the code, and a listener on all addresses hears strangers.",
    fix="Use http://127.0.0.1:PORT/… with a listener bound to 127.0.0.1.",
)
def redirect_scheme(client: Client) -> Problems:
    """Responses come back over https, or to this machine only."""
    play = client.control()
    registered = [(uri, hit) for hit in play.hits("register") for uri in texts(body_of(hit).get("redirect_uris"))]
    used = [(hit.fields.get("redirect_uri", ""), hit) for hit in play.authorizations]
    if not used:
        raise NotApplicable("The client made no authorization request.")
    for uri, hit in [*registered, *used]:
        if not uri.startswith("https://") and not is_loopback(uri):
            private = not uri.startswith("http:") and _SCHEME.match(uri) is not None
            yield Problem(f"the redirect URI {uri}", hit.exchange, soft=private)
    for _, hit in used:
        if "any" in hit.listening:
            yield Problem("the callback is listened for at all addresses of the machine", hit.exchange)
