"""What comes back to the redirect URI (OAuth 2.1 §4.1.2, RFC 9207)."""

from contextlib import suppress

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.authz import checks
from conformance.target import Capability
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import leads_to, location, pairs, parameters
from conformance.views.grants import LONG_STATE, STATE
from mcp_demo.exchange.model import Exchange

_NEEDS = (Capability.SIGN_IN, Capability.CLIENT)


def _responses(server: AuthorizationServer) -> dict[str, str]:
    """The URLs of a successful and of a refused login."""
    success = server.main[0].journey.returned
    denial = None
    with suppress(Blocked):
        denial = server.denied.returned
    return {name: url for name, url in (("success", success), ("refusal", denial)) if url is not None}


def _shown(server: AuthorizationServer, name: str) -> Exchange | None:
    """The exchange with this answer, as evidence."""
    return (server.main[0].journey if name == "success" else server.denied).exchange


def _both(server: AuthorizationServer, problems: Problems) -> Problems:
    """The problems; without any, both answers have to be there, or nothing is proven.

    Raises:
        Blocked: One is not.
    """
    found = list(problems)
    yield from found
    if not found and server.denied.returned is None:
        raise Blocked("The refusal led to no answer; as.authorize.error says more.")


@checks.add(
    "as.response.state",
    "AS-STATE-PASSTHROUGH",
    expected="the same 600 characters on success, the same state on refusal, none where none was sent",
    why="The client knows by state that the answer is to its own question.",
    fix="Keep the client's state apart from your own, and encode it anew.",
    needs=_NEEDS,
)
def state(server: AuthorizationServer) -> Problems:
    """State comes back as it was sent."""
    yield from _both(server, _state(server))


def _state(server: AuthorizationServer) -> Problems:
    for name, url in _responses(server).items():
        sent = LONG_STATE if name == "success" else STATE
        if parameters(url).get("state") != sent:
            yield Problem(f"state differs on {name}: {parameters(url).get('state', 'missing')[:60]!r}")
    if server.target.client is None:
        return
    client = server.trusted_client
    silent = server.authorize(client, "An error without any state", state=None, response_type="foo")
    if leads_to(location(silent), client.redirect_uri) and "state" in parameters(location(silent) or ""):
        yield Problem("a state comes back where none was sent", silent)


@checks.add(
    "as.response.iss",
    "AS-ISS-RESPONSE",
    expected="iss on success and on refusal",
    why="A client of several servers tells by iss whose answer it is, and is not tricked into sending it elsewhere.",
    fix="Add iss wherever you add code or error.",
    cognito="The user pool sends code and state only: the bridge adds iss.",
    needs=_NEEDS,
)
def iss(server: AuthorizationServer) -> Problems:
    """Answers say who gives them."""
    yield from _both(server, _iss(server))


def _iss(server: AuthorizationServer) -> Problems:
    for name, url in _responses(server).items():
        if "iss" not in parameters(url):
            yield Problem(f"no iss on {name}", _shown(server, name))


@checks.add(
    "as.response.iss-identical",
    "AS-ISS-IDENTICAL",
    expected="iss once, equal to the issuer of the metadata, byte for byte",
    why="Clients compare without normalising; one slash more and every login fails.",
    fix="Take both from the same setting.",
    needs=_NEEDS,
)
def iss_identical(server: AuthorizationServer) -> Problems:
    """Iss is the issuer."""
    yield from _both(server, _identical(server))


def _identical(server: AuthorizationServer) -> Problems:
    named = [(name, [value for key, value in pairs(url) if key == "iss"]) for name, url in _responses(server).items()]
    if not any(values for _, values in named):
        raise NotApplicable("The server sends no iss.")
    issuer = server.metadata[1].get("issuer")
    for name, values in named:
        if values and values != [issuer]:
            yield Problem(f"iss on {name} is {', '.join(values)}, the issuer {issuer}")


@checks.add(
    "as.response.iss-flag",
    "AS-META-ISS-FLAG",
    expected="authorization_response_iss_parameter_supported: true exactly where iss is sent, refusals included",
    why="Announced and missing, strict clients refuse every answer; sent and not announced, nobody may rely on it.",
    fix="Announce it, and send it with errors too.",
    needs=_NEEDS,
)
def iss_flag(server: AuthorizationServer) -> Problems:
    """Iss is announced where it is sent, and sent where it is announced."""
    yield from _both(server, _announced(server))


def _announced(server: AuthorizationServer) -> Problems:
    exchange, found = server.metadata
    announced = found.get("authorization_response_iss_parameter_supported") is True
    sent = {name: "iss" in parameters(url) for name, url in _responses(server).items()}
    if not announced and not any(sent.values()):
        raise NotApplicable("The server sends no iss, and does not announce it.")
    if any(sent.values()) and not announced:
        yield Problem("iss is sent, but authorization_response_iss_parameter_supported is not true", exchange)
    for name, present in sent.items():
        if announced and not present:
            yield Problem(f"announced, but no iss on {name}", exchange)
