import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import RSAKey

from mcp_demo.oauth import access_token, unverified_token
from mcp_demo.oauth.access_token import AccessToken, Rules
from mcp_demo.oauth.unverified_token import MAX_TOKEN_LENGTH, REASONS, Reason, TokenRejected

KEY = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
ISSUER = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Abc"
RESOURCE = "https://mcp.example/mcp"
READ, WRITE = f"{RESOURCE}/read", f"{RESOURCE}/write"
NOW = 1_800_000_000
BY_RESOURCE = Rules(ISSUER, RESOURCE, frozenset({READ, WRITE}))
BY_SCOPE = Rules(ISSUER, RESOURCE, frozenset({READ, WRITE}), audience="scope")
CLAIMS: Mapping[str, Any] = {
    "iss": ISSUER,
    "sub": "a1b2",
    "client_id": "app",
    "username": "demo",
    "token_use": "access",
    "aud": RESOURCE,
    "scope": READ,
    "iat": NOW - 60,
    "exp": NOW + 60,
}


def b64(data: bytes | str) -> str:
    return urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def signed(payload: str | bytes | Mapping[str, Any], key: RSAKey = KEY, **header: Any) -> str:
    """A token over any payload, with any header: what a hostile issuer, or ours, could send."""
    members = {"alg": "RS256", "kid": "one"} | header
    content = payload if isinstance(payload, str | bytes) else json.dumps(payload)
    head, body = b64(json.dumps({name: value for name, value in members.items() if value is not None})), b64(content)
    signature = jws.JWSRegistry.algorithms["RS256"].sign(f"{head}.{body}".encode(), key)
    return f"{head}.{body}.{b64(signature)}"


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good token, changed; None removes one."""
    return {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}


def judge(token: str, rules: Rules = BY_RESOURCE, now: float = NOW) -> AccessToken | Reason:
    try:
        return access_token.verify(unverified_token.read(token), KEY, rules, now)
    except TokenRejected as error:
        return error.reason


def test_a_good_token_says_who_may_do_what() -> None:
    assert judge(signed(CLAIMS)) == AccessToken(ISSUER, "a1b2", "app", "demo", (READ,), NOW + 60, (), NOW - 120)


@pytest.mark.parametrize("leeway", [0, 30])
@pytest.mark.parametrize("times", [{}, {"nbf": NOW - 10}, {"nbf": NOW - 90}, {"iat": None}, {"iat": NOW + 20}])
def test_who_remembers_a_token_can_tell_to_the_second_when_it_counts(times: dict[str, Any], leeway: int) -> None:
    rules, token = replace(BY_RESOURCE, leeway=leeway), signed(claims(**times))
    good = access_token.verify(unverified_token.read(token), KEY, rules, NOW)
    for now in range(int(NOW) - 160, int(NOW) + 100):
        assert good.is_alive(leeway, now) == isinstance(judge(token, rules, now), AccessToken), now - NOW


def test_a_token_says_who_acts_for_the_person() -> None:
    acted = judge(signed(claims(act={"sub": "mcp", "act": {"sub": "web"}})))
    assert isinstance(acted, AccessToken)
    assert acted.subject == "a1b2"
    assert [actor.subject for actor in acted.actors] == ["mcp", "web"]
    assert judge(signed(claims(act={"client_id": "mcp"}))) == "claims"


def test_every_reason_has_words_and_the_set_is_closed() -> None:
    assert set(REASONS) == set(get_args(Reason))
    assert TokenRejected("expired").as_dict() == {
        "error": "invalid_token",
        "error_description": "The access token has expired.",
    }
    assert TokenRejected("expired").status == 401


@pytest.mark.parametrize(("second", "verdict"), [(-1, True), (0, False), (1, False)])
def test_a_token_is_dead_at_exactly_exp(second: int, verdict: bool) -> None:
    outcome = judge(signed(claims(exp=NOW)), now=NOW + second)
    assert isinstance(outcome, AccessToken) if verdict else outcome == "expired"


@pytest.mark.parametrize(("second", "verdict"), [(-1, False), (0, True), (1, True)])
def test_a_token_is_alive_at_exactly_nbf(second: int, verdict: bool) -> None:
    outcome = judge(signed(claims(nbf=NOW)), now=NOW + second)
    assert isinstance(outcome, AccessToken) if verdict else outcome == "not_yet_valid"


@pytest.mark.parametrize(("seconds", "verdict"), [(59, True), (60, True), (61, False)])
def test_a_token_from_the_future_is_refused_beyond_the_drift_of_clocks(seconds: int, verdict: bool) -> None:
    outcome = judge(signed(claims(iat=NOW + seconds, exp=NOW + 600)))
    assert isinstance(outcome, AccessToken) if verdict else outcome == "issued_in_future"


@pytest.mark.parametrize(("second", "verdict"), [(4, True), (5, False), (6, False)])
def test_leeway_moves_the_end_by_itself_and_no_more(second: int, verdict: bool) -> None:
    lenient = Rules(ISSUER, RESOURCE, frozenset({READ}), leeway=5)
    outcome = judge(signed(claims(exp=NOW, iat=NOW)), lenient, NOW + second)
    assert isinstance(outcome, AccessToken) if verdict else outcome == "expired"


def test_there_is_no_leeway_unless_it_is_configured() -> None:
    assert BY_RESOURCE.leeway == 0


def test_fractions_of_a_second_count() -> None:
    assert judge(signed(claims(exp=NOW + 0.5)), now=NOW + 0.5) == "expired"
    assert isinstance(judge(signed(claims(exp=NOW + 0.5)), now=NOW + 0.4), AccessToken)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1900000000", True, [], {}, -1, 10**400, 1e300, 253_402_300_800, [NOW + 60]])
def test_a_time_that_is_no_sensible_number_is_refused(name: str, value: object) -> None:
    assert judge(signed(claims(**{name: value}))) == "claims"


def test_a_token_without_expiry_is_refused() -> None:
    assert judge(signed(claims(exp=None))) == "claims"


def test_null_times_are_refused() -> None:
    for name in ("exp", "nbf", "iat"):
        assert judge(signed({**CLAIMS, name: None})) == "claims"


def test_a_token_issued_after_its_end_is_refused() -> None:
    assert judge(signed(claims(iat=NOW + 50, exp=NOW + 40))) == "claims"


@pytest.mark.parametrize(
    "issuer",
    [
        ISSUER + "/",
        ISSUER.upper(),
        ISSUER + "c",
        ISSUER[:-1],
        ISSUER.replace("eu-central-1_Abc", "eu-central-1_Other"),
        "https://evil.example",
        f" {ISSUER}",
    ],
)
def test_the_issuer_is_compared_byte_for_byte(issuer: str) -> None:
    assert judge(signed(claims(iss=issuer))) == "issuer"


@pytest.mark.parametrize("value", [None, 1, [ISSUER], {"iss": ISSUER}, ""])
def test_an_issuer_that_is_no_string_is_refused(value: object) -> None:
    assert judge(signed(claims(iss=value))) == "claims"


@pytest.mark.parametrize("value", ["id", "refresh", None, "Access", "ACCESS", ["access"], True])
def test_only_access_tokens_are_access_tokens(value: object) -> None:
    assert judge(signed(claims(token_use=value))) == "token_use"


def test_an_id_token_is_refused_as_one_even_when_its_audience_would_fit() -> None:
    id_token = {"iss": ISSUER, "sub": "a1b2", "aud": RESOURCE, "token_use": "id", "iat": NOW, "exp": NOW + 60}
    assert judge(signed(id_token)) == "token_use"


@pytest.mark.parametrize("audience", [[RESOURCE], ["https://api.example", RESOURCE], [RESOURCE, RESOURCE]])
def test_the_audience_may_be_an_array_that_holds_the_resource(audience: list[str]) -> None:
    assert isinstance(judge(signed(claims(aud=audience))), AccessToken)


@pytest.mark.parametrize(
    "audience",
    [
        None,
        "",
        RESOURCE + "-evil",
        RESOURCE + "/other",
        RESOURCE + "/",
        RESOURCE[:-1],
        "https://mcp.example",
        "https://mcp.example/MCP",
        f"https://attacker.example/?x={RESOURCE}",
        f"{RESOURCE} https://api.example",
        ["https://api.example"],
        [],
        [[RESOURCE]],
        [RESOURCE, 1],
        {RESOURCE: True},
        1,
        "app",
    ],
)
def test_another_audience_or_none_is_refused(audience: object) -> None:
    assert judge(signed(claims(aud=audience))) == "audience"


def test_by_scope_a_token_of_this_resource_server_is_accepted() -> None:
    assert isinstance(judge(signed(claims(aud=None)), BY_SCOPE), AccessToken)


@pytest.mark.parametrize(
    "scope",
    [
        None,
        "",
        "openid email",
        "aws.cognito.signin.user.admin",
        READ + "er",
        READ.upper(),
        f"{RESOURCE}/other/read",
        RESOURCE,
        "read",
    ],
)
def test_by_scope_a_token_without_a_scope_of_this_server_is_refused(scope: str | None) -> None:
    assert judge(signed(claims(aud=None, scope=scope)), BY_SCOPE) == "audience"


@pytest.mark.parametrize("audience", [RESOURCE, "https://api.example", [], ""])
def test_by_scope_a_token_with_any_audience_is_refused(audience: object) -> None:
    assert judge(signed(claims(aud=audience)), BY_SCOPE) == "audience"


@pytest.mark.parametrize("scope", [[READ], 1, True, {}, f"{READ}  {WRITE}", f"{READ}\n", '"'])
def test_a_scope_that_is_no_list_of_scope_tokens_is_refused(scope: object) -> None:
    assert judge(signed(claims(scope=scope))) == "claims"


@pytest.mark.parametrize("name", ["sub", "client_id"])
@pytest.mark.parametrize("value", [None, "", 1, ["a1b2"], {}])
def test_who_it_speaks_of_has_to_be_a_name(name: str, value: object) -> None:
    assert judge(signed(claims(**{name: value}))) == "claims"


def test_a_username_is_optional_but_not_arbitrary() -> None:
    found = judge(signed(claims(username=None)))
    assert isinstance(found, AccessToken)
    assert found.username is None
    assert judge(signed(claims(username=7))) == "claims"


def test_changed_claims_do_not_keep_their_signature() -> None:
    head, _, signature = signed(CLAIMS).split(".")
    assert judge(f"{head}.{b64(json.dumps(claims(sub='somebody else')))}.{signature}") == "signature"


def test_another_key_under_the_same_name_does_not_verify() -> None:
    assert judge(signed(CLAIMS, OTHER_KEY)) == "signature"


@pytest.mark.parametrize("place", [0, 100, 341])
def test_no_character_of_the_signature_may_change(place: int) -> None:
    head, body, signature = signed(CLAIMS).split(".")
    changed = "A" if signature[place] != "A" else "B"
    assert judge(f"{head}.{body}.{signature[:place]}{changed}{signature[place + 1 :]}") in {"signature", "format"}


def test_a_signature_has_one_spelling_only() -> None:
    token = signed(CLAIMS)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]  # differs in bits that base64 throws away
    assert judge(twin) == "format"
    assert judge(token + "=") == "format"
    assert judge(token + "\n") == "format"


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize("signature", ["", "anVuaw"])
def test_unsigned_tokens_are_refused_however_they_are_spelled(name: str, signature: str) -> None:
    head, body, _ = signed(CLAIMS, alg=name).split(".")
    assert judge(f"{head}.{body}.{signature}") == "algorithm"


def public_material() -> list[bytes]:
    public = KEY.public_key
    return [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(KEY.as_dict(private=False)).encode(),
        public.public_numbers().n.to_bytes(256, "big"),
        b"",
    ]


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("secret", public_material())
def test_the_public_key_is_never_a_shared_secret(algorithm: str, secret: bytes) -> None:
    head, body = b64(json.dumps({"alg": algorithm, "kid": "one"})), b64(json.dumps(CLAIMS))
    digest = hmac.new(secret, f"{head}.{body}".encode(), getattr(hashlib, f"sha{algorithm[2:]}")).digest()
    assert judge(f"{head}.{body}.{b64(digest)}") == "algorithm"


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_another_algorithm_of_the_same_key_is_refused(algorithm: str) -> None:
    token = jws.serialize_compact({"alg": algorithm, "kid": "one"}, json.dumps(CLAIMS), KEY, algorithms=[algorithm])
    assert judge(token) == "algorithm"


@pytest.mark.parametrize("algorithm", [None, 256, ["RS256"], ""])
def test_an_algorithm_that_is_no_name_is_refused(algorithm: object) -> None:
    assert judge(signed(CLAIMS, alg=algorithm)) == "algorithm"


def test_extensions_that_must_be_understood_are_not() -> None:
    assert judge(signed(CLAIMS, crit=["x"], x=1)) == "header"
    assert judge(signed(CLAIMS, crit=[])) == "header"
    assert judge(signed(CLAIMS, b64=True)) == "header"


def test_unknown_members_of_the_header_are_ignored() -> None:
    assert isinstance(judge(signed(CLAIMS, x="y")), AccessToken)


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_the_types_of_access_tokens_are_accepted(kind: str) -> None:
    assert isinstance(judge(signed(CLAIMS, typ=kind)), AccessToken)


@pytest.mark.parametrize("kind", ["logout+jwt", "dpop+jwt", "", 1, ["JWT"], "JWE"])
def test_other_types_are_refused(kind: object) -> None:
    assert judge(signed(CLAIMS, typ=kind)) == "header"


@pytest.mark.parametrize("key_id", [None, "", 1, ["one"], {"kid": "one"}, "k" * 257])
def test_a_key_id_has_to_be_a_name(key_id: object) -> None:
    assert judge(signed(CLAIMS, kid=key_id)) == "header"


@pytest.mark.parametrize("key_id", ["../../../../dev/null", "' OR 1=1 --", "https://evil.example/jwks.json"])
def test_a_hostile_key_id_is_only_a_name_to_look_up(key_id: str) -> None:
    assert unverified_token.read(signed(CLAIMS, kid=key_id)).key_id == key_id


def test_a_key_in_the_header_is_not_used() -> None:
    own = {"n": OTHER_KEY.as_dict(private=False)["n"], "e": "AQAB", "kty": "RSA"}
    assert judge(signed(CLAIMS, OTHER_KEY, jwk=own)) in {"signature", "size"}
    assert judge(signed(CLAIMS, OTHER_KEY, jku="https://evil.example/jwks.json")) == "signature"
    assert judge(signed(CLAIMS, OTHER_KEY, x5u="https://evil.example/cert")) == "signature"


@pytest.mark.parametrize(
    "payload",
    [
        json.dumps(CLAIMS)[:-1] + ', "sub": "somebody else"}',
        json.dumps(CLAIMS)[:-1] + f', "aud": "{RESOURCE}"}}',
        json.dumps(CLAIMS)[:-1] + ', "x": {"y": 1, "y": 2}}',
        json.dumps(CLAIMS)[:-1] + ', "x": NaN}',
        json.dumps(CLAIMS)[:-1] + ', "x": Infinity}',
        json.dumps(CLAIMS)[:-1] + f', "x": {"9" * 5000}}}',
        json.dumps(CLAIMS)[:-1] + f', "x": {"[" * 2500}{"]" * 2500}}}',
        json.dumps(CLAIMS).encode("utf-16"),
        b"\xef\xbb\xbf" + json.dumps(CLAIMS).encode(),
        b"\xff\xfe",
        "[]",
        "null",
        '"text"',
        "1",
        "",
        json.dumps([CLAIMS]),
    ],
)
def test_a_payload_that_two_readers_could_read_differently_is_refused(payload: str | bytes) -> None:
    assert judge(signed(payload)) == "format"


@pytest.mark.parametrize("token", ["", ".", "..", "a", "a.b", "a.b.c.d", "a.b.c.d.e", "é.é.é", "a b.c.d", "e30.e30.="])
def test_what_is_no_compact_jws_is_refused(token: str) -> None:
    assert judge(token) == "format"


def test_sizes_are_limited() -> None:
    assert judge("a" * MAX_TOKEN_LENGTH) == "format"
    assert judge("a" * (MAX_TOKEN_LENGTH + 1)) == "size"
    assert judge(signed(CLAIMS, x="y" * 600)) == "size"


def test_nothing_shows_the_token() -> None:
    token = signed(CLAIMS)
    unverified = unverified_token.read(token)
    shown = repr(unverified) + repr(judge(token)) + str(TokenRejected("signature"))
    assert not any(part in shown for part in token.split("."))


def by_spelling_it_again(segment: str) -> bytes | None:
    try:
        data = urlsafe_b64decode(segment.encode("ascii") + b"=" * (-len(segment) % 4))
    except ValueError:
        return None
    return data if b64(data) == segment else None


@given(st.text("AQgw-_+/=. \n\0é9z", max_size=9) | st.binary(max_size=40).map(b64))
def test_only_the_one_spelling_of_its_octets_is_decoded(segment: str) -> None:
    try:
        data = unverified_token._decode(segment)  # pyright: ignore[reportPrivateUsage]
    except TokenRejected:
        data = None
    assert data == by_spelling_it_again(segment)


@given(st.text(max_size=200))
def test_no_text_makes_the_reader_stumble(text: str) -> None:
    assert isinstance(judge(text), str)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted({*CLAIMS, "nbf"})), json_values)
def test_no_value_of_a_claim_makes_the_judge_stumble(name: str, value: object) -> None:
    outcome = judge(signed(json.dumps({**CLAIMS, name: value}, allow_nan=True)))
    assert isinstance(outcome, AccessToken | str)
    if outcome in {"format", "claims"} or name in {"username", "sub", "client_id", "scope"}:
        return
    if isinstance(outcome, AccessToken):
        assert name in {"iat", "nbf", "exp", "iss", "aud", "token_use"}


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "x5c", "jku", "cty"]), json_values))
def test_no_header_makes_the_reader_stumble(header: dict[str, Any]) -> None:
    members = json.dumps({"alg": "RS256", "kid": "one"} | header)
    assert isinstance(judge(f"{b64(members)}.{b64(json.dumps(CLAIMS))}.AAAA"), str)
