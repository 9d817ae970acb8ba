"""Bugs in what the token endpoint answers, and in what tokens are good for."""

# Stand-ins are given by the path of what they replace, so their parameters have no type to infer.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace

from conformance.mutants.authz_messages import form, query, with_query
from conformance.mutants.authz_plant import always, broken, mutant
from conformance.mutants.authz_reference import Lab
from conformance.mutants.plant import Answer, Forward, Seen
from mcp_demo import cognito
from mcp_demo.registry.families import Rotation


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
    "errors_stored",
    "Errors of the token endpoint may be kept by caches.",
    "as.token.no-store",
    lambda _, answer: answer if answer.status == 200 else answer.with_header(b"cache-control", None),
)
_answers(
    "machine_grant",
    "The client_credentials grant works for whoever registers.",
    "as.registration.privilege-cap",
    lambda seen, answer: (
        Answer(200, [(b"content-type", b"application/json")], b'{"access_token": "x"}')
        if form(seen).get("grant_type") == "client_credentials"
        else answer
    ),
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
    rules={"mcp_demo.registry.model.Client.proves": always},
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
    rules={"mcp_demo.bridge.scopes.is_covered": always},
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


@mutant("as.token.scope")
async def no_scope_is_every_scope(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A login that names no scope gets all that the app client may have."""
    if seen.path == "/authorize":
        lab.memory["unnamed"] = "scope" not in query(seen)
    answer = await forward(seen)
    if seen.path != "/token" or not lab.memory.get("unnamed"):
        return answer
    claims = urlsafe_b64encode(json.dumps({"aud": lab.mcp, "scope": "admin"}).encode()).rstrip(b"=").decode()
    return answer.document(lambda found: found.update(access_token=f"e30.{claims}.c2ln"))


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
