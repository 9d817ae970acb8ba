"""Reading, changing and deleting a registration (RFC 7592). Not demanded by MCP."""

from typing import Any, cast

from conformance.check import NotApplicable, Problem, Problems
from conformance.checks.authz import checks
from conformance.target import Capability
from conformance.views.answers import json_body, shown, status
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.grants import NATIVE, WEB, Client, error_of, registered

_NEEDS = (Capability.REGISTRATION,)


def _managed(server: AuthorizationServer, name: str) -> tuple[dict[str, Any], str, str]:
    made = registered(server.registration(NATIVE, client_name=name))
    uri, token = made.get("registration_client_uri"), made.get("registration_access_token")
    if not made or uri is None:
        raise NotApplicable("A registration cannot be managed: its response names no registration_client_uri.")
    return made, str(uri), str(token or "")


@checks.add(
    "as.management.token",
    "AS-DCRM-TOKEN",
    expected="a token of its own for each registration; 401 for no token, a wrong one, another client's",
    why="Who can read a registration can read its secret.",
    fix="Compare the token with the one of the client in the path, in constant time.",
    needs=_NEEDS,
)
def token(server: AuthorizationServer) -> Problems:
    """A registration is open to its own client only."""
    made, uri, own = _managed(server, "MCP conformance suite, one")
    other = _managed(server, "MCP conformance suite, two")[2]
    if not made.get("registration_access_token"):
        yield Problem("the response has no registration_access_token")
    allowed = server.manage("GET", uri, own, "Read a registration with its own token")
    if status(allowed) != 200:
        yield Problem(f"{shown(allowed)} with its own token", allowed)
    for wrong, words in ((None, "no token"), ("conformance-wrong", "a wrong token"), (other, "another client's token")):
        exchange = server.manage("GET", uri, wrong, f"Read a registration with {words}")
        if status(exchange) not in ((401, 403) if wrong == other else (401,)):
            yield Problem(f"{shown(exchange)} with {words}", exchange)


@checks.add(
    "as.management.lifecycle",
    "AS-DCRM-LIFECYCLE",
    expected="400 for a forbidden change; after 204 for DELETE, 401 there and invalid_client at the token endpoint",
    why="An update that skips validation is a way around it; a client that cannot be removed stays a danger.",
    fix="Run updates through the same rules, and delete what was made upstream too.",
    needs=_NEEDS,
)
def lifecycle(server: AuthorizationServer) -> Problems:
    """Changes are checked like registrations, and what is deleted is gone."""
    made, uri, own = _managed(server, "MCP conformance suite, to be deleted")
    hidden = ("registration_client_uri", "registration_access_token", "client_secret_expires_at", "client_id_issued_at")
    kept = {name: value for name, value in made.items() if name not in hidden}
    forbidden = {**kept, "redirect_uris": ["http://app.conformance.example/callback"]}
    for body, words in ((forbidden, "a forbidden redirect URI"), ({**kept, "client_id": "another"}, "a foreign id")):
        exchange = server.manage("PUT", uri, own, f"Change a registration to {words}", body)
        if status(exchange) != 400:
            yield Problem(f"{shown(exchange)} for a change to {words}", exchange)
    changed = server.manage("PUT", uri, own, "Change a registration rightly", {**kept, "redirect_uris": [WEB]})
    fresh: Any = json_body(changed)
    own = str(cast("dict[str, Any]", fresh).get("registration_access_token") or own) if isinstance(fresh, dict) else own
    gone = server.manage("DELETE", uri, own, "Delete a registration")
    if status(gone) != 204:
        yield Problem(f"{shown(gone)} to a deletion", gone)
        return
    after = server.manage("GET", uri, own, "Read a registration that was deleted")
    if status(after) != 401:
        yield Problem(f"{shown(after)} for a deleted registration", after)
    form = {"grant_type": "authorization_code", "code": "x", "code_verifier": "v" * 43, "redirect_uri": NATIVE}
    used = server.call(Client(str(made["client_id"]), NATIVE), form, "Use a client that was deleted")
    if error_of(used) != "invalid_client":
        yield Problem(f"{shown(used)}, {error_of(used)}: a deleted client at the token endpoint", used)
