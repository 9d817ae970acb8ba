"""Bugs in how client metadata documents are fetched, read, and shown."""

# Stand-ins are given by the path of what they replace, so their parameters have no type to infer.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.request import urlopen

from conformance.mutants.authz_messages import PAGE, query
from conformance.mutants.authz_plant import broken, mutant
from conformance.mutants.authz_reference import Lab
from conformance.mutants.plant import Answer, Forward, Seen
from conformance.views.grants import NATIVE
from mcp_demo.bridge import cimd
from mcp_demo.bridge.fetch import Fetched, Fetcher, FetchFailed
from mcp_demo.oauth import metadata_document

_READ = metadata_document.parse
_FRESHNESS = cimd.freshness


def _reading(name: str, bug: str, check: str, change: Callable[[dict[str, Any], str], object]) -> None:
    """A bug in how a client's document is read."""

    def parse(document: object, url: str) -> Any:
        if isinstance(document, dict):
            change(document, url)
        return _READ(document, url)

    broken(name, bug, check, rules={"mcp_demo.oauth.metadata_document.parse": parse})


broken(
    "any_url",
    "Any URL is a client id.",
    "as.documents.url-form",
    rules={"mcp_demo.oauth.metadata_document.validate_client_id_url": lambda url, loopback: None},
)
_reading(
    "host_only",
    "A document may speak for another URL.",
    "as.documents.id-match",
    lambda found, url: found.update(client_id=url),
)
_reading(
    "no_uris_needed",
    "A document needs no redirect URIs.",
    "as.documents.valid",
    lambda found, _: found.setdefault("redirect_uris", [NATIVE]),
)
_reading(
    "shared_secrets",
    "A document may name a shared secret.",
    "as.documents.auth-method",
    lambda found, _: [found.pop("client_secret", None), found.update({"token_endpoint_auth_method": "none"})],
)
broken(
    "kept_for_ever",
    "Documents are kept whatever their headers say.",
    "as.fetching.cache",
    rules={"mcp_demo.bridge.cimd.freshness": lambda headers, now: 3600.0},
)
broken(
    "never_kept",
    "Documents are never kept.",
    "as.fetching.cache",
    rules={"mcp_demo.bridge.cimd.freshness": lambda headers, now: 0.0},
)
broken(
    "any_size",
    "Documents are read to their end.",
    "as.fetching.limits",
    rules={"mcp_demo.bridge.cimd._MAX_DOCUMENT": 100_000_000},
)


broken(
    "kept_an_hour",
    "Documents are kept for an hour, if they may be kept at all.",
    "as.fetching.cache",
    rules={"mcp_demo.bridge.cimd.freshness": lambda headers, now: 3600.0 if _FRESHNESS(headers, now) > 0 else 0.0},
)


async def _read_all(self: Fetcher, url: str, max_bytes: int) -> Fetched:
    """As the guarded fetcher does it, but for the limit on what has no length."""
    pool: Any = vars(self)["_pool"]
    async with pool.stream("GET", url, headers=[("Accept", "application/json")]) as answer:
        fields = {name.decode().lower(): value.decode() for name, value in answer.headers}
        if answer.status != 200 or int(fields.get("content-length", "0")) > max_bytes:
            raise FetchFailed("it is not there, or too large")
        body = b"".join([piece async for piece in answer.aiter_stream()])
    try:
        return Fetched(json.loads(body), fields)
    except ValueError:
        raise FetchFailed("it is not JSON") from None


broken(
    "endless",
    "Documents without a length are read to their end.",
    "as.fetching.limits",
    rules={"mcp_demo.bridge.fetch.Fetcher._get": _read_all},
)
broken(
    "waits_long",
    "A document may take as long as its server likes.",
    "as.fetching.limits",
    prepare=lambda lab: setattr(lab, "patience", 7.5),
)
_seen: dict[str, list[str]] = {}


def _with_earlier(found: dict[str, Any], url: str) -> None:
    if isinstance(found.get("redirect_uris"), list):
        found["redirect_uris"] += [uri for uri in _seen.get(url, []) if uri not in found["redirect_uris"]]
        _seen[url] = found["redirect_uris"]


_reading("remembers_uris", "A redirect URI once listed stays good.", "as.documents.redirect", _with_earlier)


def _with_logo(found: dict[str, Any], _: str) -> None:
    with suppress(OSError, ValueError):
        urlopen(str(found.get("logo_uri")), timeout=2).close()  # noqa: S310 - the bug itself


_reading("shows_logos", "The logo is fetched from wherever a document says.", "as.fetching.ssrf", _with_logo)


def _described(seen: Seen) -> str:
    found = query(seen).get("client_id", "") if seen.path == "/authorize" else ""
    return found if found.startswith("http") else ""


@mutant("as.documents.redirect")
async def unlisted_uri(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A redirect URI that the document does not list is taken."""
    return PAGE if _described(seen) and "evil.example" in query(seen).get("redirect_uri", "") else await forward(seen)


@mutant("as.fetching.failure")
async def anonymous_client(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Where the document is missing, the request goes on."""
    return PAGE if "answers-404" in _described(seen) else await forward(seen)


@mutant("as.fetching.no-cache-bad")
async def remembers_failures(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A document that failed once is not fetched again."""
    url = _described(seen)
    if url in lab.memory:
        return lab.memory[url]
    answer = await forward(seen)
    if url.endswith("/mended.json") and answer.status == 400:
        lab.memory[url] = answer
    return answer


@mutant("as.fetching.ssrf")
async def numeric_hosts(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A document may lie at an inner address if it is written as a number."""
    return PAGE if "2130706433" in _described(seen) else await forward(seen)


@mutant("as.fetching.ssrf")
async def follows_redirects(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A redirect of the document is followed."""
    return PAGE if _described(seen).endswith("/moved-302.json") else await forward(seen)


@mutant("as.fetching.ssrf")
async def follows_permanent_redirects(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A permanent redirect of the document is followed."""
    return PAGE if _described(seen).endswith("/moved-308.json") else await forward(seen)


@mutant("as.documents.supported")
async def never_fetches(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A URL is taken as client id without a look at its document."""
    return PAGE if _described(seen).endswith("/support.json") else await forward(seen)


@mutant("as.documents.redirect-host")
async def hides_the_host(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The page does not show where it leads."""
    answer = await forward(seen)
    return (
        replace(answer, body=answer.body.replace(b"client.conformance.example", b"the application"))
        if _described(seen)
        else answer
    )


@mutant("as.documents.warnings")
async def warns_of_nothing(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The page says nothing of programs on the person's machine."""
    answer = await forward(seen)
    return replace(answer, body=re.sub(rb'<p class="notice warn">.*?</p>', b"", answer.body, flags=re.DOTALL))
