"""Bugs in scopes, sessions, origins, versions, methods and CORS."""

from collections.abc import Callable
from dataclasses import replace

from conformance.mutants.plant import (
    RESULT,
    Answer,
    Behaviour,
    Claims,
    Forward,
    Seen,
    drop_parameter,
    forgive,
    mutant,
    peek,
)
from conformance.mutants.reference import PAGE, Lab

_BEFORE = "2025-11-25"


def _scoped(name: str, bug: str, covers: Callable[[str, str], bool], *also: str) -> None:
    """A bug of a comparison: a scope that covers the needed one in some wrong way."""

    async def behaviour(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        needed = lab.issuer.scopes[1]

        def widen(claims: Claims, header: Claims) -> None:
            scope = str(claims.get("scope", ""))
            if seen.rpc_method == "tools/call" and covers(scope, needed):
                claims["scope"] = " ".join(lab.issuer.scopes)

        return await forward(forgive(seen, lab, widen))

    behaviour.__name__, behaviour.__doc__ = name, bug
    mutant("rs.scope.enforced", also=also)(behaviour)


_scoped(
    "asks_for_no_scope",
    "Scopes are never checked.",
    lambda scope, needed: True,
    "rs.scope.status",
    "rs.scope.challenge",
    "rs.scope.one-challenge",
)
_scoped(
    "searches_the_scope", "The needed scope may stand anywhere in the string.", lambda scope, needed: needed in scope
)
_scoped(
    "lowers_the_scope",
    "Scopes are compared without regard to case.",
    lambda scope, needed: needed.lower() in scope.lower().split(),
)
_scoped(
    "takes_the_last_part_of_a_scope",
    "What stands before the last slash of a scope does not matter.",
    lambda scope, needed: needed.rpartition("/")[2] in scope.split(" "),
)


_STATUS = "rs.scope.status"
_NO_403 = ("rs.scope.challenge", "rs.scope.one-challenge")


def _instead_of_403(name: str, bug: str, instead: Answer) -> None:
    async def behaviour(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        answer = await forward(seen)
        return instead if answer.status == 403 and not seen.header(b"origin") else answer

    behaviour.__name__, behaviour.__doc__ = name, bug
    mutant(_STATUS, also=_NO_403)(behaviour)


_instead_of_403(
    "asks_to_sign_in_again",
    "A missing scope is answered 401.",
    Answer(401, [(b"www-authenticate", b'Bearer error="invalid_token"')]),
)
_instead_of_403(
    "hides_the_403_in_a_result",
    "A missing scope is answered 200 with an error.",
    Answer(
        200,
        [(b"content-type", b"application/json")],
        b'{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"scope"}}',
    ),
)
_instead_of_403("crashes_on_a_missing_scope", "A missing scope is answered 500.", Answer(500))


def _in_403(name: str, bug: str, change: Callable[[bytes, Lab], bytes | None], *also: str) -> None:
    async def behaviour(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        answer = await forward(seen)
        return answer.challenge(lambda value: change(value, lab)) if answer.status == 403 else answer

    behaviour.__name__, behaviour.__doc__ = name, bug
    mutant("rs.scope.challenge", also=also)(behaviour)


_ONE = "rs.scope.one-challenge"
_in_403("sends_a_bare_403", "The 403 carries no challenge.", lambda value, lab: None, _ONE)
_in_403(
    "names_another_error",
    "The 403 says invalid_token.",
    lambda value, lab: value.replace(b"insufficient_scope", b"invalid_token"),
)
_in_403("names_no_missing_scope", "The 403 names no scope.", lambda value, lab: drop_parameter(value, b"scope"), _ONE)
_in_403(
    "names_no_metadata_in_403",
    "The 403 names no metadata.",
    lambda value, lab: drop_parameter(value, b"resource_metadata"),
)


@mutant("rs.scope.challenge")
async def changes_its_mind(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Every other 403 names one scope more."""
    answer = await forward(seen)
    if answer.status != 403 or answer.header(b"www-authenticate") is None:
        return answer
    lab.memory["turn"] = not lab.memory.get("turn")
    more = f"{lab.issuer.scopes[0]} ".encode() if not lab.memory["turn"] else b""
    return answer.challenge(lambda value: value.replace(b'scope="', b'scope="' + more))


@mutant("rs.scope.one-challenge")
async def reveals_one_scope_a_time(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The 403 names only one of the scopes that the tool needs."""
    needed, hidden = lab.issuer.scopes[1], "urn:second"
    found = peek(seen.token)
    scopes = str(found[1].get("scope", "")).split() if found else []
    if seen.rpc_method == "tools/call" and needed in scopes and hidden not in scopes:
        metadata = lab.url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
        value = f'Bearer error="insufficient_scope", resource_metadata="{metadata}", scope="{hidden}"'
        return Answer(403, [(b"www-authenticate", value.encode())])
    return await forward(seen)


@mutant("rs.scope.preserve", revision=_BEFORE)
async def forgets_what_was_granted(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The 403 names the missing scope only."""
    answer = await forward(seen)
    granted = f"{lab.issuer.scopes[0]} ".encode()
    return answer.challenge(lambda value: value.replace(granted, b"")) if answer.status == 403 else answer


@mutant("rs.scope.hierarchy", retarget=lambda target: replace(target, broader=f"{target.url}/admin"))
async def knows_no_hierarchy(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Scopes are said to form a hierarchy, and compared literally."""
    return await forward(seen)


def sessions(*, trusts_id: bool = False, shares: bool = False, short: bool = False) -> Behaviour:
    """A server with sessions, and what it gets wrong about them."""

    async def behaviour(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        identifier = (seen.header(b"mcp-session-id") or b"").decode("latin-1")
        found = peek(seen.token)
        subject = str(found[1].get("sub")) if found else ""
        known: dict[str, str] = lab.memory.setdefault("sessions", {})
        if trusts_id and identifier in known and seen.token is None:
            return RESULT
        if not shares and identifier in known and subject and known[identifier] != subject:
            return Answer(404)
        answer = await forward(seen)
        if seen.rpc_method == "initialize" and answer.status == 200:
            made = f"{len(known)}" if short else f"session-{len(known):04}-0123456789abcdef"
            known[made] = subject
            return answer.with_header(b"mcp-session-id", made.encode())
        return answer

    return behaviour


def _session_bug(check: str, name: str, bug: str, **wrong: bool) -> None:
    behaviour = sessions(**wrong)
    behaviour.__name__, behaviour.__doc__ = name, bug
    mutant(check, revision=_BEFORE)(behaviour)


_session_bug("rs.session.no-credential", "trusts_session_ids", "A session id stands in for a token.", trusts_id=True)
_session_bug("rs.session.bound-to-user", "shares_sessions", "Everybody may use everybody's session.", shares=True)
_session_bug("rs.session.bound-to-user", "counts_sessions", "Session ids are counted up.", short=True)


@mutant("rs.handle.no-credential")
async def trusts_old_session_ids(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A request with a session id needs no token."""
    return RESULT if seen.header(b"mcp-session-id") and seen.token is None else await forward(seen)


@mutant("rs.handle.no-credential")
async def stumbles_over_session_ids(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A request with a session id that means nothing is answered 400."""
    return Answer(400) if seen.header(b"mcp-session-id") and seen.token else await forward(seen)


_ORIGIN = "rs.origin.validated"


def _admits(name: str, bug: str, admits: Callable[[bytes, Seen], bool], *also: str) -> None:
    async def behaviour(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        origin = seen.header(b"origin")
        foreign = origin is not None and origin != PAGE.encode() and seen.method != "OPTIONS"
        return await forward(seen.with_header(b"origin", None) if foreign and admits(origin or b"", seen) else seen)

    behaviour.__name__, behaviour.__doc__ = name, bug
    mutant(_ORIGIN, also=also)(behaviour)


_admits("ignores_origin", "Origin is not looked at.", lambda origin, seen: True, "rs.origin.status")
_admits("admits_null", "The origin null is allowed.", lambda origin, seen: origin == b"null")
_admits(
    "matches_origin_by_prefix",
    "Every origin that begins with http://localhost is allowed.",
    lambda origin, seen: origin.startswith(b"http://localhost"),
)


@mutant(_ORIGIN)
async def guards_post_only(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """GET opens a stream for pages of every origin."""
    if seen.at_endpoint and seen.method == "GET" and seen.token and seen.header(b"origin"):
        return Answer(200, [(b"content-type", b"text/event-stream")], b": hello\n\n")
    return await forward(seen)


@mutant(_ORIGIN)
async def answers_every_host(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A page whose host name leads to the server is taken for its own."""
    if seen.header(b"host") == b"evil.example" and seen.header(b"origin") == b"http://evil.example":
        ours = lab.url.split("/")[2].encode()
        return await forward(seen.with_header(b"host", ours).with_header(b"origin", None))
    return await forward(seen)


@mutant(_ORIGIN, also=("rs.cors.expose",))
async def refuses_every_origin(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Pages of an allowed origin are refused like all others."""
    refused = seen.at_endpoint and seen.method == "POST" and seen.header(b"origin") == PAGE.encode()
    return Answer(403) if refused else await forward(seen)


@mutant("rs.origin.status")
async def answers_400_to_foreign_origins(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A foreign origin is answered 400."""
    answer = await forward(seen)
    return replace(answer, status=400) if answer.status == 403 and seen.header(b"origin") else answer


_VERSION = b"mcp-protocol-version"


@mutant("rs.version.unsupported")
async def ignores_the_version(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A version that nobody knows is served like any other."""
    if seen.token and seen.header(_VERSION) in (b"1900-01-01", b"not-a-version"):
        return RESULT
    return await forward(seen)


@mutant("rs.version.unsupported")
async def keeps_its_versions_to_itself(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The 400 to an unknown version does not list the supported ones."""
    answer = await forward(seen)
    unknown = seen.header(_VERSION) in (b"1900-01-01", b"not-a-version")
    return replace(answer, body=b'{"error":"bad version"}') if unknown and answer.status == 400 else answer


@mutant("rs.version.unsupported", revision=_BEFORE)
async def ignores_the_version_header(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """In the revisions with a handshake, an unknown version is served like any other."""
    unknown = seen.header(_VERSION) in (b"1900-01-01", b"not-a-version")
    return await forward(seen.with_header(_VERSION, b"2025-11-25") if unknown else seen)


@mutant("rs.version.absent", revision=_BEFORE)
async def insists_on_the_version_header(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A request without the version header is answered 400."""
    late = seen.token and seen.rpc_method not in ("", "initialize")
    return Answer(400) if late and seen.header(_VERSION) is None else await forward(seen)


@mutant("rs.version.agrees")
async def believes_the_body(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Only the version in the body is looked at."""
    if b"2026-07-28" in seen.body and seen.header(_VERSION) == b"2025-11-25":
        return await forward(seen.with_header(_VERSION, b"2026-07-28"))
    return await forward(seen)


@mutant("rs.version.agrees")
async def names_another_code(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The 400 to contradicting versions carries a code of its own."""
    answer = await forward(seen)
    return replace(answer, body=answer.body.replace(b"-32020", b"-32600")) if answer.status == 400 else answer


_METHODS = "rs.methods.no-bypass"


@mutant(_METHODS)
async def crashes_on_patch(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """PATCH with a token is answered 500."""
    return Answer(500) if seen.method == "PATCH" and seen.token else await forward(seen)


@mutant(_METHODS)
async def allows_nothing(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The 405 does not say what is allowed."""
    answer = await forward(seen)
    return answer.with_header(b"allow", None) if answer.status == 405 else answer


@mutant(_METHODS)
async def knows_no_head(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """HEAD of the metadata is answered 405."""
    return Answer(405) if seen.method == "HEAD" and seen.at_metadata else await forward(seen)


@mutant("rs.transport.https", also=("rs.metadata.well-formed", "rs.metadata.issuer-form"), host="mcp.example.test")
async def speaks_plain_http(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The endpoint is served in clear text, and not only on this machine."""
    return await forward(seen)


@mutant("rs.cors.metadata")
async def hides_metadata_from_pages(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The metadata carries no CORS header."""
    answer = await forward(seen)
    return answer.with_header(b"access-control-allow-origin", None) if seen.at_metadata else answer


@mutant("rs.cors.metadata")
async def knows_no_preflight_of_metadata(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The preflight of the metadata is answered 404."""
    return Answer(404) if seen.at_metadata and seen.method == "OPTIONS" else await forward(seen)


@mutant("rs.cors.metadata")
async def forbids_the_version_header_on_metadata(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The preflight of the metadata does not allow MCP-Protocol-Version."""
    answer = await forward(seen)
    return answer.with_header(b"access-control-allow-headers", b"accept") if seen.at_metadata else answer


@mutant("rs.cors.expose")
async def exposes_nothing(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Pages may read the answer, but not WWW-Authenticate."""
    return (await forward(seen)).with_header(b"access-control-expose-headers", None)


@mutant("rs.cors.expose")
async def refuses_without_cors(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The 401 itself carries no CORS header."""
    answer = await forward(seen)
    return answer.with_header(b"access-control-allow-origin", None) if answer.status == 401 else answer


_PREFLIGHT = "rs.cors.preflight"


def _in_preflight(name: str, bug: str, change: Callable[[Answer, Seen], Answer]) -> None:
    async def behaviour(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        answer = await forward(seen)
        asked = seen.at_endpoint and seen.method == "OPTIONS" and seen.header(b"access-control-request-method")
        return change(answer, seen) if asked else answer

    behaviour.__name__, behaviour.__doc__ = name, bug
    mutant(_PREFLIGHT)(behaviour)


_HEADERS, _ALLOW = b"access-control-allow-headers", b"access-control-allow-origin"
_in_preflight("asks_preflights_for_a_token", "The preflight is answered 401.", lambda answer, seen: Answer(401))
_in_preflight(
    "allows_headers_by_wildcard",
    "The preflight allows * headers, which leaves out Authorization.",
    lambda answer, seen: answer.with_header(_HEADERS, b"*"),
)
_in_preflight(
    "forgets_the_new_headers",
    "The preflight does not know Mcp-Method.",
    lambda answer, seen: answer.with_header(_HEADERS, b"authorization, content-type, mcp-protocol-version"),
)
_in_preflight(
    "reflects_origins_with_credentials",
    "Every origin is allowed, with credentials.",
    lambda answer, seen: Answer(
        204,
        [
            (_ALLOW, seen.header(b"origin") or b""),
            (_HEADERS, seen.header(b"access-control-request-headers") or b""),
            (b"access-control-allow-credentials", b"true"),
        ],
    ),
)
