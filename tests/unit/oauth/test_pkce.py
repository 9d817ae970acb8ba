import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_demo.oauth import pkce

# RFC 7636, appendix B
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_published_verifier_gives_the_published_challenge() -> None:
    assert pkce.challenge(VERIFIER) == CHALLENGE
    assert pkce.matches(VERIFIER, CHALLENGE)


def test_a_new_verifier_is_well_formed_and_never_the_same() -> None:
    verifiers = {pkce.new_verifier() for _ in range(50)}
    assert len(verifiers) == 50
    assert all(pkce.is_verifier(verifier) and len(verifier) == 43 for verifier in verifiers)


@pytest.mark.parametrize(
    ("length", "accepted"), [(42, False), (43, True), (44, True), (127, True), (128, True), (129, False)]
)
def test_a_verifier_has_43_to_128_characters(length: int, accepted: bool) -> None:
    assert pkce.is_verifier("a" * length) is accepted


@pytest.mark.parametrize("character", ["+", "/", "=", " ", "\n", "é", "%"])
def test_a_verifier_has_unreserved_characters_only(character: str) -> None:
    assert not pkce.is_verifier("a" * 43 + character)


@pytest.mark.parametrize(
    ("challenge", "accepted"), [(CHALLENGE, True), (CHALLENGE + "=", False), (CHALLENGE[:-1], False), ("é" * 43, False)]
)
def test_a_challenge_is_43_characters_of_base64url(challenge: str, accepted: bool) -> None:
    assert pkce.is_challenge(challenge) is accepted


def test_the_challenge_itself_is_no_verifier_for_it() -> None:
    assert not pkce.matches(CHALLENGE, CHALLENGE)


def test_a_short_verifier_does_not_match_its_own_challenge() -> None:
    assert not pkce.matches("a" * 42, pkce.challenge("a" * 42))


@given(st.text(), st.text())
def test_any_text_can_be_compared(verifier: str, challenge: str) -> None:
    assert not pkce.matches(verifier, challenge)
    assert not pkce.matches(VERIFIER, challenge)


@given(st.from_regex(r"[A-Za-z0-9\-._~]{43,128}", fullmatch=True))
def test_a_verifier_matches_its_own_challenge_only(verifier: str) -> None:
    assert pkce.matches(verifier, pkce.challenge(verifier))
    assert pkce.matches(verifier, CHALLENGE) is (verifier == VERIFIER)
