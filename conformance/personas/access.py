"""Scenarios: using tokens, renewing them, and scopes that come and go."""

from collections.abc import Callable, Mapping, Sequence

from conformance.personas.mcp_server import READ, WRITE, McpServer
from conformance.personas.scenario import scenario
from conformance.personas.world import World
from mcp_demo.exchange.model import Request, Response
from mcp_demo.oauth import challenge

SPECIAL = "special:do"
"""A scope that only the challenge names."""

_PATIENCE = 1.1  # seconds, a little more than the `expires_in` of a short-lived token


@scenario
def sent_elsewhere(world: World) -> None:
    """The server redirects a request with a token to another server."""
    sent = [Response(307, (("location", world.other_server.url),))]
    world.server.before = lambda request, method: sent.pop() if sent else None


@scenario
def foreign_challenge(world: World) -> None:
    """The server refuses a token, and names the metadata of another server."""
    world.issuer.short, world.issuer.lifetime = 1, 3600

    def challenges(server: McpServer, parameters: Mapping[str, str]) -> Sequence[str]:
        named = world.other_server if world.issuer.tokens else server
        return (challenge.build_bearer({"resource_metadata": named.metadata_url, **parameters}),)

    world.server.challenges = challenges


@scenario
def expiry(world: World) -> None:
    """Access tokens expire at once, twice, and refresh tokens are replaced at every use."""
    world.issuer.short = 2
    world.server.after = _time_passes(world)


@scenario
def expiry_without_refresh(world: World) -> None:
    """The access token expires at once, and there is no refresh token."""
    world.issuer.short, world.issuer.refreshes = 1, False
    world.server.after = _time_passes(world)


def _time_passes(world: World) -> Callable[[str], None]:
    """Let short-lived tokens grow old: they are good for one request, and then for none."""

    def wait(token: str) -> None:
        given = world.issuer.access_tokens.get(token)
        if given is not None and not given.is_alive():
            world.wait(_PATIENCE)

    return wait


@scenario
def offline_access_listed(world: World) -> None:
    """The issuer lists the scope offline_access."""
    world.issuer.members["scopes_supported"] = [READ, WRITE, "offline_access"]


@scenario
def scope_challenged(world: World) -> None:
    """The challenge asks for a scope that the metadata does not list."""
    world.server.needs = lambda method: (SPECIAL,)
    world.server.challenges = _scope(SPECIAL)


@scenario
def scope_in_metadata(world: World) -> None:
    """Only the server's metadata says which scopes there are."""
    world.server.challenges = _scope(None)


@scenario
def scope_unknown(world: World) -> None:
    """Nothing says which scopes are needed, and the issuer lists some that are not for this server."""
    world.server.challenges = _scope(None)
    world.server.members["scopes_supported"] = None
    world.issuer.members["scopes_supported"] = ["everything", "admin"]


def _scope(scope: str | None) -> Callable[[McpServer, object], tuple[str, ...]]:
    named = {} if scope is None else {"scope": scope}
    return lambda server, parameters: (challenge.build_bearer({"resource_metadata": server.metadata_url, **named}),)


@scenario
def step_up(world: World) -> None:
    """Listing the tools takes one scope more than getting in."""
    world.server.needs = lambda method: (READ, WRITE) if method == "tools/list" else (READ,)


@scenario
def step_up_endless(world: World) -> None:
    """Listing the tools takes one scope more, however often it is given."""

    def refuse(request: Request, method: str) -> Response | None:
        if method != "tools/list":
            return None
        return world.server.refuse(403, {"error": "insufficient_scope", "scope": WRITE})

    world.server.before = refuse
