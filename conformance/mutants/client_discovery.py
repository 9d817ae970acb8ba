"""Bugs planted in the client: how it finds the authorization server of an MCP server."""

# Stand-ins are given by the path of what they replace, so their parameters have no type to infer.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import re
from collections.abc import Callable, Mapping
from typing import Any

from conformance.mutants.client_plant import Changed, planted
from mcp_demo.client import discovery
from mcp_demo.client.errors import DiscoveryFailed
from mcp_demo.oauth import challenge, resource_metadata, server_metadata
from mcp_demo.oauth.challenge import Challenge
from mcp_demo.oauth.resource import is_secure_url

_PLACES = "mcp_demo.client.discovery.resource_metadata"
_ISSUERS = "mcp_demo.client.discovery.server_metadata"


def _by_pattern(values: Any) -> tuple[Challenge, ...]:
    found = dict(re.findall(r'(\w+)="([^"]*)"', " ".join(values)))
    return (Challenge("Bearer", found),) if found else ()


def _first_only(values: Any) -> tuple[Challenge, ...]:
    return challenge.parse(values)[:1]


def _reads_challenges(parse: Callable[[Any], tuple[Challenge, ...]]) -> Mapping[str, Any]:
    return {"mcp_demo.client.discovery.challenge": Changed(challenge, parse=parse)}


planted(
    "challenge-by-pattern",
    "The challenge is read by a pattern for one spelling.",
    "discovery.challenge",
    rules=_reads_challenges(_by_pattern),
)
planted(
    "first-challenge",
    "Only the first challenge is looked at.",
    "discovery.challenge",
    rules=_reads_challenges(_first_only),
)

_looked_up = discovery._resource_metadata  # pyright: ignore[reportPrivateUsage]


def _well_known_first(server_url: str, bearer: Challenge | None, revision: Any) -> Any:
    try:
        return (yield from _looked_up(server_url, None, revision))
    except DiscoveryFailed:
        return (yield from _looked_up(server_url, bearer, revision))


planted(
    "well-known-first",
    "What the challenge names is only asked for if nothing is at the well-known address.",
    "discovery.named-metadata",
    rules={"mcp_demo.client.discovery._resource_metadata": _well_known_first},
)


def _candidates(choose: Callable[[tuple[str, ...]], tuple[str, ...]]) -> Mapping[str, Any]:
    return {
        _PLACES: Changed(resource_metadata, candidate_urls=lambda url: choose(resource_metadata.candidate_urls(url)))
    }


planted(
    "metadata-root-first",
    "The root well-known address is tried first.",
    "discovery.fallback-order",
    rules=_candidates(lambda urls: urls[::-1]),
)
planted(
    "metadata-path-only",
    "A 404 at the address with the path is the end.",
    "discovery.fallback-order",
    rules=_candidates(lambda urls: urls[:1]),
)
planted(
    "any-resource",
    "The resource of the metadata is not looked at.",
    "discovery.resource-match",
    rules={_PLACES: Changed(resource_metadata, validate_resource=lambda *_, **__: None)},
)


def _issuer_places(choose: Callable[[tuple[str, ...]], tuple[str, ...]]) -> Mapping[str, Any]:
    return {_ISSUERS: Changed(server_metadata, candidate_urls=lambda url: choose(server_metadata.candidate_urls(url)))}


planted(
    "no-openid",
    "Only RFC 8414 metadata is asked for.",
    "discovery.both-kinds",
    "discovery.order",
    rules=_issuer_places(lambda urls: urls[:1]),
)
planted(
    "openid-first",
    "OpenID Connect metadata is asked for first.",
    "discovery.order",
    rules=_issuer_places(lambda urls: urls[::-1]),
)


def _any_issuer(document: Any, *, expected_issuer: str) -> Any:
    return server_metadata.parse(document, expected_issuer=str(document.get("issuer", expected_issuer)))


def _no_slash(document: Any, *, expected_issuer: str) -> Any:
    return server_metadata.parse(document, expected_issuer=expected_issuer.rstrip("/"))


planted(
    "any-issuer",
    "The issuer that the metadata names is believed.",
    "discovery.issuer-match",
    rules={_ISSUERS: Changed(server_metadata, parse=_any_issuer)},
)
planted(
    "no-issuer-with-slash",
    "The issuer is compared with one rebuilt from its URL, without the slash.",
    "discovery.issuer-match",
    rules={_ISSUERS: Changed(server_metadata, parse=_no_slash)},
)
planted(
    "plain-http",
    "Addresses without TLS are asked like any other.",
    "discovery.https",
    rules={
        "mcp_demo.client.discovery.check_url": lambda url, server: url,
        "mcp_demo.oauth.server_metadata.is_secure_url": lambda url: url.startswith("http") or is_secure_url(url),
    },
)
planted(
    "any-certificate",
    "Certificates are not verified.",
    "discovery.https",
    trusting=True,
)
