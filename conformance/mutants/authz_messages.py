"""Reading and changing the messages that planted bugs sit between."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlencode, urlsplit

from conformance.mutants.plant import Answer, Seen

WELL_KNOWN = "/.well-known/oauth-authorization-server"
JSON = (b"content-type", b"application/json")
_HTML = [(b"content-type", b"text/html"), (b"content-security-policy", b"frame-ancestors 'none'")]
PAGE = Answer(200, _HTML, b"<form method=post action=/consent><button>Allow</button></form>")
"""A page that asks for consent, whoever the client is."""


def query(seen: Seen) -> dict[str, str]:
    """The query parameters; of repeated ones the last."""
    return dict(parse_qsl(seen.query.decode(), keep_blank_values=True))


def with_query(seen: Seen, **changes: str | None) -> Seen:
    """The request with other query parameters."""
    kept = {name: value for name, value in {**query(seen), **changes}.items() if value is not None}
    return replace(seen, query=urlencode(kept).encode())


def with_form(seen: Seen, **changes: str | None) -> Seen:
    """The request with another form."""
    form = {**dict(parse_qsl(seen.body.decode("latin-1"))), **changes}
    return replace(seen, body=urlencode({name: value for name, value in form.items() if value is not None}).encode())


def form(seen: Seen) -> dict[str, str]:
    """The members of the form."""
    return dict(parse_qsl(seen.body.decode("latin-1")))


def redirected(url: str) -> Answer:
    """A redirect."""
    return Answer(302, [(b"location", url.encode())])


def back(answer: Answer, **changes: str | None) -> Answer:
    """The redirect to the client with other parameters."""
    where = (answer.header(b"location") or b"").decode()
    parts = urlsplit(where)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not ("code" in given or "error" in given) or "response_type" in given:
        return answer
    kept = {name: value for name, value in {**given, **changes}.items() if value is not None}
    return answer.with_header(b"location", parts._replace(query=urlencode(kept)).geturl().encode())
