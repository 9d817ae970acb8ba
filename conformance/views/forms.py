"""Pages and redirects of an authorization endpoint, read as a browser would, without one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import CookieError, SimpleCookie
from typing import Literal
from urllib.parse import parse_qsl, urljoin, urlsplit

from conformance.journey import APPROVE, DENY
from conformance.views.answers import fields, media_type, response, status
from mcp_demo.exchange.model import Exchange

Outcome = Literal["refused", "error", "code", "proceeds", "elsewhere", "crashed"]


@dataclass
class Form:
    """The first form of a page."""

    action: str = ""
    method: str = "get"
    values: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    buttons: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])

    def pressed(self, *, approve: bool = True) -> list[tuple[str, str]] | None:
        """What is sent when the person says yes, or no; None if no button says so."""
        names = APPROVE if approve else DENY
        for name, value, text in self.buttons:
            if text in names:
                return [*self.values, *([(name, value)] if name else [])]
        return None


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.form: Form | None = None
        self.text: list[str] = []
        self._inside = False
        self._hidden = 0
        self._button: tuple[str, str] | None = None
        self._label = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("script", "style"):
            self._hidden += 1
        if tag == "form" and self.form is None:
            self.form, self._inside = Form(given.get("action", ""), given.get("method", "get").lower()), True
        if not self._inside or self.form is None:
            return
        if tag == "input":
            self._input(given)
        elif tag == "button":
            self._button, self._label = (given.get("name", ""), given.get("value", "")), ""

    def _input(self, given: Mapping[str, str]) -> None:
        assert self.form is not None  # noqa: S101 - for the type checker
        kind, name = given.get("type", "text").lower(), given.get("name", "")
        if kind == "submit":
            self.form.buttons.append((name, given.get("value", ""), given.get("value", "")))
        elif name and (kind not in ("checkbox", "radio") or "checked" in given):
            self.form.values.append((name, given.get("value", "on" if kind == "checkbox" else "")))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._hidden -= 1
        elif tag == "form":
            self._inside = False
        elif tag == "button" and self._button is not None and self.form is not None:
            self.form.buttons.append((*self._button, " ".join(self._label.split())))
            self._button = None

    def handle_data(self, data: str) -> None:
        if self._hidden <= 0:
            self.text.append(data)
        self._label += data


def form_of(exchange: Exchange) -> Form | None:
    """The first form of a page; its action made absolute."""
    form = _read(response(exchange).body.decode("utf-8", "replace")).form
    if form is not None:
        form.action = urljoin(exchange.request.url, form.action)
    return form


def text_of(html: str) -> str:
    """What a person can read on a page."""
    return " ".join("".join(_read(html).text).split())


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    return reader


def location(exchange: Exchange) -> str | None:
    """Where a response redirects to, absolute."""
    value = next(iter(fields(exchange, "location")), None)
    return None if value is None or status(exchange) // 100 != 3 else urljoin(exchange.request.url, value)


def parameters(url: str) -> dict[str, str]:
    """The query parameters of a URL."""
    return dict(pairs(url))


def pairs(url: str) -> list[tuple[str, str]]:
    """The query parameters of a URL, repeated ones too."""
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def leads_to(url: str | None, redirect_uri: str) -> bool:
    """Whether a URL is the redirect URI, with whatever was added to it."""
    return (
        url is not None and url.partition("#")[0].partition("?")[0] == redirect_uri.partition("#")[0].partition("?")[0]
    )


def outcome(exchange: Exchange, redirect_uri: str) -> Outcome:
    """What became of an authorization request.

    `refused`: an error page. `error` and `code`: a redirect back to the client. `proceeds`: a page that asks for
    something, or a redirect to another one. `elsewhere`: a redirect by script or `Refresh`. `crashed`: 5xx.
    """
    target = location(exchange)
    if status(exchange) >= 500:
        return "crashed"
    if leads_to(target, redirect_uri):
        given = parse_qsl(urlsplit(target or "").fragment) + pairs(target or "")
        return "code" if {"code", "access_token"} & dict(given).keys() else "error"
    if target is not None:
        return "refused" if "error" in parameters(target) else "proceeds"
    if fields(exchange, "refresh") or _moves_on(exchange, redirect_uri):
        return "elsewhere"
    if status(exchange) == 200 and media_type(exchange) == "text/html" and form_of(exchange) is not None:
        return "proceeds"
    return "refused"


def _moves_on(exchange: Exchange, redirect_uri: str) -> bool:
    body = response(exchange).body.decode("utf-8", "replace")
    meta = 'http-equiv="refresh"' in body.lower()
    return (
        bool(redirect_uri) and redirect_uri in body and (meta or "location.replace(" in body or "location.href" in body)
    )


def new_cookies(exchange: Exchange) -> dict[str, str]:
    """The cookies that a response sets; those it deletes are left out."""
    return {name: value for name, value, _ in cookies_of(exchange) if value}


def cookies_of(exchange: Exchange) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Name, value and attributes of each cookie that a response sets."""
    for header in fields(exchange, "set-cookie"):
        try:
            jar = SimpleCookie(header)
        except CookieError:
            continue
        for name, morsel in jar.items():
            yield name, morsel.value, {key: str(value) for key, value in morsel.items() if value}


def upstream_request(url: str | None, redirect_uri: str) -> dict[str, str] | None:
    """The parameters, if this is the authorization request of a proxy to another server, else None."""
    given = parameters(url) if url is not None else {}
    own = given.get("redirect_uri")
    if "client_id" not in given or "response_type" not in given or own is None or own == redirect_uri:
        return None
    return given
