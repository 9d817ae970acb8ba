"""The link and the page of a review, as far as they need no store; the rest is shown on the embedded AWS."""

import logging

import pytest

from mcp_demo.dcr import review, review_page
from mcp_demo.dcr.announce import message
from mcp_demo.dcr.review_link import Link, LinkRefused, read, sign
from mcp_demo.registry.model import Client

LINK = Link("dcr_1", "first", 1_800_000_000)
MARKUP = "<script>alert('x')</script>\" onload=\"y"


@pytest.mark.parametrize(("now", "works"), [(LINK.expires - 1, True), (LINK.expires, False), (LINK.expires + 1, False)])
def test_a_link_ends_at_its_very_second(now: float, works: bool) -> None:
    token = sign("key", LINK)
    if works:
        assert read("key", token, now) == LINK
    else:
        with pytest.raises(LinkRefused, match="expired"):
            read("key", token, now)


@pytest.mark.parametrize("text", ["", ".", "a.b", "é.é", "=.=", "e30.", "e30.e30", "\x00", "a" * 10_000])
def test_what_we_did_not_sign_is_no_link(text: str) -> None:
    with pytest.raises(LinkRefused, match="not ours"):
        read("key", text, 0.0)


def test_every_character_of_a_link_counts() -> None:
    token = sign("key", LINK)
    for place, char in enumerate(token[:-1]):  # of the last one, some bits stand for nothing
        changed = token[:place] + ("A" if char != "A" else "B") + token[place + 1 :]
        with pytest.raises(LinkRefused, match="not ours"):
            read("key", changed, 0.0)


def test_what_a_client_says_of_itself_stays_text() -> None:
    client = Client(
        client_id="dcr_1", redirect_uris=(f"https://a.example/{MARKUP}",), client_name=MARKUP, client_uri=MARKUP
    )
    for answer in (review_page.question(client, MARKUP), review_page.decided(client, "approved")):
        assert "<script>" not in answer["body"]
        assert 'onload="y' not in answer["body"]


def test_a_name_cannot_start_a_line_of_the_message() -> None:
    client = Client(client_id="dcr_1", redirect_uris=("https://a.example/",), client_name="x\nhttps://evil.example/")
    lines = message(client, "https://ours.example/review?link=1", LINK.expires).splitlines()
    assert [line for line in lines if line.startswith("http")] == ["https://ours.example/review?link=1"]


def test_a_failure_of_ours_decides_nothing_and_says_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> review.Reviews:
        raise RuntimeError("table of secrets")

    for method in ("GET", "POST"):
        with caplog.at_level(logging.CRITICAL):
            answer = review.serve({"requestContext": {"http": {"method": method}}}, fail)
        assert answer["statusCode"] == 500
        assert "Nothing was decided" in answer["body"]
        assert "table of secrets" not in answer["body"]
