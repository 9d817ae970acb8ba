"""How the client becomes known to the authorization server (MCP Client Registration, RFC 7591, CIMD)."""

from conformance.check import NotApplicable, Problem, Problems
from conformance.checks.client import checks
from conformance.personas import CREDENTIALS
from conformance.views.answers import members, shown, status
from conformance.views.client import Client, body_of, texts
from mcp_demo.oauth import metadata_document
from mcp_demo.oauth.errors import InvalidClient

_SECRET_METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt")
_MOST_TRIES = 3
_GIVEN = CREDENTIALS["client_id"]


@checks.add(
    "client.registration.priority",
    "CL-REG-PRIORITY",
    expected="given credentials before a metadata document, and that before registering",
    why="A client that registers although it is known leaves a new client behind at every start.",
    fix="Ask in this order: credentials for this issuer, client_id_metadata_document_supported, registration_endpoint.",
    cognito="A user pool registers nobody by itself: without given credentials, or a bridge, there is no way in.",
)
def priority(client: Client) -> Problems:
    """Of several ways to become known the preferred one is taken."""
    client.control()
    known = _ids(client, "credentials-only") == [_GIVEN]
    documents = any("://" in identifier for identifier in _ids(client, "documents-only"))
    if not known and not documents:
        raise NotApplicable("The client knows one way of becoming known, and has no choice.")
    if known:
        play = client.faced("all-ways", "metadata")
        if play.hits("register") or _ids(client, "all-ways") != [_GIVEN]:
            yield Problem("credentials were given, and others were used", play.hits()[-1].exchange)
    if documents:
        play = client.faced("documents-and-registration", "metadata")
        for hit in play.hits("register")[:1]:
            yield Problem("it registered although the issuer takes its metadata document", hit.exchange)


@checks.add(
    "client.registration.given-credentials",
    "CL-REG-PREREG",
    expected="use of the client id and secret that it is given",
    why="Many authorization servers register clients by hand only.",
    fix="Let people set a client id and a secret for a server. Here they are in $MCP_CONFORMANCE_CONTEXT; see"
    " docs/conformance-client.md for handing them on.",
    cognito="App clients of a user pool are made by its administrator.",
)
def given_credentials(client: Client) -> Problems:
    """Credentials that were given beforehand are used."""
    client.control()
    play = client.play("credentials-only")
    if _GIVEN not in _ids(client, "credentials-only"):
        words = "the client id of $MCP_CONFORMANCE_CONTEXT was not used; can it be given one, and is it handed on?"
        yield Problem(words, play.hits()[-1].exchange)
    elif not play.successes:
        yield Problem("the client id was used, and the client still did not get in", play.hits()[-1].exchange)


@checks.add(
    "client.registration.document",
    "CL-CIMD-SUPPORT",
    expected="the URL of its metadata document as client id where the issuer takes it, and nowhere else",
    why="It spares issuer and client a registration, and says who the client is.",
    fix="If the metadata has client_id_metadata_document_supported: true, use your document's URL as client_id.",
)
def document(client: Client) -> Problems:
    """A metadata document is used where it is supported, and only there."""
    play = client.control()
    for hit in play.authorizations[:1]:
        if "://" in hit.fields.get("client_id", ""):
            yield Problem("a URL was sent as client id to an issuer that takes none", hit.exchange)
    play = client.faced("documents-only", "metadata")
    if not any("://" in identifier for identifier in _ids(client, "documents-only")):
        yield Problem("no URL was used as client id, though the issuer takes them", play.hits()[-1].exchange)


@checks.add(
    "client.registration.document-url",
    "CL-CIMD-URL",
    expected="an https URL with a path, without fragment, user information and dot segments, that answers 200",
    why="The URL is the client's name; who can write it in several ways can pretend to be several clients.",
    fix="Host the document at a plain https URL such as https://client.example/oauth/client.json.",
)
def document_url(client: Client) -> Problems:
    """The metadata document has a proper URL."""
    url = client.metadata_url()
    exchange, found = client.document()
    try:
        metadata_document.validate_client_id_url(url, allow_loopback_http=False)
    except InvalidClient as error:
        yield Problem(f"{url}: {error}", exchange)
    if not found:
        yield Problem(f"{shown(exchange)} instead of a JSON document", exchange)


@checks.add(
    "client.registration.document-content",
    "CL-CIMD-DOC",
    expected="client_id (equal to the URL), client_name, redirect_uris, and nothing of a shared secret",
    why="An issuer believes the document because it says the URL that it lies at.",
    fix="Write the members by hand or make them from one source; a public document can hold no secret.",
)
def document_content(client: Client) -> Problems:
    """The metadata document says what it has to say."""
    url = client.metadata_url()
    exchange, found = client.document()
    if status(exchange) != 200 or members(exchange) is None:
        yield Problem(f"{shown(exchange)} instead of a JSON document", exchange)
        return
    if found.get("client_id") != url:
        yield Problem("client_id is not the URL of the document", exchange)
    yield from (
        Problem(f"there is no {name}", exchange) for name in ("client_name", "redirect_uris") if not found.get(name)
    )
    if "client_secret" in found or found.get("token_endpoint_auth_method") in _SECRET_METHODS:
        yield Problem("it declares a shared secret", exchange)


@checks.add(
    "client.registration.dynamic",
    "CL-DCR-SUPPORT",
    expected="one registration with redirect_uris, before the authorization request",
    why="Where nothing else is offered, it is the only way in without an administrator.",
    fix="POST your metadata to registration_endpoint once for each issuer, and keep what comes back.",
)
def dynamic(client: Client) -> Problems:
    """The client registers itself where that is offered."""
    play = client.control()
    found = play.hits("register")
    if not found:
        yield Problem("it did not register", play.hits()[-1].exchange)
    elif len(found) > 1:
        yield Problem(f"it registered {len(found)} times", found[1].exchange)
    for hit in found:
        if not texts(body_of(hit).get("redirect_uris")):
            yield Problem("the registration has no redirect_uris", hit.exchange)


@checks.add(
    "client.registration.application-type",
    "CL-DCR-APP-TYPE",
    expected="application_type: native for redirect URIs on this machine, web for https ones",
    why="Without it OpenID Connect servers assume web, and refuse redirects to this machine.",
    fix='Add "application_type": "native" (or "web") to the registration.',
)
def application_type(client: Client) -> Problems:
    """The registration says what kind of application the client is."""
    hit = client.registration()
    asked = body_of(hit)
    redirects, found = texts(asked.get("redirect_uris")), asked.get("application_type")
    fitting = "web" if all(uri.startswith("https:") for uri in redirects) else "native"
    if found is None:
        yield Problem("there is no application_type", hit.exchange)
    elif found != fitting:
        yield Problem(f"application_type {found!r} does not fit its redirect URIs", hit.exchange, soft=True)


@checks.add(
    "client.registration.refused",
    "CL-DCR-FAILURE",
    expected="an end after a few tries, with a word about it, and no authorization request",
    why="Going on without a client id shows people an error page that nobody understands.",
    fix="Read error and error_description of the 400 answer, show them, and stop.",
)
def refused(client: Client) -> Problems:
    """A refused registration is the end, and people are told."""
    client.registration()
    play = client.play("registration-refused")
    tries = play.hits("register")
    if not tries:
        raise NotApplicable("The client did not register in this scenario.")
    for hit in play.authorizations[:1]:
        yield Problem("it went on to the authorization request", hit.exchange)
    if len(tries) > _MOST_TRIES:
        yield Problem(f"it tried {len(tries)} times", tries[-1].exchange)
    if play.status == 0 and not play.output.strip():
        yield Problem("it ended as if all were well", tries[-1].exchange, soft=True)


@checks.add(
    "client.registration.grant-types",
    "CL-RT-GRANT-TYPES",
    expected="refresh_token among grant_types, for a client that uses refresh tokens",
    why="The default is authorization_code alone, and such a client need not be given refresh tokens.",
    fix='Register with "grant_types": ["authorization_code", "refresh_token"].',
)
def grant_types(client: Client) -> Problems:
    """A client that refreshes says so in its metadata."""
    hit = client.registration()
    if not client.used("expiry").refreshes:
        raise NotApplicable("The client uses no refresh tokens.")
    if "refresh_token" not in texts(body_of(hit).get("grant_types")):
        yield Problem("grant_types has no refresh_token", hit.exchange)


def _ids(client: Client, name: str) -> list[str]:
    """The client ids that were used in a scenario."""
    found = [hit.fields.get("client_id", "") for hit in client.play(name).authorizations]
    return list(dict.fromkeys(found))
