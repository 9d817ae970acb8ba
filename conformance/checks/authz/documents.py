"""Client ID Metadata Documents: which are taken, and what the consent page says of them (CIMD draft, MCP)."""

import json

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.authz import checks
from conformance.target import Capability
from conformance.views.answers import response, shown, status
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import outcome, text_of
from conformance.views.grants import NATIVE, WEB, Client, error_of
from mcp_demo.exchange.model import Exchange

_NEEDS = (Capability.DOCUMENTS,)


def good_document(server: AuthorizationServer) -> Exchange:
    """A request of a client with a good document, which has to be taken.

    Raises:
        Blocked: It is not.
    """
    client = server.publish("/good.json", redirect_uris=[NATIVE])
    exchange = server.authorize(client, "A client with a good document", spec="CIMD §4")
    if outcome(exchange, NATIVE) != "proceeds":
        raise Blocked(f"A good document is answered {shown(exchange)}; as.documents.supported says more.")
    return exchange


def refused(server: AuthorizationServer, client: Client, words: str, *, uri: str = "") -> Problems:
    """A client that has to be refused, without a redirect."""
    redirect_uri = uri or client.redirect_uri
    exchange = server.authorize(client, words, spec="CIMD §4", redirect_uri=redirect_uri)
    what = outcome(exchange, redirect_uri)
    if what == "crashed":
        yield Problem(f"{shown(exchange)}: {words.lower()}", exchange)
    elif what != "refused":
        yield Problem(f"taken ({shown(exchange)}): {words.lower()}", exchange)


@checks.add(
    "as.documents.supported",
    "AS-CIMD-SUPPORT",
    expected="client_id_metadata_document_supported: true, and a fetch of the document at the first request",
    why="A client that nobody has registered shows by its document who it is; this is what MCP recommends.",
    fix="Fetch the document when client_id is an https URL, with a guard against inner addresses.",
    cognito="The user pool knows nothing of it: the bridge fetches.",
)
def supported(server: AuthorizationServer) -> Problems:
    """URLs are taken as client ids."""
    exchange, found = server.metadata
    if found.get("client_id_metadata_document_supported") is not True:
        yield Problem("client_id_metadata_document_supported is not true", exchange)
        return
    client = server.publish("/support.json")
    answer = server.authorize(client, "A client with a document", spec="CIMD §4")
    if outcome(answer, client.redirect_uri) != "proceeds":
        yield Problem(f"{shown(answer)} for a client with a good document{_excuse(server, client)}", answer)
    if not server.hosting().hits(client.client_id):
        yield Problem("the document was not fetched", answer)


def _excuse(server: AuthorizationServer, client: Client) -> str:
    """What speaks for a server that refuses a client id of ours without a look at the document."""
    host = server.target.documents
    if host is None or client.client_id.startswith("https:") or host.hits(client.client_id):
        return ""
    return "; its client id is not https, so that a server may refuse it (CIMD §3)"


@checks.add(
    "as.documents.flag",
    "AS-META-CIMD-FLAG",
    expected="client_id_metadata_document_supported: true exactly where URLs are accepted",
    why="Clients choose by the flag how to introduce themselves.",
    fix="Set the flag from the same setting that switches the feature.",
    needs=_NEEDS,
)
def flag(server: AuthorizationServer) -> Problems:
    """The flag tells the truth."""
    exchange, found = server.metadata
    host = server.target.documents
    if host is None:
        raise Blocked.without(Capability.DOCUMENTS)
    announced = found.get("client_id_metadata_document_supported") is True
    url = host.url("/flag.json")
    document = {"client_id": url, "client_name": "MCP conformance suite", "redirect_uris": [NATIVE]}
    host.publish("/flag.json", json.dumps({**document, "token_endpoint_auth_method": "none"}).encode())
    answer = server.authorize(Client(url, NATIVE), "A URL as client id", spec="CIMD §5")
    taken = outcome(answer, NATIVE) == "proceeds"
    if announced != taken:
        excuse = _excuse(server, Client(url, NATIVE))
        yield Problem(
            f"announced: {announced}, accepted: {taken} ({shown(answer)}){excuse}", exchange, soft=bool(excuse)
        )
    elif not announced and not host.hits(url):
        raise NotApplicable("URLs are not accepted as client ids, and the flag does not say so.")


@checks.add(
    "as.documents.url-form",
    "AS-CIMD-URL-FORM",
    expected="refused without a fetch: no path, dot segments, fragment, userinfo, plain http elsewhere",
    why="Two spellings of one URL must not be two clients, and a URL is fetched by the server itself.",
    fix="Check the string before any URL class has normalised it.",
    needs=_NEEDS,
)
def url_form(server: AuthorizationServer) -> Problems:
    """Only well-formed URLs are taken as client ids."""
    good_document(server)
    host = server.hosting()
    base = host.url("")
    for url, path, words in (
        (f"{base}", "/", "A URL without a path"),
        (f"{base}/a/../form.json", "/form.json", "A URL with dot segments"),
        (f"{base}/a/%2e%2e/form.json", "/form.json", "A URL with encoded dot segments"),
        (f"{base}/form.json#x", "/form.json", "A URL with a fragment"),
        (base.replace("://", "://user@") + "/form.json", "/form.json", "A URL with a user name"),
    ):
        document = {"client_id": url, "client_name": "MCP conformance suite", "redirect_uris": [NATIVE]}
        host.publish(
            path,
            json.dumps({**document, "token_endpoint_auth_method": "none"}).encode(),
            headers={"Cache-Control": "no-store"},
        )
        before = host.hits(host.url(path))
        yield from refused(server, Client(url, NATIVE), words)
        if host.hits(host.url(path)) > before:
            yield Problem(f"fetched all the same: {words.lower()}")
    plain = Client("http://client.conformance.example/client.json", NATIVE)
    yield from refused(server, plain, "A URL that is not https")


@checks.add(
    "as.documents.id-match",
    "AS-CIMD-ID-MATCH",
    expected="refused unless client_id in the document is the URL it came from, character for character",
    why="A copy of a well-known client's document, served elsewhere, would pass for that client.",
    fix="Compare the strings as they are.",
    needs=_NEEDS,
)
def id_match(server: AuthorizationServer) -> Problems:
    """A document speaks for its own URL only."""
    good_document(server)
    url = server.hosting().url("/match.json")
    for other, words in (
        (f"{url}/", "a trailing slash"),
        (url.replace("match", "MATCH"), "another case"),
        (f"{url}?x=1", "a query"),
        ("https://client.conformance.example/match.json", "another host"),
        (None, "no client_id at all"),
    ):
        client = server.publish("/match.json", client_id=other)
        yield from refused(server, Client(url, client.redirect_uri), f"A document that says {words}")


@checks.add(
    "as.documents.valid",
    "AS-CIMD-DOC-VALID",
    expected="refused: HTML, broken JSON, an array, no client_name, no or wrongly typed redirect_uris; no 5xx",
    why="If a document without redirect URIs is taken, the request's own is all that is left to trust.",
    fix="Parse strictly, and require the members that MCP requires.",
    needs=_NEEDS,
)
def valid(server: AuthorizationServer) -> Problems:
    """A document has to be complete."""
    good_document(server)
    html = {"Content-Type": "text/html", "Cache-Control": "no-store"}
    for client, words in (
        (server.publish_raw("/v-html", b"<!doctype html><title>x</title>", headers=html), "A web page"),
        (server.publish_raw("/v-broken", b'{"client_id": "'), "Broken JSON"),
        (server.publish_raw("/v-array", b"[]"), "An array"),
        (server.publish("/v-name.json", client_name=None), "A document without client_name"),
        (server.publish("/v-uris.json", redirect_uris=None), "A document without redirect_uris"),
        (server.publish("/v-string.json", redirect_uris=NATIVE), "A document whose redirect_uris is a string"),
    ):
        yield from refused(server, client, words)


@checks.add(
    "as.documents.redirect",
    "AS-CIMD-REDIRECT",
    expected="an unlisted redirect URI is refused, a listed loopback one is taken with any port",
    why="The document is the registration: nothing but what it lists may receive a code.",
    fix="Compare with the list, leaving out the port on loopback.",
    needs=_NEEDS,
)
def redirect(server: AuthorizationServer) -> Problems:
    """Only listed redirect URIs are used."""
    good_document(server)
    client = server.publish("/redirect.json", redirect_uris=[NATIVE, WEB])
    for uri in ("https://evil.example/callback", f"{WEB}/evil"):
        yield from refused(server, client, f"An unlisted redirect URI, {uri}", uri=uri)
    changed = NATIVE.replace("49152", "61023")
    exchange = server.authorize(client, "A listed loopback URI with another port", redirect_uri=changed)
    if outcome(exchange, changed) != "proceeds":
        yield Problem(f"{shown(exchange)} for a listed loopback URI with another port", exchange)
    client = server.publish("/removed.json", redirect_uris=[NATIVE, WEB])
    listed = server.authorize(client, "A listed redirect URI", redirect_uri=WEB)
    if outcome(listed, WEB) != "proceeds":
        yield Problem(f"{shown(listed)} for a listed redirect URI", listed)
    server.publish("/removed.json", redirect_uris=[NATIVE])
    removed = server.authorize(client, "The same", redirect_uri=WEB, again=True)
    if outcome(removed, WEB) != "refused":
        yield Problem(f"{shown(removed)} for a redirect URI that was removed from a document with no-store", removed)


@checks.add(
    "as.documents.auth-method",
    "AS-CIMD-AUTH-METHOD",
    expected="shared secrets are refused; private_key_jwt obliges the client to authenticate",
    why="A document is public: a secret in it is none, and a key that nobody asks for proves nothing.",
    fix="Take none and private_key_jwt; verify the assertion at the token endpoint.",
    needs=_NEEDS,
)
def auth_method(server: AuthorizationServer) -> Problems:
    """A document cannot make a secret client."""
    good_document(server)
    for method in ("client_secret_post", "client_secret_basic"):
        client = server.publish(f"/{method}.json", token_endpoint_auth_method=method)
        yield from refused(server, client, f"A document with {method}")
    secret = server.publish("/secret.json", client_secret="not-a-secret")  # noqa: S106
    yield from refused(server, secret, "A document with a client_secret")
    keyed = server.publish("/keyed.json", token_endpoint_auth_method="private_key_jwt", jwks={"keys": [_KEY]})  # noqa: S106
    form = {
        "grant_type": "authorization_code",
        "code": "conformance",
        "code_verifier": "v" * 43,
        "redirect_uri": NATIVE,
    }
    answer = server.call(keyed, form, "A client with a key, without an assertion")
    if error_of(answer) != "invalid_client":
        yield Problem(f"{shown(answer)}, {error_of(answer)} for a client with a key that does not use it", answer)


_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "kid": "conformance",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}  # the public key of RFC 7515, Appendix A.3


@checks.add(
    "as.documents.redirect-host",
    "AS-CONSENT-REDIRECT-HOST",
    expected="the host of the redirect URI in the text of the consent page",
    why="The name in a document is a claim; the host shows where the code goes.",
    fix="Show the host of the redirect URI beside the name.",
    needs=_NEEDS,
)
def redirect_host(server: AuthorizationServer) -> Problems:
    """The person sees where the answer goes."""
    client = server.publish("/host.json", redirect_uris=[WEB])
    exchange, text = _page(server, client)
    if "client.conformance.example" not in text:
        yield Problem("the page does not show client.conformance.example, where it leads", exchange)


@checks.add(
    "as.documents.warnings",
    "AS-CONSENT-WARNINGS",
    expected="a warning where all redirect URIs are on loopback, and the host of the client_id URL",
    why="Any program on the machine can use such a document and look like its client.",
    fix="Say so, and show the host of the client_id.",
    needs=_NEEDS,
)
def warnings(server: AuthorizationServer) -> Problems:
    """The person is warned of clients on their own machine."""
    local, local_text = _page(server, server.publish("/local-a.json", client_name="Warned client"))
    web, web_text = _page(server, server.publish("/local-b.json", client_name="Warned client", redirect_uris=[WEB]))
    host = server.hosting().url("").partition("://")[2]
    for exchange, text in ((local, local_text), (web, web_text)):
        if host not in text.replace(f"{host}/", ""):
            yield Problem(f"the page does not show {host}, whose client it is", exchange)
    if len(_words(local_text) - _words(web_text)) < 4:
        yield Problem("the page for a client on loopback says nothing more than the other", local)


def _words(text: str) -> set[str]:
    return {word for word in text.lower().split() if word.isalpha()}


def _page(server: AuthorizationServer, client: Client) -> tuple[Exchange, str]:
    """The consent page, where it comes before the login; else as the browser finds it after."""
    exchange = server.authorize(client, "The page for a client with a document")
    if outcome(exchange, client.redirect_uri) != "proceeds":
        raise Blocked(f"A good document is answered {shown(exchange)}; as.documents.supported says more.")
    if status(exchange) == 200:
        return exchange, text_of(response(exchange).body.decode("utf-8", "replace"))
    followed = server.following(exchange)
    if followed is not None and status(followed) == 200:
        return followed, text_of(response(followed).body.decode("utf-8", "replace"))
    journey = server.travel(client, "The pages of a client with a document", approve=False)
    return exchange, " ".join(stop.text for stop in journey.stops)
