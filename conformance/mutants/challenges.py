"""Bugs in challenges and in how a token is carried."""

import json
from dataclasses import replace
from urllib.parse import parse_qs

from conformance.mutants.plant import RESULT, Answer, Forward, Seen, mutant, peek
from conformance.mutants.reference import Lab


@mutant("rs.challenge.missing-token")
async def forbids_without_token(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A request without a token is answered 403."""
    answer = await forward(seen)
    return replace(answer, status=403) if seen.token is None and answer.status == 401 else answer


@mutant("rs.challenge.missing-token")
async def challenges_for_basic(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The challenge asks for Basic authentication."""
    answer = await forward(seen)
    return answer if seen.token else answer.challenge(lambda _: b'Basic realm="mcp"')


@mutant("rs.challenge.missing-token", also=("rs.scope.challenge", "rs.scope.one-challenge"))
async def sends_no_challenge(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The 401 carries no WWW-Authenticate."""
    return (await forward(seen)).challenge(lambda _: None)


@mutant("rs.challenge.missing-token", also=("rs.challenge.scope-hint",))
async def challenges_without_parameters(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The challenge says Bearer and nothing more."""
    answer = await forward(seen)
    return answer if seen.token else answer.challenge(lambda _: b"Bearer")


@mutant(
    "rs.challenge.missing-token",
    also=("rs.challenge.every-request", "rs.methods.no-bypass", "rs.cors.expose", "rs.token.not-repeated"),
)
async def answers_200_with_an_error(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A request without a token is answered 200 with a JSON-RPC error."""
    answer = await forward(seen)
    if seen.at_endpoint and seen.header(b"authorization") is None and answer.status == 401:
        return Answer(
            200, [(b"content-type", b"application/json")], b'{"jsonrpc":"2.0","id":1,"error":{"code":-32001}}'
        )
    return answer


def _open_to(method: str, check_name: str, bug: str) -> None:
    async def behaviour(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        return RESULT if seen.token is None and seen.rpc_method == method else await forward(seen)

    behaviour.__doc__, behaviour.__name__ = bug, check_name
    mutant("rs.challenge.every-request")(behaviour)


_open_to("initialize", "opens_initialize", "initialize needs no token.")
_open_to("tools/call", "opens_tool_calls", "tools/call needs no token.")
_open_to("resources/list", "opens_resources", "resources/list needs no token.")
_open_to("ping", "opens_ping", "ping needs no token.")
_open_to("notifications/initialized", "opens_notifications", "Notifications need no token.")


@mutant("rs.challenge.every-request", also=("rs.methods.no-bypass",))
async def opens_stream_to_all(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """GET opens an event stream without a token."""
    if seen.at_endpoint and seen.method == "GET" and seen.token is None:
        return Answer(200, [(b"content-type", b"text/event-stream")], b": hello\n\n")
    return await forward(seen)


@mutant("rs.challenge.every-request")
async def opens_path_with_slash(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The same endpoint with a slash at its end is not guarded."""
    return RESULT if seen.path == "/mcp/" and seen.token is None else await forward(seen)


@mutant("rs.challenge.every-request")
async def opens_path_in_capitals(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The same endpoint in capitals is not guarded."""
    return RESULT if seen.path == "/MCP" else await forward(seen)


@mutant("rs.challenge.every-request")
async def opens_batches(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A batch of requests is not guarded."""
    return RESULT if seen.body.startswith(b"[") and seen.token is None else await forward(seen)


@mutant("rs.challenge.every-request", also=("rs.methods.no-bypass",))
async def opens_head(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """HEAD skips authorization."""
    return Answer(200) if seen.at_endpoint and seen.method == "HEAD" else await forward(seen)


@mutant("rs.challenge.names-metadata", revision="2025-06-18")
async def names_metadata_only_at_first(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """resource_metadata is missing when a token was rejected."""
    answer = await forward(seen)
    return answer.without(b"resource_metadata") if seen.token else answer


@mutant("rs.challenge.names-metadata", revision="2025-06-18")
async def names_no_metadata(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """No 401 names the metadata."""
    answer = await forward(seen)
    return answer.without(b"resource_metadata") if answer.status == 401 else answer


@mutant("rs.challenge.no-error-without-token")
async def blames_missing_token(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A request without a token is told invalid_token."""
    answer = await forward(seen)
    return answer if seen.token else answer.challenge(lambda value: value + b', error="invalid_token"')


@mutant("rs.challenge.no-error-without-token")
async def describes_missing_token(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A request without a token is told an error_description."""
    answer = await forward(seen)
    return answer if seen.token else answer.challenge(lambda value: value + b', error_description="No token"')


@mutant("rs.challenge.scope-hint")
async def hints_no_scope(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The 401 names no scope."""
    answer = await forward(seen)
    return answer.without(b"scope") if answer.status == 401 else answer


@mutant("rs.challenge.scope-hint", also=("rs.challenge.grammar",))
async def hints_empty_scope(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The 401 names an empty scope."""
    answer = await forward(seen)
    return answer.without(b"scope").challenge(lambda value: value + b', scope=""') if answer.status == 401 else answer


@mutant("rs.challenge.invalid-token")
async def forbids_bad_tokens(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A rejected token is answered 403."""
    answer = await forward(seen)
    return replace(answer, status=403) if seen.token and answer.status == 401 else answer


@mutant("rs.challenge.invalid-token")
async def never_names_the_error(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A rejected token is answered 401 without an error code."""
    answer = await forward(seen)
    return answer.without(b"error") if answer.status == 401 else answer


@mutant("rs.challenge.invalid-token")
async def calls_every_error_invalid_request(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A rejected token is answered 401 invalid_request."""
    answer = await forward(seen)
    return answer.challenge(lambda value: value.replace(b'"invalid_token"', b'"invalid_request"'))


@mutant("rs.challenge.grammar", also=("rs.challenge.invalid-token",))
async def repeats_parameters(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Two layers each add their own resource_metadata, when a token was sent."""
    answer = await forward(seen)
    if answer.status != 401 or not seen.token:
        return answer
    return answer.challenge(lambda value: value + b', resource_metadata="http://localhost/other"')


@mutant("rs.challenge.grammar")
async def leaves_values_unquoted(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Values with spaces are not quoted."""
    answer = await forward(seen)
    return answer.challenge(lambda value: value + b", realm=mcp server") if not seen.token else answer


@mutant("rs.challenge.grammar")
async def challenges_twice(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A second Bearer challenge is sent in a field of its own."""
    answer = await forward(seen)
    if answer.header(b"www-authenticate") is None:
        return answer
    return replace(answer, headers=[*answer.headers, (b"www-authenticate", b'Bearer realm="second"')])


@mutant("rs.challenge.grammar")
async def quotes_the_token_unescaped(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """What the client sent is put into error_description without escaping."""
    answer = await forward(seen)
    if not seen.token or '"' not in seen.token:
        return answer
    said = f', error_description="bad token {seen.token[:3]}"'.encode()
    return answer.without(b"error_description").challenge(lambda value: value + said)


@mutant("rs.bearer.case")
async def minds_the_case_of_bearer(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Only `Bearer`, written like this, is known."""
    value = seen.header(b"authorization") or b""
    known = not value.lower().startswith(b"bearer") or value.startswith(b"Bearer")
    return await forward(seen if known else seen.with_header(b"authorization", None))


@mutant("rs.bearer.malformed-request")
async def believes_the_first_header(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Of two Authorization headers the first is believed."""
    values = [value for key, value in seen.headers if key == b"authorization"]
    return await forward(seen.with_header(b"authorization", values[0]) if len(values) > 1 else seen)


@mutant("rs.bearer.malformed-request")
async def believes_the_last_header(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Of two Authorization headers the last is believed."""
    values = [value for key, value in seen.headers if key == b"authorization"]
    return await forward(seen.with_header(b"authorization", values[-1]) if len(values) > 1 else seen)


@mutant("rs.bearer.malformed-request")
async def crashes_on_an_empty_token(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """`Bearer` without a token is answered 500."""
    return Answer(500) if seen.header(b"authorization") == b"Bearer" else await forward(seen)


@mutant("rs.bearer.malformed-request")
async def takes_two_tokens(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A token in the header and one in the form are fine together."""
    return RESULT if seen.token and seen.body.startswith(b"access_token=") else await forward(seen)


@mutant("rs.bearer.only-in-header")
async def takes_the_query(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Without a header the token is taken from the query."""
    found = parse_qs(seen.query.decode()).get("access_token")
    return await forward(seen.with_token(found[0]) if found and seen.token is None else seen)


@mutant("rs.bearer.only-in-header")
async def prefers_the_query(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A token in the query wins over the one in the header."""
    found = parse_qs(seen.query.decode()).get("access_token")
    return await forward(seen.with_token(found[0]) if found and seen.token is not None else seen)


@mutant("rs.bearer.only-in-header")
async def takes_the_form(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Without a header the token is taken from the form."""
    return RESULT if seen.token is None and seen.body.startswith(b"access_token=") else await forward(seen)


@mutant("rs.bearer.only-in-header")
async def takes_the_json(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Without a header the token is taken from the JSON body."""
    if seen.token is None and b'"access_token"' in seen.body:
        return await forward(seen.with_token(json.loads(seen.body)["access_token"]))
    return await forward(seen)


@mutant("rs.bearer.robust")
async def crashes_on_odd_segments(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A token that has not three segments is answered 500."""
    odd = seen.token is not None and seen.token.count(".") in (1, 4)
    return Answer(500) if odd else await forward(seen)


@mutant("rs.bearer.robust")
async def shows_its_stack(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The answer to a token that is no JSON carries a stack trace."""
    answer = await forward(seen)
    if seen.token and seen.token.count(".") == 2 and peek(seen.token) is None:
        return replace(answer, body=b"Traceback (most recent call last):\n  ...")
    return answer


@mutant("rs.bearer.robust")
async def believes_basic(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Any Basic credentials are let in."""
    basic = (seen.header(b"authorization") or b"").startswith(b"Basic")
    return await forward(seen.with_token(lab.issuer.token()) if basic else seen)


@mutant("rs.bearer.robust")
async def crashes_on_huge_tokens(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A token of 16 KB is answered 500."""
    return Answer(500) if seen.token and len(seen.token) > 10_000 else await forward(seen)


@mutant("rs.token.not-repeated")
async def repeats_the_token(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The body of a refusal quotes the token."""
    answer = await forward(seen)
    if seen.token and answer.status == 401:
        return replace(answer, body=json.dumps({"error": f"bad token {seen.token}"}).encode())
    return answer


@mutant("rs.token.not-repeated")
async def repeats_the_token_in_a_header(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A debugging header carries the token of every request."""
    answer = await forward(seen)
    return answer.with_header(b"x-debug-auth", seen.token.encode("latin-1")) if seen.token else answer
