import json
from typing import Any, cast

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from mcp_demo.oauth import dpop
from mcp_demo.oauth.errors import InvalidDpopProof

KEY = ECKey.generate_key("P-256")
NOW = 1_562_262_616
URL = "https://server.example.com/token"
TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
_HEADER = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJo"
    "RjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
)
RFC9449_TOKEN_REQUEST = (
    f"{_HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2"
    "VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3L"
    "g"
)
RFC9449_RESOURCE_REQUEST = (
    f"{_HEADER}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm"
    "90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ"
    "9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)
RFC9449_THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def make(header: dict[str, Any] | None = None, *, without: str = "", **claims: Any) -> str:
    public = cast("dict[str, Any]", KEY.as_dict(private=False))
    protected: dict[str, Any] = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public} | (header or {})
    payload = {"jti": "once", "htm": "POST", "htu": URL, "iat": NOW} | claims
    payload.pop(without, None)
    registry = jws.JWSRegistry(algorithms=[protected["alg"]], strict_check_header=False)
    return jws.serialize_compact(protected, json.dumps(payload), KEY, registry=registry)


def verify(text: str, **options: Any) -> dpop.VerifiedProof:
    given: dict[str, Any] = {"method": "POST", "url": URL, "now": NOW}
    return dpop.verify(text, **(given | options))


def refusal(text: str, **options: Any) -> str:
    with pytest.raises(InvalidDpopProof) as caught:
        verify(text, **options)
    return caught.value.description


def test_the_proof_for_a_token_request_in_rfc_9449_section_5_verifies():
    assert verify(RFC9449_TOKEN_REQUEST) == dpop.VerifiedProof("-BwC3ESc6acc2lTc", RFC9449_THUMBPRINT, None)


def test_the_proof_for_a_resource_request_in_rfc_9449_section_7_1_verifies():
    request: dict[str, Any] = {"method": "GET", "url": "https://resource.example.org/protectedresource"}
    verified = verify(RFC9449_RESOURCE_REQUEST, **request, now=NOW + 2, access_token=TOKEN)
    assert verified.key_thumbprint == RFC9449_THUMBPRINT
    assert "another access token" in refusal(RFC9449_RESOURCE_REQUEST, **request, access_token=TOKEN + "x")


def test_the_hash_of_an_access_token_is_that_of_rfc_9449_section_7_1():
    assert dpop.hash_of(TOKEN) == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"


def test_a_proof_says_what_it_is_for_and_nothing_else():
    text = dpop.proof(KEY, method="POST", url=URL, token_id="t", now=NOW + 0.9)
    signed = jws.extract_compact(text.encode())
    assert json.loads(signed.payload) == {"jti": "t", "htm": "POST", "htu": URL, "iat": NOW}
    assert signed.headers() == {"typ": "dpop+jwt", "alg": "ES256", "jwk": KEY.as_dict(private=False)}


def test_a_proof_for_a_resource_server_holds_the_hash_of_the_token_and_the_nonce():
    text = dpop.proof(KEY, method="GET", url=f"{URL}?q=1#part", token_id="t", now=NOW, access_token=TOKEN, nonce="n-1")
    claims = json.loads(jws.extract_compact(text.encode()).payload)
    assert (claims["htu"], claims["ath"], claims["nonce"]) == (URL, dpop.hash_of(TOKEN), "n-1")
    assert verify(text, method="GET", url=f"{URL}?q=2", access_token=TOKEN).nonce == "n-1"


def test_a_private_key_never_travels_in_a_proof():
    assert "private" in refusal(make({"jwk": KEY.as_dict(private=True)}))
    sent = jws.extract_compact(dpop.proof(KEY, method="GET", url=URL, token_id="t", now=NOW).encode()).headers()
    assert "d" not in sent["jwk"]


@pytest.mark.parametrize("age", [-60, 0, 300])
def test_a_proof_is_good_for_five_minutes_and_a_minute_early(age: int):
    assert verify(make(), now=NOW + age)


@pytest.mark.parametrize("age", [-61, 301])
def test_a_proof_from_another_time_is_refused(age: int):
    assert "just now" in refusal(make(), now=NOW + age)


@pytest.mark.parametrize("issued_at", [None, True, "1", float("nan")])
def test_the_time_of_a_proof_has_to_be_a_number(issued_at: object):
    assert "when it was made" in refusal(make(iat=issued_at))


def test_a_proof_without_id_could_be_replayed():
    assert "`jti`" in refusal(make(without="jti"))


def test_a_proof_for_another_method_is_refused():
    assert "another request" in refusal(make(), method="GET")


@pytest.mark.parametrize(
    "url",
    [
        "https://server.example.com/tokens",
        "https://other.example.com/token",
        "http://server.example.com/token",
        "https://server.example.com:8443/token",
        "http://server.example.com:443/token",
        "https://server.example.com:0x/token",
    ],
)
def test_a_proof_for_another_url_is_refused(url: str):
    assert "another request" in refusal(make(), url=url)


@pytest.mark.parametrize("url", ["https://SERVER.example.com/token", "https://server.example.com:443/token"])
def test_spellings_of_the_same_url_are_the_same_url(url: str):
    assert verify(make(), url=url)
    assert verify(make(htu=url))


@pytest.mark.parametrize("target", [f"{URL}?a=b", f"{URL}#part", 5, None])
def test_the_target_of_a_proof_has_no_query_and_no_fragment(target: object):
    assert "another request" in refusal(make(htu=target), url=f"{URL}?a=b")


def test_a_proof_without_hash_is_not_good_for_a_token():
    assert "another access token" in refusal(make(), access_token=TOKEN)


@pytest.mark.parametrize("kind", ["JWT", "DPOP+JWT", ""])
def test_another_kind_of_token_is_no_proof(kind: str):
    assert "dpop+jwt" in refusal(make({"typ": kind}))


def test_a_proof_signed_with_another_key_than_it_carries_is_refused():
    other = ECKey.generate_key("P-256").as_dict(private=False)
    assert "key it carries" in refusal(make({"jwk": other}))


@pytest.mark.parametrize("text", ["", "a.b.c", "é", "e30.e30.", "x" * 9000])
def test_what_is_no_jwt_is_no_proof(text: str):
    assert refusal(text)


def test_a_huge_proof_is_refused_before_it_is_read():
    assert "too large" in refusal(make(padding="x" * 8192))


def test_an_unsigned_proof_is_refused():
    assert "ES256" in refusal("eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6Im5vbmUiLCJqd2siOnt9fQ.e30.")


def test_an_authorization_server_asks_for_a_nonce_in_the_body():
    assert dpop.asks_for_nonce(400, [], b'{"error": "use_dpop_nonce"}')
    assert not dpop.asks_for_nonce(400, [], b'{"error": "invalid_dpop_proof"}')
    assert not dpop.asks_for_nonce(200, [], b'{"error": "use_dpop_nonce"}')
    assert not dpop.asks_for_nonce(400, [], b"[]")
    assert not dpop.asks_for_nonce(400, [], b"")


def test_a_resource_server_asks_for_a_nonce_in_the_challenge():
    assert dpop.asks_for_nonce(401, ['DPoP error="use_dpop_nonce", error_description="again"'], b"")
    assert not dpop.asks_for_nonce(401, ['DPoP error="invalid_token"'], b'{"error": "use_dpop_nonce"}')
    assert not dpop.asks_for_nonce(401, ['Bearer error="use_dpop_nonce"'], b"")
    assert not dpop.asks_for_nonce(403, ['DPoP error="use_dpop_nonce"'], b"")
