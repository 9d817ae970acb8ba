"""Scenarios: the authorization request, and what may come back from it."""

from collections.abc import Callable, Mapping, Sequence

from conformance.personas.issuer import Reply
from conformance.personas.scenario import scenario, variant
from conformance.personas.world import World
from mcp_demo.oauth.server_metadata import OPENID

CANARY = "conformance-canary-do-not-show"
"""A text that no client may show, in an error response that it may not believe."""


def _methods(name: str, says: str, methods: Sequence[str] | None) -> None:
    def prepare(world: World) -> None:
        world.issuer.members["code_challenge_methods_supported"] = methods

    variant(name, says, prepare)


_methods("plain-first", "The issuer lists the PKCE method plain before S256", ("plain", "S256"))
_methods("plain-only", "The issuer lists no PKCE method but plain", ("plain",))
_methods("pkce-unlisted", "The issuer's metadata says nothing of PKCE", None)


@scenario
def pkce_unlisted_openid(world: World) -> None:
    """The issuer's OpenID Connect metadata says nothing of PKCE."""
    world.issuer.members["code_challenge_methods_supported"] = None
    world.issuer.metadata_at = [world.issuer.url + OPENID]


def _replying(name: str, says: str, change: Reply, *, advertised: bool = True) -> None:
    def prepare(world: World) -> None:
        world.issuer.reply = change
        world.issuer.members["authorization_response_iss_parameter_supported"] = True if advertised else None

    variant(name, says, prepare)


def _with(**members: str | None) -> Reply:
    return lambda asked, reply: {**reply, **members}


_replying("state-missing", "The authorization response has no state", _with(state=None))
_replying("state-altered", "The authorization response has another state", _with(state="altered"))


@scenario
def state_stale(world: World) -> None:
    """A second authorization response has the state of the first one."""
    seen: list[str | None] = []

    def reply(asked: Mapping[str, str], reply: dict[str, str | None]) -> dict[str, str | None]:
        seen.append(asked.get("state"))
        return {**reply, "state": seen[0]}

    world.issuer.reply = reply
    world.issuer.short, world.issuer.refreshes = 1, False


@scenario
def iss_wrong(world: World) -> None:
    """The authorization response names another issuer."""
    world.issuer.reply = _with(iss=world.other_issuer.url)


@scenario
def iss_wrong_unannounced(world: World) -> None:
    """The authorization response names another issuer, and the metadata did not announce that it names one."""
    world.issuer.reply = _with(iss=world.other_issuer.url)
    world.issuer.members["authorization_response_iss_parameter_supported"] = None


_replying("iss-missing", "The authorization response lacks the iss that the metadata announced", _with(iss=None))
_replying("iss-unused", "The issuer neither announces nor sends iss", _with(iss=None), advertised=False)


def _spelt(name: str, says: str, spell: Callable[[str], str]) -> None:
    def prepare(world: World) -> None:
        world.issuer.reply = _with(iss=spell(world.issuer.url))

    variant(name, says, prepare)


_spelt("iss-slash", "The iss has a slash more than the issuer", lambda url: f"{url}/")
_spelt("iss-case", "The iss has the host of the issuer in capitals", lambda url: url.replace("localhost", "LOCALHOST"))
_spelt("iss-encoded", "The iss has a letter of the issuer escaped", lambda url: url.replace("localhost", "%6cocalhost"))


@scenario
def iss_error(world: World) -> None:
    """An error response names another issuer, and has texts to show and a page to open."""
    world.issuer.reply = lambda asked, reply: {
        "error": "access_denied",
        "error_description": CANARY,
        "error_uri": f"{world.other_issuer.url}/error-page",
        "state": asked.get("state"),
        "iss": world.other_issuer.url,
    }


def _endpoint(name: str, says: str, url: str) -> None:
    def prepare(world: World) -> None:
        world.issuer.members["authorization_endpoint"] = url

    variant(name, says, prepare)


_endpoint("endpoint-javascript", "The authorization endpoint is a script", "javascript:alert(1)//")
_endpoint("endpoint-file", "The authorization endpoint is a file", "file:///etc/hosts")
_endpoint("endpoint-custom", "The authorization endpoint has a scheme of some program", "conformance-app://authorize")


@scenario
def endpoint_shell(world: World) -> None:
    """The authorization endpoint is a command, for whoever passes it to a shell."""
    command = f"touch$IFS{world.canary_file}"
    url = f"{world.issuer.endpoint('authorize')}?a=1&{command}&b=$({command});{command}"
    world.issuer.members["authorization_endpoint"] = url


@scenario
def endpoint_with_resource(world: World) -> None:
    """The authorization endpoint has a resource of its own in its query."""
    other = world.other_server.url
    world.issuer.members["authorization_endpoint"] = f"{world.issuer.endpoint('authorize')}?resource={other}"
