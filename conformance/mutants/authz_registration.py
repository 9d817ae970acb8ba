"""Bugs in registering clients, and in managing what was registered."""

# Stand-ins are given by the path of what they replace, so their parameters have no type to infer.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.mutants.authz_messages import (
    JSON,
)
from conformance.mutants.authz_plant import mutant
from conformance.mutants.authz_reference import Lab
from conformance.mutants.plant import Answer, Forward, Seen


def _registers(
    name: str, bug: str, check: str, change: Callable[[dict[str, Any]], object], status: int | None = None
) -> None:
    """A bug in the answer to a registration."""

    async def changed(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        answer = await forward(seen)
        if seen.path != "/register" or answer.status != 201:
            return answer
        found = replace(answer, status=200).document(change)
        return replace(found, status=status or 201)

    changed.__name__, changed.__doc__ = name, bug
    mutant(check)(changed)


def _asks(name: str, bug: str, check: str, change: Callable[[dict[str, Any]], object]) -> None:
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
    mutant(check)(changed)


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
        str(uri).startswith(("https://client.conformance.example/callback", "http://127.", "http://localhost:"))
        and "#" not in str(uri)
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
        return Answer(400, [JSON], b'{"message": "Invalid request body"}')
    return answer


@mutant("as.registration.errors")
async def registration_crashes(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Wrong member types are a crash."""
    return Answer(500) if seen.path == "/register" and b'"not a list"' in seen.body else await forward(seen)


@mutant("as.registration.initial-token")
async def token_only_if_sent(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Registering takes a token, but its refusal carries no challenge."""
    return Answer(401, [JSON], b'{"error": "invalid_token"}') if seen.path == "/register" else await forward(seen)


@mutant("as.management.token")
async def registration_for_all(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Whoever knows a client_id can read its registration."""
    if seen.path.startswith("/register/") and seen.method == "GET" and lab.registry.get(seen.path.rpartition("/")[2]):
        return Answer(200, [JSON], b"{}")
    return await forward(seen)


@mutant("as.management.lifecycle")
async def update_unchecked(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """An update is not validated."""
    return Answer(200, [JSON], b"{}") if seen.method == "PUT" else await forward(seen)


@mutant("as.management.lifecycle")
async def deletes_nothing(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A deletion is answered 204, and deletes nothing."""
    return Answer(204) if seen.method == "DELETE" else await forward(seen)
