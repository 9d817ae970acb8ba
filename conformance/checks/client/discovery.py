"""From a refusal to the authorization server (RFC 9728, RFC 8414, MCP Authorization Server Discovery)."""

from urllib.parse import urlsplit

from conformance.check import Blocked, Problem, Problems
from conformance.checks.client import checks
from conformance.personas import Hit, Play
from conformance.personas.discovery import PLAIN, SECURE
from conformance.views.client import Client
from mcp_demo.exchange.model import Exchange
from mcp_demo.oauth import resource_metadata, server_metadata

_BOTH_SINCE = "2025-11-25"
_CHALLENGES = ("challenge-spaced", "challenge-escaped", "challenge-several", "challenge-lines")


@checks.add(
    "client.discovery.challenge",
    "CL-401-HANDLE",
    expected="after a 401 with any legal WWW-Authenticate header: a request for the metadata that it names",
    why="Challenges are written by many servers and rewritten by proxies; a pattern for one spelling finds no way in.",
    fix="Parse the header by its grammar (RFC 9110 §11.6.1): all fields, all challenges, names without regard to case.",
)
def challenge(client: Client) -> Problems:
    """Every legal spelling of the challenge is understood."""
    client.control()
    for name in _CHALLENGES:
        play = client.play(name)
        if not any(hit.status == 200 for hit in play.hits("prm", party="server")):
            words = f"{play.scenario.says}: the metadata it names was not fetched"
            yield Problem(words, play.hits()[0].exchange)


@checks.add(
    "client.discovery.named-metadata",
    "CL-PRM-HEADER-FIRST",
    expected="the metadata URL of the challenge, and only the issuer that is named there",
    why="A server may keep its metadata anywhere; what lies at the well-known address may belong to somebody else.",
    fix="If the challenge has resource_metadata, fetch that and nothing else.",
)
def named_metadata(client: Client) -> Problems:
    """The metadata that the challenge names is the one that is used."""
    client.control()
    play = client.play("metadata-decoy")
    for hit in play.hits(party="other issuer")[:1]:
        yield Problem("the issuer of the decoy at the well-known address was used", hit.exchange)
    named = play.world.server.metadata_url
    if not any(hit.request.url == named for hit in play.hits("prm")):
        yield Problem("the metadata that the challenge names was not fetched", play.hits()[0].exchange)


@checks.add(
    "client.discovery.fallback-order",
    "CL-PRM-FALLBACK-ORDER",
    expected="without a URL in the challenge: the well-known URL with the path first, then the root one",
    why="Servers behind one host are told apart by the path; and small servers have the root document only.",
    fix="Try /.well-known/oauth-protected-resource/PATH, and after a 404 /.well-known/oauth-protected-resource.",
)
def fallback_order(client: Client) -> Problems:
    """Without a pointer the metadata is looked for with the path first, then at the root."""
    client.control()
    play = client.play("metadata-at-root")
    asked = _urls(play, "prm")
    wanted = list(resource_metadata.candidate_urls(play.world.server.url))
    if asked[:2] != wanted:
        yield Problem(f"asked for {_paths(asked)} instead of {_paths(wanted)}", play.hits()[-1].exchange)
    elif not play.hits("metadata"):
        yield Problem("the metadata at the root was fetched and not used", play.hits("prm")[-1].exchange)


@checks.add(
    "client.discovery.resource-match",
    "CL-PRM-RESOURCE-VALIDATE",
    expected="no use of metadata whose resource is not the server that was asked",
    why="A hostile server that shows the metadata of another one would get tokens that are good there.",
    fix="Compare resource with the URL that you were given, byte for byte, before anything of the document is used.",
)
def resource_match(client: Client) -> Problems:
    """Metadata for another resource is not used."""
    for name in ("resource-foreign", "resource-sibling", "resource-parent"):
        play = client.faced(name, "prm")
        used = [*play.hits(party="issuer"), *play.hits(party="other issuer")]
        if used:
            words = f"{play.scenario.says}: it was used all the same"
            yield Problem(words, used[0].exchange, soft=name == "resource-parent")


@checks.add(
    "client.discovery.both-kinds",
    "CL-META-BOTH",
    expected="a way in with RFC 8414 metadata, and with OpenID Connect Discovery (since 2025-11-25)",
    why="Issuers such as Cognito publish OpenID Connect metadata only.",
    fix="Where /.well-known/oauth-authorization-server is not found, ask for /.well-known/openid-configuration.",
    cognito="A user pool has openid-configuration only, and without code_challenge_methods_supported.",
)
def both_kinds(client: Client) -> Problems:
    """Authorization servers are found by either kind of metadata."""
    client.control()
    if client.target.revision < _BOTH_SINCE:
        return
    play = client.play("openid-only")
    if not play.authorizations:
        yield Problem("no authorization request to an issuer with OpenID Connect metadata only", _last(play))


@checks.add(
    "client.discovery.order",
    "CL-META-ORDER",
    expected="the URLs of MCP, in their order, until one answers",
    why="Another order finds another tenant's metadata at a host with several issuers, or none at all.",
    fix="With a path: RFC 8414 inserted, OpenID inserted, OpenID appended. Without: RFC 8414, then OpenID.",
)
def order(client: Client) -> Problems:
    """Metadata URLs are tried in the order that MCP prescribes."""
    for name in ("metadata-nowhere", "metadata-nowhere-path"):
        play = client.faced(name, "prm")
        asked, wanted = _urls(play, "metadata"), list(server_metadata.candidate_urls(play.world.issuer.url))
        if asked[: len(wanted)] != wanted:
            yield Problem(f"{play.scenario.says}: asked for {_paths(asked)} instead of {_paths(wanted)}", _last(play))


@checks.add(
    "client.discovery.issuer-match",
    "CL-META-ISSUER-VALIDATE",
    expected="no authorization request with metadata that names another issuer; one with the same name, slash and all",
    why="Otherwise a hostile issuer can speak in the name of an honest one, and get its codes (mix-up).",
    fix="Compare issuer with the string that the resource listed, exactly; do not rebuild that string from a URL.",
)
def issuer_match(client: Client) -> Problems:
    """Metadata of another issuer than the one that was asked is not used."""
    for name in ("issuer-foreign", "issuer-slash"):
        play = client.faced(name, "metadata")
        for hit in play.authorizations[:1]:
            yield Problem(f"{play.scenario.says}: it was used all the same", hit.exchange)
    play = client.play("issuer-with-slash")
    if not play.authorizations:
        yield Problem(f"{play.scenario.says}: it was refused", _last(play), soft=True)


@checks.add(
    "client.discovery.https",
    "CL-DISCOVERY-HTTPS",
    expected="no request to http addresses that are not on this machine, nor to https ones that nobody vouches for",
    why="Whoever is on the way reads the code and the tokens, or sends the client elsewhere.",
    fix="Check each URL that a document names before it is requested: https with a valid certificate, or loopback.",
)
def https(client: Client) -> Problems:
    """What discovery finds is used over https only, this machine aside."""
    secure = _at(client.faced("secure-issuer", "prm"), SECURE)
    if not secure:
        raise Blocked("The client's requests to other machines do not go through $HTTPS_PROXY, so none can be seen.")
    for hit in [hit for hit in secure if hit.request.method != "CONNECT"][:1]:
        yield Problem("a server whose certificate nobody vouches for was asked", hit.exchange)
    plain = (client.play("plain-metadata"), client.faced("plain-issuer", "prm"))
    for play in (*plain, client.faced("plain-endpoints", "metadata")):
        for hit in _at(play, PLAIN)[:1]:
            yield Problem(f"{play.scenario.says}: it was used all the same", hit.exchange)


checks.exclude(
    "client.discovery.private-addresses",
    "CL-SSRF",
    title="Discovery does not reach into private networks",
    why="A hostile server could have the client ask what only the client's network can reach.",
    reason="The suite serves on loopback, where a client may follow to loopback. To see a client in a server's place"
    " refuse private addresses, it has to be reached from a public address.",
)


def _at(play: Play, origin: str) -> list[Hit]:
    return [hit for hit in play.hits() if hit.request.url.startswith(origin)]


def _urls(play: Play, kind: str) -> list[str]:
    found = [hit.request.url for hit in play.hits() if hit.kind == kind and hit.request.method == "GET"]
    return list(dict.fromkeys(found))


def _paths(urls: list[str]) -> str:
    return ", ".join(urlsplit(url).path for url in urls) or "nothing"


def _last(play: Play) -> Exchange:
    return play.hits()[-1].exchange
