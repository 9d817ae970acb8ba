import json
import secrets
from base64 import urlsafe_b64encode

import pytest
from bridge_kit import Clock
from hypothesis import given
from hypothesis import strategies as st

from mcp_demo.bridge.envelope import EnvelopeRefused, Envelopes
from mcp_demo.bridge.payloads import CodeGrant, RefreshGrant
from mcp_demo.errors import SetupError

OLD, NEW = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
GRANT = CodeGrant(
    family="family",
    code="8a1b2c3d-0000-4000-8000-0123456789ab",
    client_id="https://client.example/oauth/metadata.json",
    redirect_uri_digest="d" * 43,
    code_challenge="c" * 43,
    scopes=("http://localhost:3001/mcp/read", "http://localhost:3001/mcp/write"),
    resource="http://localhost:3001/mcp",
)


def refusal(envelopes: Envelopes, envelope: str) -> str:
    with pytest.raises(EnvelopeRefused) as caught:
        envelopes.open(CodeGrant, envelope)
    return caught.value.reason


def test_what_was_sealed_is_opened() -> None:
    envelopes = Envelopes([OLD])
    assert envelopes.open(CodeGrant, envelopes.seal(GRANT)) == GRANT


def test_nothing_of_it_can_be_read_without_the_key() -> None:
    sealed = Envelopes([OLD]).seal(GRANT)
    assert GRANT.code not in sealed
    assert "client.example" not in sealed


def test_two_envelopes_around_the_same_differ() -> None:
    envelopes = Envelopes([OLD])
    assert envelopes.seal(GRANT) != envelopes.seal(GRANT)


def test_a_code_stays_short_enough_for_a_url() -> None:
    long = GRANT.model_copy(update={"client_id": "https://client.example/" + "x" * 500, "trace": "f" * 64})
    assert len(Envelopes([OLD]).seal(long)) < 2000


def test_a_key_put_in_front_seals_and_the_old_one_still_opens() -> None:
    before = Envelopes([OLD]).seal(GRANT)
    rotated = Envelopes([NEW, OLD])
    assert rotated.open(CodeGrant, before) == GRANT
    assert Envelopes([NEW]).open(CodeGrant, rotated.seal(GRANT)) == GRANT


def test_a_dropped_key_opens_nothing() -> None:
    assert refusal(Envelopes([NEW]), Envelopes([OLD]).seal(GRANT)) == "key"


def test_an_envelope_of_one_purpose_is_refused_for_another() -> None:
    envelopes = Envelopes([OLD])
    refresh = RefreshGrant(
        refresh_token="r", family="f", generation=0, expires=2e9, client_id="c", scopes=(), resource="https://r.example"
    )
    assert refusal(envelopes, envelopes.seal(refresh)) == "purpose"


@pytest.mark.parametrize(("seconds", "good"), [(299, True), (300, False), (301, False)])
def test_a_code_is_good_until_its_lifetime_is_over(seconds: int, good: bool) -> None:
    clock = Clock()
    envelopes = Envelopes([OLD], clock)
    sealed = envelopes.seal(GRANT)
    clock.now += seconds
    if good:
        assert envelopes.open(CodeGrant, sealed) == GRANT
    else:
        assert refusal(envelopes, sealed) == "expired"


def test_a_second_spelling_of_the_same_envelope_is_refused() -> None:
    sealed = Envelopes([OLD]).seal(GRANT)
    assert refusal(Envelopes([OLD]), sealed.replace("..", ".AAAA.", 1)) == "malformed"


@pytest.mark.parametrize("position", range(5))
def test_a_change_in_any_part_is_noticed(position: int) -> None:
    parts = Envelopes([OLD]).seal(GRANT).split(".")
    part = parts[position]
    parts[position] = ("B" if part[:1] == "A" else "A") + part[1:]
    assert refusal(Envelopes([OLD]), ".".join(parts)) in ("key", "malformed")


@given(st.one_of(st.text(max_size=200), st.text("abcXYZ019_-.=", max_size=200)))
def test_anything_else_is_refused_and_never_crashes(noise: str) -> None:
    refusal(Envelopes([OLD]), noise)


@given(st.dictionaries(st.sampled_from(["alg", "enc", "kid", "zip", "typ", "crit", "b64"]), st.text(max_size=5)))
def test_foreign_headers_are_refused_and_never_crash(header: dict[str, str]) -> None:

    encoded = urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    refusal(Envelopes([OLD]), f"{encoded}..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA")


def test_an_oversized_envelope_is_refused_unread() -> None:
    assert refusal(Envelopes([OLD]), "a.." + "A" * 20_000) == "malformed"


@pytest.mark.parametrize("key", ["", "short", "!" * 43, "A" * 44])
def test_a_key_that_is_not_32_bytes_is_named_at_the_start(key: str) -> None:
    with pytest.raises(SetupError, match="32 bytes"):
        Envelopes([key])
