"""The card: what a reader sees of an exchange."""

from html.parser import HTMLParser

from mcp_demo.exchange import card
from mcp_demo.exchange.model import Exchange, Request, Response

HOP = Exchange(
    name="Request without a token",
    why="The client does not know yet that it needs one.",
    spec="RFC 6750 §3",
    sender="client",
    receiver="MCP server",
    request=Request("POST", "http://localhost:3001/mcp?a=%C3%A9", (("Content-Type", "application/json"),), b'{"id":1}'),
    response=Response(401, (("WWW-Authenticate", 'Bearer scope="x"'), ("X-Trace", "7"))),
    phase="discovery",
)


class Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def collect(html: str) -> Collector:
    collector = Collector()
    collector.feed(html)
    assert not collector.open
    return collector


def test_a_card_tells_who_asked_whom_for_what_and_what_came_back() -> None:
    html = card.to_html(HOP, 3)
    for piece in (">3<", "Request without a token", "client → MCP server", "POST http://localhost:3001/mcp", "é", "401",
                  "discovery", "rfc6750#section-3", "www-authenticate", "X-Trace"):  # fmt: skip
        assert piece in html
    text = card.to_text(HOP, 3)
    assert text.startswith("3. Request without a token\n   client → MCP server · discovery · RFC 6750 §3")
    assert "← 401" in text


def test_a_card_has_neither_script_nor_remote_asset() -> None:
    collected = collect(card.to_html(HOP))
    assert not {"script", "link", "img", "iframe", "style"} & set(collected.tags)
    assert not [name for name, _ in collected.attributes if name.startswith("on") or name == "src"]


def test_markup_in_an_exchange_is_shown_and_not_interpreted() -> None:
    evil = '<script>alert("x")</script>"\'><img src=x onerror=1>'
    request = Request("GET", f"https://x/{evil}?{evil}={evil}#{evil}={evil}", ((evil, evil),), evil.encode())
    hop = Exchange(evil, evil, evil, evil, evil, request, Response(200, (("location", evil),), evil.encode()), evil)
    collected = collect(card.to_html(hop, inline=False))
    assert not {"script", "img"} & set(collected.tags)


def test_on_our_own_pages_a_card_carries_class_names_and_no_style() -> None:
    collected = collect(card.to_html(HOP, inline=False))
    assert "style" not in dict(collected.attributes)
    for name, value in collected.attributes:
        if name == "class":
            assert all(f".{each}{{" in card.STYLE for each in (value or "").split())


def test_a_notebook_gets_both_forms() -> None:
    assert set(card.to_mimebundle(HOP)) == {"text/html", "text/plain"}


def test_no_value_begins_a_line_or_moves_the_cursor() -> None:
    evil = "%0A%0D%1b%5B2J%C2%85%E2%80%A8%E2%80%AE::stop-commands::"
    raw = "\n\r\x1b[2J\x85\u2028\u202e::stop-commands::"
    form = (("Content-Type", "application/x-www-form-urlencoded"),)
    hop = Exchange(
        f"Name{raw}",
        f"Why{raw}",
        "RFC 6750 §3",
        f"client{raw}",
        "server",
        Request(f"GET{raw}", f"http://localhost/a{raw}?q{evil}={evil}#f={evil}", form, f"x={evil}".encode()),
        Response(302, (("Location", f"http://localhost/{raw}"),), f"<p>{raw}".encode()),
    )
    text = card.to_text(hop)
    assert all(line.isprintable() for line in text.split("\n"))
    assert not [line for line in text.split("\n") if line.strip().startswith("::")][1:]  # the body's own second line
