"""Where the browser is sent (OAuth 2.1 §2.3.1, §4.1.2.1; RFC 8252 §7.3; MCP Open Redirection)."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.authz import checks
from conformance.checks.authz.authorize import STRANGER, require_control, require_endpoint
from conformance.target import Capability
from conformance.views.answers import shown, status
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import location, outcome
from conformance.views.grants import Client

_NEEDS = (Capability.CLIENT,)
_EVIL = "https://evil.example/callback"


def _refused(server: AuthorizationServer, client: Client, uri: str, words: str) -> Problems:
    exchange = server.authorize(client, f"With {words}", redirect_uri=uri)
    target = location(exchange)
    what = outcome(exchange, uri)
    if what != "refused" or (target is not None and urlsplit(target).netloc == urlsplit(uri).netloc):
        yield Problem(f"{words} is taken: {uri} ({shown(exchange)})", exchange)


@checks.add(
    "as.redirect.exact",
    "AS-REDIRECT-EXACT",
    expected="a page that refuses every redirect URI that differs by one character from the registered one",
    why="Codes go where the redirect URI says; a pattern that fits too much sends them to a stranger.",
    fix="Compare strings, with no parsing, no prefix and no wildcard.",
    cognito="The user pool compares only the bridge's own callback: the bridge has to compare the client's.",
    needs=_NEEDS,
)
def exact(server: AuthorizationServer) -> Problems:
    """The redirect URI has to be a registered one, character for character."""
    client = server.web_client
    require_control(server, client)
    uri, parts = client.redirect_uri, urlsplit(client.redirect_uri)
    variants = {
        "a longer path": f"{uri}-evil",
        "a further path segment": f"{uri}/evil",
        "a trailing slash": f"{uri}/",
        "a query": f"{uri}?next=https://evil.example",
        "upper case in the path": uri.replace(parts.path, parts.path.upper()),
        "percent-encoding": uri.replace(parts.path, parts.path.replace("c", "%63")),
        "dot segments": uri.replace(parts.path, "/x/.." + parts.path),
        "userinfo": f"https://{parts.netloc}@evil.example{parts.path}",
        "another port": uri.replace(parts.netloc, f"{parts.netloc}:8443"),
        "a longer host": uri.replace(parts.netloc, f"{parts.netloc}.evil.example"),
        "a subdomain": uri.replace(parts.netloc, f"evil.{parts.netloc}"),
        "plain http": uri.replace("https://", "http://"),
        "a fragment": f"{uri}#x",
    }
    for words, variant in variants.items():
        yield from _refused(server, client, variant, words)


@checks.add(
    "as.redirect.loopback-port",
    "AS-REDIRECT-LOOPBACK-PORT",
    expected="the request goes on with any port, for 127.0.0.1 and localhost",
    why="A program on a person's machine gets its port from the system, another one each time.",
    fix="Leave the port out of the comparison where the host is a loopback host, and only there.",
    cognito="The user pool takes no port but the registered one: the bridge has to apply this rule itself.",
    needs=_NEEDS,
)
def loopback_port(server: AuthorizationServer) -> Problems:
    """A loopback redirect URI works with any port."""
    clients = [_loopback_client(server)]
    with suppress(Blocked, NotApplicable):
        clients.append(server.local_client)
    for client in clients:
        require_control(server, client)
        for port in ("49153", "61023"):
            changed = _with_port(client.redirect_uri, port)
            exchange = server.authorize(client, f"On port {port}", redirect_uri=changed)
            if outcome(exchange, changed) != "proceeds":
                yield Problem(f"{shown(exchange)} for {changed}", exchange)


def _loopback_client(server: AuthorizationServer) -> Client:
    client = server.client
    if urlsplit(client.redirect_uri).hostname not in ("127.0.0.1", "localhost", "::1"):
        raise Blocked("The client that is known has no loopback redirect URI.", Capability.CLIENT)
    return client


def _with_port(uri: str, port: str) -> str:
    parts = urlsplit(uri)
    return uri.replace(parts.netloc, f"{parts.hostname}:{port}", 1)


@checks.add(
    "as.redirect.loopback-narrow",
    "AS-REDIRECT-LOOPBACK-NARROW",
    expected="a page that refuses every other difference",
    why="http://localhost.evil.example begins like a loopback address, and is none.",
    fix="Parse the host and compare it with the loopback names as a whole.",
    needs=_NEEDS,
)
def loopback_narrow(server: AuthorizationServer) -> Problems:
    """Nothing but the port of a loopback redirect URI may differ."""
    client = _loopback_client(server)
    require_control(server, client)
    uri, parts = client.redirect_uri, urlsplit(client.redirect_uri)
    host = parts.hostname or ""
    other = "localhost" if host == "127.0.0.1" else "127.0.0.1"
    variants = {
        "https instead of http": uri.replace("http://", "https://"),
        "another path": f"{uri}/evil",
        "a query": f"{uri}?x=1",
        "another loopback name": uri.replace(host, other),
        "a longer host": uri.replace(host, f"{host}.evil.example"),
        "userinfo": uri.replace(host, f"{host}@evil.example", 1).replace(f":{parts.port}", ""),
    }
    for words, variant in variants.items():
        yield from _refused(server, client, variant, words)


@checks.add(
    "as.redirect.no-open",
    "AS-REDIRECT-NO-OPEN",
    expected="a page of its own, and no redirect",
    why="A link to a sign-in page that people trust would take them anywhere.",
    fix="Check client and redirect URI before anything else, and never redirect while they are in doubt.",
)
def no_open(server: AuthorizationServer) -> Problems:
    """Nobody is sent to an address that is not known."""
    found = list(_leads_away(server, STRANGER, _UNKNOWN))
    if not found and Capability.CLIENT in server.target.capabilities:
        found = list(_leads_away(server, server.client, _UNREGISTERED))
    yield from found
    if not found:
        require_endpoint(server)


_UNKNOWN: Mapping[str, dict[str, Any]] = {
    "An unknown client": {},
    "An unknown client and a bad response type": {"response_type": "foo"},
    "No client at all": {"client_id": None},
}
_UNREGISTERED: Mapping[str, dict[str, Any]] = {
    "An unregistered redirect URI and a bad scope": {"redirect_uri": _EVIL, "scope": "conformance:x"},
    "An unregistered redirect URI and prompt=none": {"redirect_uri": _EVIL, "prompt": "none"},
    "An unregistered redirect URI and no PKCE": {"redirect_uri": _EVIL, "code_challenge": None},
}


def _leads_away(server: AuthorizationServer, client: Client, attempts: Mapping[str, dict[str, Any]]) -> Problems:
    for words, changes in attempts.items():
        exchange = server.authorize(client, words, **changes)
        target = location(exchange)
        if (
            outcome(exchange, _EVIL) in ("code", "error", "elsewhere")
            or "evil.example" in urlsplit(target or "").netloc
        ):
            yield Problem(f"leads to {target or 'the address, by script'}: {words.lower()}", exchange)
        elif status(exchange) >= 500:
            yield Problem(f"{shown(exchange)}: {words.lower()}", exchange)


@checks.add(
    "as.redirect.untrusted",
    "AS-REDIRECT-UNTRUSTED",
    expected="a login, a warning or an error page, and no immediate redirect",
    why="Anybody can register a client; its errors would make the sign-in page a redirector to anywhere.",
    fix="Send errors at once only to clients that somebody has checked; show a page for all others.",
    needs=_NEEDS,
)
def untrusted(server: AuthorizationServer) -> Problems:
    """A client that registered itself cannot redirect people right away."""
    client = server.web_client
    wrong: tuple[tuple[str, dict[str, Any]], ...] = (
        ("An invalid scope", {"scope": "conformance:x"}),
        ("prompt=none", {"prompt": "none"}),
    )
    found: list[Problem] = []
    for words, changes in wrong:
        exchange = server.authorize(client, f"{words}, from an unchecked client", **changes)
        what = outcome(exchange, client.redirect_uri)
        if what in ("error", "code", "elsewhere"):
            # Precautions are a MUST; that not even an error is sent at once is a SHOULD among them.
            words = f"redirects to {client.redirect_uri} at once: {words.lower()}"
            found.append(Problem(words, exchange, soft=what == "error"))
    yield from found
    if not found:
        require_control(server, client)
