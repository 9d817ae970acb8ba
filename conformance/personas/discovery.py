"""Scenarios: how a client finds the authorization server of an MCP server."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from conformance.personas.mcp_server import Challenges, McpServer, json_response
from conformance.personas.scenario import scenario, variant
from conformance.personas.world import World
from mcp_demo.exchange.model import Request, Response
from mcp_demo.oauth import resource_metadata
from mcp_demo.oauth.server_metadata import OPENID

PLAIN = "http://plain.conformance.example"
"""An origin without TLS that is not on this machine; requests to it reach us through the proxy setting."""

SECURE = "https://secure.conformance.example"


@scenario
def helpful(world: World) -> None:
    """Both servers do all that a client can hope for; it registers itself."""
    del world


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _hidden_metadata(write: Challenges, name: str, says: str) -> None:
    """Metadata that only who reads the challenge finds."""

    def prepare(world: World) -> None:
        world.server.metadata_at = f"{_origin(world.server.url)}/somewhere/else"
        world.server.challenges = write

    variant(name, says, prepare)


def _spaced(server: McpServer, parameters: Mapping[str, str]) -> Sequence[str]:
    del parameters
    return (f'bearer  scope = "read" ,  x-unknown=1,resource_metadata  =  "{server.metadata_url}"',)


def _escaped(server: McpServer, parameters: Mapping[str, str]) -> Sequence[str]:
    del parameters
    realm = r'realm="a \"quoted\" name, resource_metadata=\"https://decoy.example/\""'
    return (f'Bearer {realm}, resource_metadata="{server.metadata_url}", scope="read"',)


def _several(server: McpServer, parameters: Mapping[str, str]) -> Sequence[str]:
    del parameters
    return (f'Basic realm="a, b", Negotiate dG9rZW4=, Bearer resource_metadata="{server.metadata_url}", scope="read"',)


def _lines(server: McpServer, parameters: Mapping[str, str]) -> Sequence[str]:
    del parameters
    return ('Basic realm="first"', f'Bearer scope="read", resource_metadata="{server.metadata_url}"')


_hidden_metadata(_spaced, "challenge-spaced", "The challenge has spaces around = and a parameter nobody knows")
_hidden_metadata(_escaped, "challenge-escaped", "The challenge has escaped quotes, and a decoy within them")
_hidden_metadata(_several, "challenge-several", "One header line has three challenges, Bearer the last")
_hidden_metadata(_lines, "challenge-lines", "There are two header lines, Bearer the second")


@scenario
def metadata_decoy(world: World) -> None:
    """The challenge names the metadata, and at the well-known address lies a decoy with another issuer."""
    server = world.server
    server.metadata_at = f"{_origin(server.url)}/somewhere/else"
    decoy = {"resource": server.url, "authorization_servers": [world.other_issuer.url]}
    for url in resource_metadata.candidate_urls(server.url):
        world.pages[url] = ("prm", _page(decoy))


@scenario
def metadata_at_root(world: World) -> None:
    """The challenge names no metadata, and it lies at the root well-known address only."""
    server = world.server
    server.url = f"{_origin(server.url)}/public/mcp"
    server.metadata_at = resource_metadata.candidate_urls(server.url)[-1]
    server.challenges = lambda server, parameters: ("Bearer",)


def _of_resource(name: str, says: str, path: str, *, foreign: bool = False) -> None:
    def prepare(world: World) -> None:
        server = world.other_server if foreign else world.server
        world.server.members["resource"] = _origin(server.url) + path

    variant(name, says, prepare)


_of_resource("resource-foreign", "The metadata is for a resource at another origin", "/mcp", foreign=True)
_of_resource("resource-sibling", "The metadata is for another path of the same origin", "/mcp2")
_of_resource("resource-parent", "The metadata is for the origin above the endpoint", "")


@scenario
def openid_only(world: World) -> None:
    """The issuer has OpenID Connect Discovery only."""
    world.issuer.metadata_at = [world.issuer.url + OPENID]


@scenario
def metadata_nowhere(world: World) -> None:
    """The issuer has no metadata anywhere."""
    world.issuer.metadata_at = []


@scenario
def metadata_nowhere_path(world: World) -> None:
    """An issuer with a path has no metadata anywhere."""
    world.issuer.url += "/tenant"
    world.issuer.metadata_at = []


@scenario
def issuer_foreign(world: World) -> None:
    """The issuer's metadata names another issuer."""
    world.issuer.members["issuer"] = world.other_issuer.url


@scenario
def issuer_slash(world: World) -> None:
    """The issuer's metadata names the issuer with a slash more."""
    world.issuer.members["issuer"] = f"{world.issuer.url}/"


@scenario
def issuer_with_slash(world: World) -> None:
    """The issuer is written with a slash at its end, everywhere the same."""
    world.issuer.url += "/"


@scenario
def plain_metadata(world: World) -> None:
    """The challenge names metadata at an address without TLS."""
    world.server.metadata_at = f"{PLAIN}/metadata"
    world.pages[f"{PLAIN}/metadata"] = ("prm", lambda request: world.server.metadata())


@scenario
def plain_issuer(world: World) -> None:
    """The metadata names an issuer without TLS."""
    world.server.members["authorization_servers"] = [PLAIN]
    world.pages[f"{PLAIN}/.well-known/oauth-authorization-server"] = (
        "metadata",
        _page({"issuer": PLAIN, "token_endpoint": f"{PLAIN}/token"}),
    )


@scenario
def plain_endpoints(world: World) -> None:
    """The endpoints to register at and to get tokens from are without TLS."""
    world.issuer.members |= {"token_endpoint": f"{PLAIN}/token", "registration_endpoint": f"{PLAIN}/register"}
    world.pages[f"{PLAIN}/register"] = ("register", world.issuer.register)
    world.pages[f"{PLAIN}/token"] = ("token", lambda request: Response(400))


@scenario
def secure_issuer(world: World) -> None:
    """The metadata names an issuer on another machine, with TLS: the control of those without."""
    world.server.members["authorization_servers"] = [SECURE]


@scenario
def resource_at_origin(world: World) -> None:
    """The server is at the root of its origin."""
    world.server.url = _origin(world.server.url)


def _page(document: Mapping[str, Any]) -> Callable[[Request], Response]:
    """A JSON document for whoever asks."""
    return lambda request: json_response(document)
