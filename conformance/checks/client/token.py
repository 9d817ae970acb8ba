"""Where tokens go, and where they must not (OAuth 2.1, MCP Token Requirements and Token Handling)."""

from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from urllib.parse import unquote_plus

from conformance.check import Blocked, Problem, Problems
from conformance.checks.client import checks
from conformance.personas import Hit, Play
from conformance.views.client import Client, answer_of


@checks.add(
    "client.token.header",
    "CL-TOKEN-HEADER",
    expected="Authorization: Bearer on requests, and the token in no URL and no body of them",
    why="URLs end up in logs, histories and Referer headers.",
    fix="Put the token into the Authorization header; use a client for event streams that can send headers.",
)
def header(client: Client) -> Problems:
    """Tokens travel in the Authorization header and nowhere else."""
    for play in (client.control(), client.play("expiry")):
        tokens = play.world.secrets
        for hit in play.hits("mcp"):
            if any(token in hit.request.url for token in tokens):
                yield Problem("a token is in the URL of a request", hit.exchange)
            elif any(token.encode() in hit.request.body for token in tokens):
                yield Problem("a token is in the body of a request", hit.exchange)


@checks.add(
    "client.token.every-request",
    "CL-TOKEN-EVERY-REQUEST",
    expected="the token on each request to the server, once there is one",
    why="A session is not a proof of who is asking; servers have to refuse what has no token.",
    fix="Attach the token where requests are made, not where the session is opened.",
)
def every_request(client: Client) -> Problems:
    """Once there is a token, every request to the server has it."""
    for play in (client.control(), client.play("step-up")):
        with_token = [place for place, hit in enumerate(play.calls) if hit.token is not None]
        later = play.calls[with_token[0] + 1 :] if with_token else []
        if not later and play is client.control():
            raise Blocked("The client made one request with its token and no more, so nothing can be said.")
        for hit in later:
            if hit.token is None:
                yield Problem(f"a {hit.request.method} has no token", hit.exchange)
                break


@checks.add(
    "client.token.own-server",
    "CL-TOKEN-ONLY-OWN-AS",
    expected="a server sees only tokens that its own issuers gave out",
    why="A hostile server could collect tokens of others by redirecting to itself, or by naming them.",
    fix="Bind tokens to the server they are for; do not forward Authorization to another origin.",
)
def own_server(client: Client) -> Problems:
    """No server sees the token of another one."""
    redirected = client.faced("sent-elsewhere", "mcp")
    if not any(hit.status == 307 for hit in redirected.calls):
        raise Blocked("The client did not come as far as to be redirected.")
    for play in (redirected, client.play("foreign-challenge")):
        for hit in play.hits(party="other server"):
            if _carries(hit, play.world.issuer.tokens):
                yield Problem(f"{play.scenario.says}: the other one got the token", hit.exchange)
                break


@checks.add(
    "client.token.kept-secret",
    "CL-TOKEN-STORAGE",
    expected="no token in the program's output, nor in files that others can read",
    why="Logs are shared, and files in a home folder are read by other programs and other people.",
    fix="Keep tokens in the keyring, or in files of mode 0600; let no log line print a header or a body.",
)
def kept_secret(client: Client) -> Problems:
    """Tokens are neither printed nor kept where others can read them."""
    client.control()
    client.play("expiry")
    for play in client.plays:
        last = next(iter(play.successes[-1:] or play.hits()[-1:]), None)
        if last is None:
            continue
        if any(token in play.output for token in play.world.secrets):
            yield Problem("a token is in the output", last.exchange)
            return
        if play.exposed:
            yield Problem(f"a token is in {', '.join(play.exposed)}, which others can read", last.exchange)
            return


@checks.add(
    "client.token.endpoint-authentication",
    "CL-TOKEN-ENDPOINT-AUTH",
    expected="the one method that was registered, with the credentials as they were given",
    why="Servers refuse requests with two methods; and a secret in the wrong place ends up in logs.",
    fix="Read token_endpoint_auth_method of the registration's answer; form-encode id and secret for Basic.",
)
def endpoint_authentication(client: Client) -> Problems:
    """The client authenticates as it was registered to."""
    client.registration()
    for method in ("none", "client_secret_basic", "client_secret_post"):
        play = client.faced(f"registered-with-{method.replace('_', '-')}", "register", "authorize")
        if not play.code_requests:
            raise Blocked(f"The client made no token request: {play.fate}.")
        for hit in play.code_requests[:1]:
            yield from _authentication(play, hit, method)


def _authentication(play: Play, hit: Hit, method: str) -> Iterator[Problem]:
    given = answer_of(play.hits("register")[-1])
    identifier, secret = str(given.get("client_id")), str(given.get("client_secret"))
    scheme, _, value = (hit.request.header("authorization") or "").partition(" ")
    basic, post = scheme.lower() == "basic", "client_secret" in hit.fields
    used = [name for name, present in (("client_secret_basic", basic), ("client_secret_post", post)) if present]
    if used != ([] if method == "none" else [method]):
        words = " and ".join(used) or "no secret"
        yield Problem(f"registered with {method}, it used {words}", hit.exchange)
    elif basic and _decoded(value) != (identifier, secret):
        yield Problem("the Basic credentials are not the form-encoded id and secret", hit.exchange)
    elif post and hit.fields["client_secret"] != secret:
        yield Problem("the secret is not the one that was given", hit.exchange)
    elif not basic and hit.fields.get("client_id") != identifier:
        yield Problem("the token request does not name the client", hit.exchange)


def _decoded(value: str) -> tuple[str, str] | None:
    try:
        name, _, secret = b64decode(value, validate=True).decode().partition(":")
    except (Error, ValueError):
        return None
    return unquote_plus(name), unquote_plus(secret)


def _carries(hit: Hit, tokens: list[str]) -> bool:
    everything = "\n".join((hit.request.url, *(value for _, value in hit.request.headers)))
    return any(token in everything or token.encode() in hit.request.body for token in tokens)
