"""Bugs in codes, tokens, client documents, consent: what shows only to who goes further."""

# Stand-ins are given by the path of what they replace, so their parameters have no type to infer.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from conformance.mutants.authz_front import form, query, with_form, with_query
from conformance.mutants.authz_plant import MUTANTS, broken, mutant
from conformance.mutants.authz_reference import _KEY, Lab  # pyright: ignore[reportPrivateUsage]
from conformance.mutants.plant import Answer, Forward, Seen
from conformance.views.grants import NATIVE
from mcp_demo import cognito
from mcp_demo.bridge.envelope import EnvelopeRefused, Envelopes
from mcp_demo.bridge.payloads import CodeGrant, RefreshGrant
from mcp_demo.oauth import metadata_document
from mcp_demo.registry.families import Rotation

_HTML = [(b"content-type", b"text/html"), (b"content-security-policy", b"frame-ancestors 'none'")]
_PAGE = Answer(200, _HTML, b"<form method=post action=/consent><button>Allow</button></form>")
_READ = metadata_document.parse


def _back(answer: Answer, **changes: str | None) -> Answer:
    """The redirect to the client with other parameters."""
    where = (answer.header(b"location") or b"").decode()
    parts = urlsplit(where)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not ("code" in given or "error" in given) or "response_type" in given:
        return answer
    kept = {name: value for name, value in {**given, **changes}.items() if value is not None}
    return answer.with_header(b"location", parts._replace(query=urlencode(kept)).geturl().encode())


# --- responses


@mutant("as.response.state")
async def own_state(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The client gets the state that was sent upstream."""
    answer = await forward(seen)
    return _back(answer, state=query(seen).get("state")) if seen.path == "/callback" else answer


@mutant("as.response.iss")
async def no_iss_on_refusal(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A refusal carries no iss."""
    answer = await forward(seen)
    return _back(answer, iss=None) if seen.path == "/consent" else answer


@mutant("as.response.iss-identical")
async def other_iss(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The value of iss ends with a slash, the issuer does not."""
    return (
        _back(await forward(seen), iss=lab.bridge + "/")
        if seen.path in ("/callback", "/consent")
        else await forward(seen)
    )


@mutant("as.authorize.error")
async def refusal_unknown(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A refusal is told as a failure of the server."""
    answer = await forward(seen)
    return _back(answer, error="server_error") if seen.path == "/consent" else answer


# --- codes


def _owner(form: dict[str, str]) -> str | None:
    """The client that a code or refresh token was issued to."""
    envelopes = Envelopes([_KEY], time.time)
    with suppress(EnvelopeRefused, KeyError):
        return envelopes.open(CodeGrant, form["code"]).client_id
    with suppress(EnvelopeRefused, KeyError):
        return envelopes.open(RefreshGrant, form["refresh_token"]).client_id
    return None


def _redeems(name: str, bug: str, check: str, change: Callable[[dict[str, str], Lab], dict[str, str | None]]) -> None:
    """A bug in how a token request is read."""

    async def changed(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        if seen.path != "/token" or seen.header(b"content-type") != b"application/x-www-form-urlencoded":
            return await forward(seen)
        changes = change(form(seen), lab)
        return await forward(with_form(seen, **changes) if changes else seen)

    changed.__name__, changed.__doc__ = name, bug
    mutant(check)(changed)


def _any(*_: object, **__: object) -> bool:
    return True


broken(
    "verifier_unchecked",
    "The verifier is not compared.",
    "as.code.verifier",
    rules={"mcp_demo.oauth.pkce.matches": _any},
)
_redeems(
    "code_for_all",
    "A code works for any client.",
    "as.code.client-bound",
    lambda given, _: {"client_id": _owner(given)} if "code" in given and _owner(given) else {},
)
_redeems(
    "redirect_unread",
    "redirect_uri is not read at the token endpoint.",
    "as.code.redirect-bound",
    lambda given, _: {"redirect_uri": None} if "redirect_uri" in given else {},
)
_redeems(
    "resource_unread",
    "resource is not read at the token endpoint.",
    "as.token.invalid-target",
    lambda given, lab: {"resource": lab.mcp} if "code" in given and "resource" in given else {},
)
_redeems(
    "refresh_for_all",
    "A refresh token works for any client.",
    "as.refresh.bound",
    lambda given, _: {"client_id": _owner(given)} if "refresh_token" in given and _owner(given) else {},
)
_redeems(
    "refresh_any_resource",
    "A refresh does not read resource.",
    "as.refresh.bound",
    lambda given, lab: {"resource": lab.mcp} if "refresh_token" in given else {},
)


@mutant("as.code.single-use")
async def code_works_twice(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A code gives tokens as often as it is used."""
    answer = await forward(seen)
    code = form(seen).get("code", "") if seen.path == "/token" else ""
    if code and answer.status == 200:
        lab.memory[code] = answer
    return lab.memory.get(code, answer) if code else answer


@mutant("as.code.downgrade")
async def challenge_optional(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A code without a challenge is redeemed with any verifier."""
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    if seen.path == "/authorize" and "code_challenge" not in query(seen):
        return await forward(with_query(seen, code_challenge=challenge, code_challenge_method="S256"))
    return await forward(seen)


MUTANTS[-1] = replace(MUTANTS[-1], rules=(("mcp_demo.oauth.pkce.matches", _any),))


# --- tokens


def _answers(name: str, bug: str, check: str, change: Callable[[Seen, Answer], Answer]) -> None:
    """A bug in what the token endpoint answers."""

    async def changed(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        answer = await forward(seen)
        return change(seen, answer) if seen.path == "/token" and seen.method == "POST" else answer

    changed.__name__, changed.__doc__ = name, bug
    mutant(check)(changed)


_answers(
    "no_confidential",
    "Confidential clients get no tokens.",
    "as.token.client-types",
    lambda seen, answer: (
        Answer(400, answer.headers, b'{"error": "invalid_client"}')
        if seen.header(b"authorization") and answer.status == 200
        else answer
    ),
)
_answers(
    "expiry_as_text",
    "expires_in is a string.",
    "as.token.response",
    lambda _, answer: answer.document(lambda found: found.update(expires_in=str(found.get("expires_in")))),
)
_answers(
    "no_token_type",
    "token_type is missing.",
    "as.token.response",
    lambda _, answer: answer.document(lambda found: found.pop("token_type", None)),
)
_answers(
    "tokens_stored",
    "Tokens may be kept by caches.",
    "as.token.no-store",
    lambda _, answer: answer.with_header(b"cache-control", None),
)
_answers(
    "crash_for_grant",
    "An unknown grant is a crash.",
    "as.token.error",
    lambda seen, answer: (
        Answer(500, [(b"content-type", b"text/html")], b"<h1>500</h1>")
        if form(seen).get("grant_type") == "conformance"
        else answer
    ),
)
_answers("errors_as_200", "Errors are answered 200.", "as.token.error", lambda _, answer: replace(answer, status=200))
_answers(
    "unknown_code",
    "A bad code gives an error that is not registered.",
    "as.token.error",
    lambda _, answer: replace(answer, body=answer.body.replace(b'"invalid_grant"', b'"bad_code"')),
)
_answers(
    "password_grant",
    "The password grant works.",
    "as.authorize.no-legacy-grants",
    lambda seen, answer: (
        Answer(200, [(b"content-type", b"application/json")], b'{"access_token": "x"}')
        if form(seen).get("grant_type") == "password"
        else answer
    ),
)
_answers(
    "no_challenge",
    "A failed authentication carries no challenge.",
    "as.token.client-auth",
    lambda _, answer: answer.with_header(b"www-authenticate", None),
)
_answers(
    "repeats_allowed",
    "A repeated code is taken.",
    "as.authorize.parameters",
    lambda seen, answer: (
        replace(answer, body=b'{"error": "invalid_grant"}') if seen.body.count(b"code=") > 1 else answer
    ),
)
_answers(
    "no_rotation",
    "A refresh brings no new refresh token.",
    "as.refresh.rotation",
    lambda seen, answer: (
        answer.document(lambda found: found.pop("refresh_token", None)) if "refresh_token" in form(seen) else answer
    ),
)
broken(
    "secret_for_nobody",
    "The client secret is not compared.",
    "as.token.client-auth",
    rules={"mcp_demo.registry.model.Client.proves": _any},
)
broken(
    "other_audience",
    "The token is for something else.",
    "as.token.audience",
    prepare=lambda lab: lab.pool.claims.update(aud="https://api.example/"),
)
broken(
    "lives_a_year",
    "Tokens live for a year.",
    "as.token.short-lived",
    prepare=lambda lab: setattr(lab.pool, "lifetime", 31_536_000),
)
broken(
    "every_scope",
    "The token has every scope there is.",
    "as.token.scope",
    rules={"mcp_demo.bridge.token._granted": lambda issued, grant: grant.scopes},
    prepare=lambda lab: lab.pool.claims.update(scope=" ".join(cognito.scopes(lab.mcp))),
)
broken(
    "refresh_any_scope",
    "A refresh may name any scope.",
    "as.refresh.bound",
    rules={"mcp_demo.bridge.scopes.is_covered": _any},
)
broken(
    "old_refresh_token",
    "Old refresh tokens keep working.",
    "as.refresh.rotation",
    rules={
        "mcp_demo.bridge.stores.MemoryFamilies.rotate": lambda self, family, generation, **_: Rotation(
            "rotated", generation + 1
        )
    },
)


@mutant("as.token.invalid-target")
async def resource_ignored(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The resource is not read at the authorization endpoint."""
    return await forward(with_query(seen, resource=lab.mcp)) if _foreign(seen, lab) else await forward(seen)


@mutant("as.token.resource-case")
async def resource_verbatim(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The resource is compared as it stands."""
    loud = seen.path == "/authorize" and query(seen).get("resource", "").startswith("HTTP")
    return await forward(with_query(seen, resource="https://other.example")) if loud else await forward(seen)


def _foreign(seen: Seen, lab: Lab) -> bool:
    return seen.path == "/authorize" and query(seen).get("resource", lab.mcp) != lab.mcp


# --- documents


def _reading(name: str, bug: str, check: str, change: Callable[[dict[str, Any], str], object], *also: str) -> None:
    """A bug in how a client's document is read."""

    def parse(document: object, url: str) -> Any:
        if isinstance(document, dict):
            change(document, url)
        return _READ(document, url)

    broken(name, bug, check, *also, rules={"mcp_demo.oauth.metadata_document.parse": parse})


broken(
    "any_url",
    "Any URL is a client id.",
    "as.documents.url-form",
    rules={"mcp_demo.oauth.metadata_document.validate_client_id_url": lambda url, loopback: None},
)
_reading(
    "host_only",
    "A document may speak for another URL.",
    "as.documents.id-match",
    lambda found, url: found.update(client_id=url),
)
_reading(
    "no_uris_needed",
    "A document needs no redirect URIs.",
    "as.documents.valid",
    lambda found, _: found.setdefault("redirect_uris", [NATIVE]),
)
_reading(
    "shared_secrets",
    "A document may name a shared secret.",
    "as.documents.auth-method",
    lambda found, _: [found.pop("client_secret", None), found.update({"token_endpoint_auth_method": "none"})],
)
broken(
    "kept_for_ever",
    "Documents are kept whatever their headers say.",
    "as.fetching.cache",
    rules={"mcp_demo.bridge.cimd.freshness": lambda headers, now: 3600.0},
)
broken(
    "never_kept",
    "Documents are never kept.",
    "as.fetching.cache",
    rules={"mcp_demo.bridge.cimd.freshness": lambda headers, now: 0.0},
)
broken(
    "any_size",
    "Documents are read to their end.",
    "as.fetching.limits",
    rules={"mcp_demo.bridge.cimd._MAX_DOCUMENT": 100_000_000},
)


def _described(seen: Seen) -> str:
    found = query(seen).get("client_id", "") if seen.path == "/authorize" else ""
    return found if found.startswith("http") else ""


@mutant("as.documents.redirect")
async def unlisted_uri(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A redirect URI that the document does not list is taken."""
    return _PAGE if _described(seen) and "evil.example" in query(seen).get("redirect_uri", "") else await forward(seen)


@mutant("as.fetching.failure")
async def anonymous_client(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Where the document is missing, the request goes on."""
    return _PAGE if "answers-404" in _described(seen) else await forward(seen)


@mutant("as.fetching.no-cache-bad")
async def remembers_failures(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A document that failed once is not fetched again."""
    url = _described(seen)
    if url in lab.memory:
        return lab.memory[url]
    answer = await forward(seen)
    if url.endswith("/mended.json") and answer.status == 400:
        lab.memory[url] = answer
    return answer


@mutant("as.fetching.ssrf")
async def numeric_hosts(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A document may lie at an inner address if it is written as a number."""
    return _PAGE if "2130706433" in _described(seen) else await forward(seen)


@mutant("as.fetching.ssrf")
async def follows_redirects(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A redirect of the document is followed."""
    return _PAGE if _described(seen).endswith("/moved.json") else await forward(seen)


@mutant("as.documents.supported")
async def never_fetches(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A URL is taken as client id without a look at its document."""
    return _PAGE if _described(seen).endswith("/support.json") else await forward(seen)


@mutant("as.documents.redirect-host")
async def hides_the_host(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The page does not show where it leads."""
    answer = await forward(seen)
    return (
        replace(answer, body=answer.body.replace(b"client.conformance.example", b"the application"))
        if _described(seen)
        else answer
    )


@mutant("as.documents.warnings")
async def warns_of_nothing(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The page says nothing of programs on the person's machine."""
    answer = await forward(seen)
    return replace(answer, body=re.sub(rb'<p class="notice warn">.*?</p>', b"", answer.body, flags=re.DOTALL))


# --- the proxy


@mutant("as.proxy.consent")
async def consents_itself(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Who has been here before is sent on without a question."""
    answer = await forward(seen)
    ticket = re.search(rb'name="ticket" value="([^"]+)"', answer.body)
    if seen.path != "/authorize" or not ticket or not seen.header(b"cookie"):
        return answer
    body = urlencode({"ticket": unescape(ticket[1].decode()), "decision": "approve"}).encode()
    headers = [(b"content-type", b"application/x-www-form-urlencoded"), (b"cookie", seen.header(b"cookie") or b"")]
    return await forward(Seen("POST", "/consent", b"", headers, body))


@mutant("as.proxy.consent-page")
async def name_as_markup(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The client's name is put into the page unescaped."""
    answer = await forward(seen)
    return replace(answer, body=answer.body.replace(b"&lt;b id=conformance&gt;", b"<b id=conformance>"))


@mutant("as.proxy.consent-page")
async def hides_scopes(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The page does not name the scopes."""
    answer = await forward(seen)
    return (
        replace(answer, body=answer.body.replace(f"{lab.mcp}/read".encode(), b"some things"))
        if seen.path == "/authorize"
        else answer
    )


@mutant("as.proxy.consent-integrity")
async def readable_cookies(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Scripts can read the cookies."""
    answer = await forward(seen)
    return replace(
        answer,
        headers=[
            (key, value.replace(b"HttpOnly; ", b"") if key == b"set-cookie" else value) for key, value in answer.headers
        ],
    )


def _nothing(*_: object, **__: object) -> None:
    return None


broken(
    "forged_consent",
    "A form from another site counts.",
    "as.proxy.consent-integrity",
    rules={"mcp_demo.bridge.consent._same_site": _nothing},
)
broken(
    "any_browser",
    "A form shown in another browser counts.",
    "as.proxy.consent-integrity",
    rules={"mcp_demo.bridge.browser.Browsers.is_visitor": _any},
)
broken(
    "any_login",
    "A callback in another browser counts.",
    "as.proxy.state",
    rules={"mcp_demo.bridge.browser.Browsers.is_login": _any},
)
broken(
    "state_twice",
    "A state works twice.",
    "as.proxy.state",
    rules={"mcp_demo.bridge.browser.Browsers.forget_login": _nothing},
)
broken(
    "early_cookie",
    "The cookie of the page is enough for the callback.",
    "as.proxy.state-after-consent",
    rules={"mcp_demo.bridge.browser.Browsers.is_login": lambda self, request, login, expected: bool(request.cookies)},
)
