import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, cast

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from mcp_demo.oauth import client_assertion
from mcp_demo.oauth.client_assertion import Key
from mcp_demo.oauth.errors import InvalidClient
from mcp_demo.oauth.token import JWT_BEARER, read_client

NOW = 1_700_000_000
ISSUER = "https://as.example.com"
CLIENT = "https://client.example.com/metadata.json"
KEY = ECKey.generate_key("P-256")
OTHER = ECKey.generate_key("P-256")
RSA = RSAKey.generate_key(2048)


def jwks(*keys: Key, **members: str) -> dict[str, Any]:
    return {"keys": [cast("dict[str, Any]", key.as_dict(private=False)) | members for key in keys]}


def assertion(header: Mapping[str, Any] | None = None, *, key: Key = KEY, without: str = "", **claims: Any) -> str:
    protected: dict[str, Any] = {"alg": "ES256", "typ": client_assertion.TYPE} | dict(header or {})
    payload = {"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "jti": "once", "exp": NOW + 60} | claims
    payload.pop(without, None)
    registry = jws.JWSRegistry(algorithms=[protected["alg"]], strict_check_header=False)
    return jws.serialize_compact(protected, json.dumps(payload), key, registry=registry)


def verify(text: str, **options: Any) -> client_assertion.VerifiedAssertion:
    given: dict[str, Any] = {"client_id": CLIENT, "keys": jwks(KEY), "audiences": (ISSUER,), "now": NOW}
    return client_assertion.verify(text, **(given | options))


def with_header(text: str, **members: object) -> str:
    header = jws.extract_compact(text.encode()).headers() | members
    protected = urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return ".".join([protected, *text.split(".")[1:]])


def refusal(text: str, **options: Any) -> str:
    with pytest.raises(InvalidClient) as caught:
        verify(text, **options)
    return caught.value.description


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [("ES256", KEY), ("RS256", RSA), ("PS256", RSA), ("Ed25519", OKPKey.generate_key("Ed25519"))],
)
def test_what_sign_makes_verify_accepts(algorithm: str, key: Key):
    text = client_assertion.sign(key, client_id=CLIENT, issuer=ISSUER, token_id="t-1", now=NOW, algorithm=algorithm)
    assert verify(text, keys=jwks(key)) == client_assertion.VerifiedAssertion(CLIENT, "t-1", NOW + 60)


def test_a_signed_assertion_is_read_back_as_the_client_it_speaks_for():
    text = client_assertion.sign(KEY, client_id=CLIENT, issuer=ISSUER, token_id="t-1", now=NOW, key_id="k")
    presented = read_client(None, client_assertion.form(text))
    assert (presented.client_id, presented.method) == (CLIENT, "private_key_jwt")
    assert client_assertion.form(text)["client_assertion_type"] == JWT_BEARER
    assert jws.extract_compact(text.encode()).headers() == {
        "alg": "ES256",
        "typ": "client-authentication+jwt",
        "kid": "k",
    }


def test_a_key_in_pem_is_read_for_its_algorithm_only():
    pem = KEY.as_pem(private=True).decode()
    assert client_assertion.signing_key(pem, "ES256").thumbprint() == KEY.thumbprint()
    with pytest.raises(ValueError, match="HS256 is not one of"):
        client_assertion.signing_key(pem, "HS256")
    with pytest.raises(ValueError):
        client_assertion.signing_key(pem, "RS256")


def test_an_assertion_is_dead_at_exactly_exp():
    assert verify(assertion(), now=NOW + 59)
    assert "expired" in refusal(assertion(), now=NOW + 60)
    assert "expired" in refusal(assertion(), now=NOW + 61)


@pytest.mark.parametrize("value", [None, True, "1700000060", float("nan"), float("inf")])
def test_exp_has_to_be_a_number(value: object):
    assert refusal(assertion(exp=value))


def test_a_life_longer_than_the_memory_of_token_ids_is_refused():
    assert verify(assertion(exp=NOW + 600))
    assert "at most 600 seconds" in refusal(assertion(exp=NOW + 601))


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_two_clocks_may_differ_by_a_minute(name: str):
    claims: dict[str, Any] = {name: NOW + 60}
    assert verify(assertion(**claims))
    claims = {name: NOW + 61}
    assert name in refusal(assertion(**claims))


def test_an_assertion_without_token_id_could_be_replayed():
    assert "`jti`" in refusal(assertion(without="jti"))
    assert "`jti`" in refusal(assertion(jti=7))


@pytest.mark.parametrize("name", ["iss", "sub"])
def test_issuer_and_subject_are_the_client(name: str):
    claims: dict[str, Any] = {name: "another"}
    assert "client id" in refusal(assertion(**claims))
    assert "client id" in refusal(assertion(without=name))


@pytest.mark.parametrize(
    "audience",
    [f"{ISSUER}/token", f"{ISSUER}/", [ISSUER, "https://evil.example.com"], [], [[ISSUER]], None, {ISSUER: 1}],
)
def test_the_audience_is_the_issuer_and_nothing_else(audience: object):
    assert "issuer identifier" in refusal(assertion(aud=audience), audiences=frozenset({ISSUER}))


def test_the_audience_may_be_an_array_of_one():
    assert verify(assertion(aud=[ISSUER]))


def test_a_server_may_go_on_accepting_its_token_endpoint():
    assert verify(assertion(aud=f"{ISSUER}/token"), audiences=(ISSUER, f"{ISSUER}/token"))


def test_a_key_that_the_client_has_not_registered_does_not_sign_for_it():
    assert "has registered" in refusal(assertion(key=OTHER))
    assert "has registered" in refusal(assertion(), keys={})


def test_a_key_in_the_header_is_ignored():
    carried = {"jwk": OTHER.as_dict(private=False), "jku": "https://evil.example.com/jwks"}
    assert "has registered" in refusal(assertion(carried, key=OTHER))


def test_a_key_id_names_the_one_key_to_try():
    keys: dict[str, Any] = {"keys": [*jwks(OTHER, kid="old")["keys"], *jwks(KEY, kid="new")["keys"]]}
    assert verify(assertion({"kid": "new"}), keys=keys)
    assert verify(assertion(), keys=keys)
    assert "has registered" in refusal(assertion({"kid": "old"}), keys=keys)
    assert "has registered" in refusal(assertion({"kid": "unknown"}), keys=keys)


def test_a_key_published_for_something_else_does_not_count():
    assert verify(assertion(), keys=jwks(KEY, use="sig", alg="ES256"))
    assert "has registered" in refusal(assertion(), keys=jwks(KEY, use="enc"))
    assert "has registered" in refusal(assertion(), keys=jwks(KEY, alg="ES384"))


def test_a_broken_key_does_not_spoil_the_others():
    keys: dict[str, Any] = {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA"}, {"kty": "new"}, *jwks(RSA, KEY)["keys"]]}
    assert verify(assertion(), keys=keys)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_short_rsa_key_does_not_count():
    short = RSAKey.generate_key(1024)
    assert "has registered" in refusal(assertion({"alg": "RS256"}, key=short), keys=jwks(short))


def test_the_algorithm_is_chosen_by_the_server():
    assert "signed with one of" in refusal(assertion(), algorithms=("PS256",))
    unsigned = "eyJhbGciOiJub25lIn0." + assertion().split(".")[1] + "."
    assert "signed with one of" in refusal(unsigned)


@pytest.mark.parametrize("kind", ["dpop+jwt", "at+jwt", "oauth-id-jag+jwt"])
def test_another_kind_of_token_is_no_assertion(kind: str):
    assert "`typ`" in refusal(assertion({"typ": kind}))


@pytest.mark.parametrize("members", [{"typ": 5}, {"typ": ["JWT"]}, {"kid": 5}, {"alg": ["ES256"]}, {"alg": None}])
def test_a_header_with_members_of_the_wrong_type_is_refused(members: dict[str, object]):
    assert refusal(with_header(assertion(), **members))


@pytest.mark.parametrize("kind", ["JWT", "jwt", "application/client-authentication+jwt"])
def test_older_spellings_of_the_type_are_accepted(kind: str):
    assert verify(assertion({"typ": kind}))


def test_a_critical_extension_is_refused():
    assert "extension" in refusal(with_header(assertion(), crit=["b64"], b64=True))


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "é.é.é", "e30.e30.", "W10.e30.AA", "x" * 9000])
def test_what_is_no_jwt_is_refused(text: str):
    assert refusal(text)


def test_a_huge_assertion_is_refused_before_it_is_read():
    assert "too large" in refusal(assertion(padding="x" * 8192))


def test_true_is_not_a_time():
    assert "`iat`" in refusal(assertion(iat=True))


def test_a_payload_that_is_no_object_is_refused():
    registry = jws.JWSRegistry(algorithms=["ES256"])
    text = jws.serialize_compact({"alg": "ES256"}, "[]", KEY, registry=registry)
    assert refusal(text)
