"""Bugs in what comes back to the client, and in how its code is redeemed."""

# Stand-ins are given by the path of what they replace, so their parameters have no type to infer.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import time
from collections.abc import Callable
from contextlib import suppress

from conformance.mutants.authz_messages import back, form, query, with_form, with_query
from conformance.mutants.authz_plant import always, broken, mutant
from conformance.mutants.authz_reference import ENVELOPE_KEY, Lab
from conformance.mutants.plant import Answer, Forward, Seen
from mcp_demo.bridge.envelope import EnvelopeRefused, Envelopes
from mcp_demo.bridge.payloads import CodeGrant, RefreshGrant


@mutant("as.response.state")
async def own_state(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The client gets the state that was sent upstream."""
    answer = await forward(seen)
    return back(answer, state=query(seen).get("state")) if seen.path == "/callback" else answer


@mutant("as.response.state")
async def invents_state(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """An error carries a state though none was sent."""
    answer = await forward(seen)
    return back(answer, state="made-up") if seen.path == "/authorize" and "state" not in query(seen) else answer


@mutant("as.response.iss")
async def no_iss_on_refusal(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A refusal carries no iss."""
    answer = await forward(seen)
    return back(answer, iss=None) if seen.path == "/consent" else answer


@mutant("as.response.iss-identical")
async def other_iss(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The value of iss ends with a slash, the issuer does not."""
    return (
        back(await forward(seen), iss=lab.bridge + "/")
        if seen.path in ("/callback", "/consent")
        else await forward(seen)
    )


@mutant("as.authorize.error")
async def refusal_unknown(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A refusal is told as a failure of the server."""
    answer = await forward(seen)
    return back(answer, error="server_error") if seen.path == "/consent" else answer


# --- codes


def _owner(form: dict[str, str]) -> str | None:
    """The client that a code or refresh token was issued to."""
    envelopes = Envelopes([ENVELOPE_KEY], time.time)
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


broken(
    "verifier_unchecked",
    "The verifier is not compared.",
    "as.code.verifier",
    rules={"mcp_demo.oauth.pkce.matches": always},
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


@mutant("as.code.downgrade", rules={"mcp_demo.oauth.pkce.matches": always})
async def challenge_optional(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A code without a challenge is redeemed with any verifier."""
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    if seen.path == "/authorize" and "code_challenge" not in query(seen):
        return await forward(with_query(seen, code_challenge=challenge, code_challenge_method="S256"))
    return await forward(seen)
