"""The verbs of the lab: what they show, with HTML and without."""

import re

import pytest

from conformance import mutants
from mcp_demo import lab
from mcp_demo.exchange import card_style
from mcp_demo.exchange.model import Exchange, Request, Response
from mcp_demo.lab import diagram, display, refusal
from mcp_demo.lab.display import Shown
from mcp_demo.lab.route import STOPS
from mcp_demo.oauth.unverified_token import TokenRejected

_OPTIONS = {"200": "It would look like success.", "401": "It says that a token is needed."}


def without_styles_and_drawings(html: str) -> str:
    """What a site leaves that strips styles and SVG."""
    return re.sub(r"<[^>]+>", "", re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL))


def hop(name: str, sender: str, receiver: str, status: int | None) -> Exchange:
    answer = Response(status) if status else None
    return Exchange(
        name, "", "RFC 9728 §3.1", sender, receiver, Request("GET", "http://localhost/"), answer, "discovery"
    )


def test_the_map_says_where_you_are_in_every_form() -> None:
    shown = lab.where("03")
    assert "03 resource metadata   ← you are here" in shown.text
    assert "03 resource metadata (you are here)" in without_styles_and_drawings(shown.html)
    assert "you are here" in shown.svg
    assert shown.html.count(".ipynb") == len(STOPS) - 1
    assert lab.where(3).text == lab.where("03_resource_metadata").text == shown.text


def test_the_map_knows_no_other_notebooks() -> None:
    with pytest.raises(ValueError, match="00 to 11"):
        lab.where("12")


def test_a_prediction_folds_each_option_open_to_its_reason_and_tells_the_answer_last() -> None:
    shown = lab.predict("What comes?", _OPTIONS, answer="401")
    assert shown.html.count("<details") == 2
    assert shown.text.index("(a) 200") < shown.text.index("(b) 401") < shown.text.index("Answer: (b)")
    plain = without_styles_and_drawings(shown.html)
    assert "✗ Not this one. It would look like success." in plain
    assert "✓ Right. It says that a token is needed." in plain


def test_a_prediction_needs_its_answer_among_the_options() -> None:
    with pytest.raises(ValueError, match="none of the options"):
        lab.predict("What comes?", _OPTIONS, answer="302")


def test_a_diagram_grows_with_its_hops_and_is_told_in_words_too() -> None:
    hops = [hop("Knock", "client", "MCP server", 401), hop("Sign in", "browser", "bridge", None)]
    shown = diagram.diagram(hops)
    assert "1. client → MCP server: Knock → 401" in shown.text
    assert "2. you → bridge: Sign in" in without_styles_and_drawings(shown.html)
    assert "<title>Sequence diagram, 2 hops: 1. client → MCP server: Knock → 401" in shown.svg
    assert "var(" not in shown.svg and "currentColor" not in shown.svg, "an image on its own has no theme"
    assert len(shown.svg) > len(diagram.diagram(hops[:1]).svg)


def test_a_diagram_of_nothing_still_shows_who_will_take_part() -> None:
    assert "client · MCP server · bridge" in diagram.diagram([]).text


def test_everything_shown_has_words_and_needs_no_script() -> None:
    for shown in (lab.where("00"), lab.predict("?", _OPTIONS, answer="401"), lab.break_it("hides_the_metadata")):
        bundle = shown._repr_mimebundle_()  # pyright: ignore[reportPrivateUsage]
        assert bundle["text/plain"].strip()
        assert not re.search(r"<script|<link|\son\w+=|https?://[^\"]*\.(js|css|png)", bundle["text/html"])


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[Shown]:
    """What is displayed at once, as in a notebook."""
    shown = list[Shown]()
    monkeypatch.setattr(refusal, "display", shown.append)
    return shown


def test_an_announced_refusal_is_shown_in_words(displayed: list[Shown]) -> None:
    with lab.expect_refusal(TokenRejected, reason="audience"):
        raise TokenRejected("audience")
    assert displayed[0].text.startswith("✓ Refused, as it must be: TokenRejected · audience\nThe access token is meant")


def test_a_refusal_for_another_reason_does_not_count(displayed: list[Shown]) -> None:
    with (
        pytest.raises(refusal.NotRefused, match="“expired”; TokenRejected for the reason “audience” was expected"),
        lab.expect_refusal(TokenRejected, reason="audience"),
    ):
        raise TokenRejected("expired")
    assert not displayed


def test_what_is_accepted_does_not_count_as_refused(displayed: list[Shown]) -> None:
    with pytest.raises(refusal.NotRefused, match="Nothing was refused"), lab.expect_refusal(TokenRejected):
        pass
    assert not displayed


def test_a_mistake_in_the_cell_does_not_hide_behind_the_refusal(displayed: list[Shown]) -> None:
    with pytest.raises(NameError), lab.expect_refusal(TokenRejected):
        raise NameError("a typing error")
    assert not displayed


def test_breaking_the_server_shows_bug_check_and_evidence() -> None:
    shown = lab.break_it("hides_the_metadata")
    planted = mutants.find("hides_the_metadata")
    assert shown.text.startswith(f"✗ Broken on purpose: {planted.bug}\nThe check {planted.check} finds it.")
    assert "Expected" in shown.text and "Received" in shown.text and "← 401" in shown.text
    assert "https://www.rfc-editor.org/rfc/rfc9728#section-3" in shown.html


def test_breaking_the_authorization_server_works_too() -> None:
    assert "as.code.verifier finds it" in lab.break_it("verifier_unchecked").text


def test_an_unknown_bug_is_told_kindly() -> None:
    assert lab.break_it("no_such_bug").text == "There is no planted bug called 'no_such_bug'."


def test_cards_in_notebooks_take_surface_and_text_from_the_theme() -> None:
    for name, rules in card_style.NOTEBOOK.items():
        bare = re.sub(r"var\(--jp-[\w-]+,light-dark\([^)]*\)\)", "", rules)
        assert "light-dark" not in bare, f"{name} follows the system, not the notebook"


def test_pictures_carry_their_words() -> None:
    picture = display.Picture(b"jpeg", "http://localhost/login", "the page “Sign in”")
    assert 'alt="the page “Sign in”"' in lab.show([picture]).html
