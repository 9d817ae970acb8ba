import json
from base64 import b64encode, urlsafe_b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_demo.oauth import token
from mcp_demo.oauth.errors import ErrorResponse, InvalidClient, InvalidRequest, OAuthError, ResponseInvalid
from mcp_demo.oauth.token import PresentedClient, client_authentication, read_client, read_response


def basic(pair: str | bytes) -> str:
    return "Basic " + b64encode(pair.encode() if isinstance(pair, str) else pair).decode()


def assertion(claims: object) -> str:
    parts = (urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "ES256"}, claims))
    return ".".join((*parts, "c2ln"))


def answer(**members: object) -> dict[str, object]:
    return {"access_token": "2YotnFZFEjr1zCsicMWpAA", "token_type": "Bearer", **members}


def test_the_forms_name_the_resource() -> None:
    assert token.code_form(code="c", redirect_uri="u", code_verifier="v", resource="r") == {
        "grant_type": "authorization_code",
        "code": "c",
        "redirect_uri": "u",
        "code_verifier": "v",
        "resource": "r",
    }
    assert token.refresh_form(refresh_token="t", resource="r") == {
        "grant_type": "refresh_token",
        "refresh_token": "t",
        "resource": "r",
    }


def test_the_published_credentials_give_the_published_header() -> None:
    # RFC 6749 §2.3.1
    headers, form = client_authentication("client_secret_basic", "s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw")
    assert headers == {"authorization": "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"}
    assert form == {}


def test_a_public_client_and_one_that_posts_name_themselves_in_the_form() -> None:
    assert client_authentication("none", "c", None) == ({}, {"client_id": "c"})
    assert client_authentication("none", "c", "s") == ({}, {"client_id": "c"})
    assert client_authentication("client_secret_post", "c", "s") == ({}, {"client_id": "c", "client_secret": "s"})


@pytest.mark.parametrize(
    ("method", "secret"), [("client_secret_basic", None), ("client_secret_post", None), ("private_key_jwt", "s")]
)
def test_a_method_without_its_secret_cannot_be_served(method: token.AuthMethod, secret: str | None) -> None:
    with pytest.raises(ValueError, match=method):
        client_authentication(method, "c", secret)


@given(st.text(min_size=1), st.text())
def test_basic_credentials_are_read_back(client_id: str, secret: str) -> None:
    headers, form = client_authentication("client_secret_basic", client_id, secret)
    assert read_client(headers["authorization"], form) == PresentedClient(client_id, "client_secret_basic", secret)


def test_credentials_stay_out_of_representations() -> None:
    presented = PresentedClient("c", "client_secret_post", "canary", "canary")
    response = read_response(200, answer(access_token="canary", refresh_token="canary", id_token="canary"))
    assert "canary" not in repr(presented) + repr(response)


@pytest.mark.parametrize(
    ("authorization", "form", "expected"),
    [
        (None, {"client_id": "c"}, ("c", "none", None)),
        (None, {"client_id": "c", "client_secret": "s"}, ("c", "client_secret_post", "s")),
        (basic("c:s"), {}, ("c", "client_secret_basic", "s")),
        (basic("c:s"), {"client_id": "c"}, ("c", "client_secret_basic", "s")),
        (basic("c:s").replace("Basic", "bAsIc  "), {}, ("c", "client_secret_basic", "s")),
        (basic("c:"), {}, ("c", "client_secret_basic", "")),
        (basic("c:a:b"), {}, ("c", "client_secret_basic", "a:b")),
        (basic("https%3A%2F%2Fa:x+y%2B"), {}, ("https://a", "client_secret_basic", "x y+")),
        (basic("ü:é"), {}, ("ü", "client_secret_basic", "é")),
    ],
)
def test_a_client_is_read_by_its_method(
    authorization: str | None, form: dict[str, str], expected: tuple[str, str, str | None]
) -> None:
    client = read_client(authorization, form)
    assert (client.client_id, client.method, client.client_secret) == expected


@pytest.mark.parametrize(
    "form",
    [
        {"client_secret": "s"},
        {"client_assertion": "a"},
        {"client_id": "c", "client_secret": ""},
        {"client_id": "other"},
    ],
)
def test_two_methods_or_two_names_at_once_are_refused(form: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        read_client(basic("c:s"), form)


def test_a_secret_and_an_assertion_at_once_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        read_client(None, {"client_id": "c", "client_secret": "s", "client_assertion": "a"})


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic ",
        "Basic ü",
        "Basic !!!!",
        "Basic YQ",
        basic("no colon"),
        basic(":secret"),
        basic(b"\xff:\xfe"),
        basic("%ff:s"),
        basic("c:%ff"),
        basic("c:s").replace("Basic", "Bearer"),
        basic("c:s").replace(" ", ""),
    ],
)
def test_a_header_that_is_not_basic_is_refused(authorization: str) -> None:
    with pytest.raises(InvalidClient) as refused:
        read_client(authorization, {})
    assert refused.value.status == 401


@pytest.mark.parametrize("form", [{}, {"client_id": ""}, {"client_secret": "s"}])
def test_a_request_of_nobody_is_refused(form: dict[str, str]) -> None:
    with pytest.raises(InvalidClient):
        read_client(None, form)


@pytest.mark.parametrize("named", [{}, {"client_id": "https://c.example/doc"}])
def test_an_assertion_names_its_client_and_is_kept_for_verification(named: dict[str, str]) -> None:
    jwt = assertion({"sub": "https://c.example/doc"})
    client = read_client(None, {"client_assertion": jwt, "client_assertion_type": token.JWT_BEARER, **named})
    assert client == PresentedClient("https://c.example/doc", "private_key_jwt", None, jwt)


@pytest.mark.parametrize(
    ("jwt", "kind"),
    [
        ("", token.JWT_BEARER),
        ("a", token.JWT_BEARER),
        ("a.é.c", token.JWT_BEARER),
        ("a.YQ.c", token.JWT_BEARER),
        ("a._w.c", token.JWT_BEARER),
        ("a." + urlsafe_b64encode(b"[" * 100_000).decode() + ".c", token.JWT_BEARER),
        (assertion(["sub"]), token.JWT_BEARER),
        (assertion({"iss": "c"}), token.JWT_BEARER),
        (assertion({"sub": ""}), token.JWT_BEARER),
        (assertion({"sub": 5}), token.JWT_BEARER),
        (assertion({"sub": "c"}), None),
        (assertion({"sub": "c"}), "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
    ],
)
def test_an_assertion_that_names_nobody_is_refused(jwt: str, kind: str | None) -> None:
    form = {"client_assertion": jwt} | ({} if kind is None else {"client_assertion_type": kind})
    with pytest.raises(InvalidClient):
        read_client(None, form)


def test_an_assertion_of_another_client_is_refused() -> None:
    form = {"client_id": "d", "client_assertion": assertion({"sub": "c"}), "client_assertion_type": token.JWT_BEARER}
    with pytest.raises(InvalidRequest, match="two different clients"):
        read_client(None, form)


fields = st.sampled_from(["client_id", "client_secret", "client_assertion", "client_assertion_type"])


@given(st.none() | st.text() | st.text().map("Basic {}".format), st.dictionaries(fields, st.text()))
def test_any_text_is_read_or_refused_on_the_wire(authorization: str | None, form: dict[str, str]) -> None:
    try:
        assert read_client(authorization, form).client_id
    except OAuthError as refused:
        assert refused.error in {"invalid_client", "invalid_request"}


def test_the_published_answer_gives_its_tokens() -> None:
    # RFC 6749 §5.1
    document = {
        "access_token": "2YotnFZFEjr1zCsicMWpAA",
        "token_type": "example",
        "expires_in": 3600,
        "refresh_token": "tGzv3JOkF0XG5Qx2TlKWIA",
        "example_parameter": "example_value",
    }
    tokens = read_response(200, {**document, "token_type": "bearer", "scope": "a b"})
    assert (tokens.access_token, tokens.expires_in) == ("2YotnFZFEjr1zCsicMWpAA", 3600)
    assert (tokens.refresh_token, tokens.scopes, tokens.id_token) == ("tGzv3JOkF0XG5Qx2TlKWIA", ("a", "b"), None)
    with pytest.raises(ResponseInvalid):
        read_response(200, document)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0),
        (1, 1),
        (3600.0, 3600),
        (3600.9, 3600),
        ("3600", 3600),
        (2**31 - 1, 2**31 - 1),
        (2**31, None),
        ("9999999999", None),
        ("99999999999", None),
        (-1, None),
        ("-1", None),
        ("1e3", None),
        ("٣", None),
        ("", None),
        (True, None),
        (False, None),
        (None, None),
        ([3600], None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
    ],
)
def test_a_lifetime_is_a_sensible_number_of_seconds(value: object, seconds: int | None) -> None:
    assert read_response(200, answer(expires_in=value)).expires_in == seconds


@pytest.mark.parametrize(
    ("value", "scopes"),
    [("a b", ("a", "b")), (" a  b ", ("a", "b")), ("", None), (" ", None), (None, None), (["a"], None), (5, None)],
)
def test_the_granted_scopes_are_read_where_they_are_told(value: object, scopes: tuple[str, ...] | None) -> None:
    assert read_response(200, answer(scope=value)).scopes == scopes


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "token",
        {},
        {"access_token": "t"},
        {"token_type": "Bearer"},
        answer(token_type="DPoP"),
        answer(token_type=None),
        answer(access_token=""),
        answer(access_token=5),
        answer(access_token="a b"),
        answer(access_token="a\r\nX: y"),
        answer(access_token="a\n"),
        answer(access_token="é"),
        answer(access_token="==a"),
        answer(scope='a "b"'),
    ],
)
def test_an_answer_without_a_usable_token_is_refused(document: object) -> None:
    with pytest.raises(ResponseInvalid):
        read_response(200, document)


@pytest.mark.parametrize("refresh_token", [None, "", 5, ["x"]])
def test_a_refresh_token_is_a_string_or_absent(refresh_token: object) -> None:
    assert read_response(200, answer(refresh_token=refresh_token)).refresh_token is None


def test_a_published_error_is_told_with_its_status() -> None:
    with pytest.raises(ErrorResponse) as told:
        read_response(400, {"error": "invalid_request"})  # RFC 6749 §5.2
    assert (told.value.error, told.value.description, told.value.status) == ("invalid_request", None, 400)
    with pytest.raises(ErrorResponse, match="invalid_grant: gone") as told:
        read_response(400, {"error": "invalid_grant", "error_description": "gone", "access_token": "t"})
    assert told.value.description == "gone"


@pytest.mark.parametrize(
    "document", [None, "down", {}, {"error": 5}, {"error": ""}, {"message": "Internal server error"}]
)
def test_a_failure_without_an_oauth_error_is_no_answer(document: object) -> None:
    with pytest.raises(ResponseInvalid, match="502"):
        read_response(502, document)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
members = st.sampled_from(["access_token", "token_type", "expires_in", "scope", "error", "refresh_token"])


@given(st.sampled_from([200, 400]), json_values | st.dictionaries(members, json_values | st.just("Bearer")))
def test_any_json_is_read_or_refused(status: int, document: object) -> None:
    with suppress(ResponseInvalid, ErrorResponse):
        assert read_response(status, document).access_token
