"""For which server the token is to be (RFC 8707, MCP Resource Parameter Implementation)."""

from urllib.parse import parse_qs, urlsplit

from conformance.check import Blocked, Problem, Problems
from conformance.checks.client import checks
from conformance.personas import Hit
from conformance.views.client import Client


@checks.add(
    "client.resource.everywhere",
    "CL-RESOURCE-BOTH",
    expected="the same resource in authorization, code and refresh requests, whatever the server supports",
    why="Without it a token may be good at servers that it was never meant for.",
    fix="Send resource in every authorization and every token request, refreshing included.",
    cognito="Resource binding gives tokens an aud; without resource there is none.",
)
def everywhere(client: Client) -> Problems:
    """The resource is named in every request for a token."""
    play = client.control()
    for hit in [*play.authorizations, *play.code_requests]:
        if not _resources(hit):
            yield Problem(f"{_request(hit)} has no resource", hit.exchange)
    if _all(play.code_requests) - _all(play.authorizations):
        yield Problem("the token request has another resource than the authorization request", play.hits()[-1].exchange)
    play = client.play("expiry")
    for hit in play.refreshes:
        if _all([hit]) != _all(play.authorizations):
            yield Problem("a refresh request has no resource, or another one", hit.exchange)
            break
    play = client.faced("endpoint-with-resource", "metadata")
    for hit in play.authorizations[:1]:
        if _resources(hit) == [play.world.other_server.url]:
            yield Problem(f"{play.scenario.says}: it took the place of the client's", hit.exchange)


@checks.add(
    "client.resource.canonical",
    "CL-RESOURCE-CANONICAL",
    expected="the resource of the server's metadata, byte for byte",
    why="A slash more, or the origin instead of the server, is another resource: tokens for it are refused.",
    fix="Take the string from the metadata as it is; a URL class adds slashes.",
    cognito="The identifier of a resource server is compared as a string.",
)
def canonical(client: Client) -> Problems:
    """The resource is written as the server writes it."""
    for play in (client.control(), client.faced("resource-at-origin", "metadata")):
        wanted = play.world.server.url
        found = [(hit, value) for hit in [*play.authorizations, *play.code_requests] for value in _resources(hit)]
        if not found:
            raise Blocked("The client names no resource; see client.resource.everywhere.")
        for hit, value in found:
            if value != wanted:
                soft = value == f"{wanted}/"
                yield Problem(f"{play.scenario.says}: {value} instead of {wanted}", hit.exchange, soft=soft)
                break


def _resources(hit: Hit) -> list[str]:
    query = hit.request.body.decode("utf-8", "replace") if hit.kind == "token" else urlsplit(hit.request.url).query
    return parse_qs(query, keep_blank_values=True).get("resource", [])


def _all(hits: list[Hit]) -> set[str]:
    return {value for hit in hits for value in _resources(hit)}


def _request(hit: Hit) -> str:
    return "a token request" if hit.kind == "token" else "an authorization request"
