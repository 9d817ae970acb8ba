"""Bugs planted in the client: what the token is for, where it goes and where it must not."""

# Stand-ins are given by the path of what they replace, so their parameters have no type to infer.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from conformance.mutants.client_messages import query, with_query
from conformance.mutants.client_plant import Changed, planted
from mcp_demo.exchange.model import Request
from mcp_demo.oauth import token


def _form(change: Callable[[dict[str, str]], dict[str, str]], grant_type: str = "") -> Callable[[Request], Request]:
    """Changes the form of token requests."""

    def sends(request: Request) -> Request:
        if not request.url.endswith("/token"):
            return request
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        if grant_type not in form["grant_type"]:
            return request
        return replace(request, body=urlencode(change(form)).encode())

    return sends


def _without(name: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda form: {key: value for key, value in form.items() if key != name}


# --- resource

planted(
    "no-resource-in-token-request",
    "Token requests have no resource.",
    "resource.everywhere",
    sends=_form(_without("resource"), "authorization_code"),
)
planted(
    "no-resource-in-refresh",
    "Refresh requests have no resource.",
    "resource.everywhere",
    sends=_form(_without("resource"), "refresh_token"),
)
planted(
    "no-resource-in-authorization",
    "Authorization requests have no resource.",
    "resource.everywhere",
    asks=lambda url: with_query(url, resource=None),
)


def _first_resource(url: str) -> str:
    base, _, text = url.partition("?")
    kept: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        kept.setdefault(name, value)
    return f"{base}?{urlencode(kept)}"


planted(
    "resource-of-the-endpoint",
    "A resource that the endpoint has in its query takes the place of the client's.",
    "resource.everywhere",
    rules={"mcp_demo.oauth.authorization._without": lambda endpoint, names: endpoint},
    asks=_first_resource,
)


def _written(spell: Callable[[str], str]) -> Mapping[str, Any]:
    """Writes the resource in another way wherever it is sent."""
    return {
        "asks": lambda url: with_query(url, resource=spell(query(url)["resource"])),
        "sends": _form(lambda form: {**form, "resource": spell(form["resource"])}),
    }


planted(
    "resource-with-slash",
    "The resource has a slash that the server does not write.",
    "resource.canonical",
    **_written(lambda url: f"{url}/"),
)
planted(
    "resource-is-origin",
    "The resource is the origin of the server.",
    "resource.canonical",
    **_written(lambda url: url.removesuffix("/mcp")),
)

# --- tokens


def _bearer(request: Request) -> str | None:
    scheme, _, value = (request.header("authorization") or "").partition(" ")
    return value if scheme == "Bearer" else None


def _bare(request: Request) -> Request:
    return replace(request, headers=tuple(pair for pair in request.headers if pair[0] != "authorization"))


def _in_query(request: Request) -> Request:
    held = _bearer(request)
    return request if held is None else replace(_bare(request), url=f"{request.url}?access_token={held}")


def _in_query_too(request: Request) -> Request:
    held = _bearer(request)
    return request if held is None else replace(request, url=f"{request.url}?access_token={held}")


def _only_at_first(request: Request) -> Request:
    return _bare(request) if b"second_tool" in request.body else request


planted("token-in-query", "The token is in the URL.", "token.header", sends=_in_query)
planted("token-in-query-too", "The token is in the header and in the URL.", "token.header", sends=_in_query_too)
planted(
    "token-at-first-only",
    "Later requests of a session have no token.",
    "token.every-request",
    sends=_only_at_first,
)
planted(
    "token-follows-redirects",
    "A redirect to another server takes the token along.",
    "token.own-server",
    forwards=True,
)


def _logs(request: Request) -> Request:
    if request.url.endswith("/mcp"):
        print(request.headers)  # noqa: T201 - the bug
    return request


planted("token-in-log", "Headers are logged as they are.", "token.kept-secret", sends=_logs)

_KEPT: list[Path] = []


def _writes(request: Request) -> Request:
    held = _bearer(request)
    if held is not None and _KEPT:
        file = _KEPT[-1] / "tokens.json"
        file.write_text(held, encoding="utf-8")
        file.chmod(0o644)
    return request


planted(
    "token-in-open-file",
    "Tokens are kept in a file that everybody can read.",
    "token.kept-secret",
    opens=lambda url, home: _KEPT.append(home),
    sends=_writes,
)

_authenticate = token.client_authentication
_Credentials = tuple[Mapping[str, str], Mapping[str, str]]


def _authenticating(authenticate: Callable[[str, str, str | None], _Credentials]) -> Mapping[str, Any]:
    return {"mcp_demo.client.grant.token": Changed(token, client_authentication=authenticate)}


def _post_always(method: str, client_id: str, secret: str | None) -> _Credentials:
    del method
    return {}, {"client_id": client_id, **({"client_secret": secret} if secret else {})}


def _both(method: Any, client_id: str, secret: str | None) -> _Credentials:
    headers, _ = _authenticate(method, client_id, secret)
    return headers, _post_always(method, client_id, secret)[1]


def _empty_secret(method: Any, client_id: str, secret: str | None) -> _Credentials:
    headers, fields = _authenticate(method, client_id, secret)
    return headers, fields if secret else {**fields, "client_secret": ""}


def _unencoded(method: Any, client_id: str, secret: str | None) -> _Credentials:
    if method != "client_secret_basic":
        return _authenticate(method, client_id, secret)
    return {"authorization": f"Basic {b64encode(f'{client_id}:{secret}'.encode()).decode()}"}, {}


for _name, _bug, _way in (
    ("secret-in-body", "The secret is always sent in the body.", _post_always),
    ("secret-twice", "The secret is sent in the header and in the body.", _both),
    ("empty-secret", "A client without a secret sends an empty one.", _empty_secret),
    ("basic-unencoded", "Id and secret are not form-encoded for Basic.", _unencoded),
):
    planted(_name, _bug, "token.endpoint-authentication", rules=_authenticating(_way))
