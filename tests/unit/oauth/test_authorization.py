from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_demo.oauth.authorization import AuthorizationRequest, read_response, single_valued
from mcp_demo.oauth.errors import (
    ErrorResponse,
    InvalidRequest,
    IssuerMismatch,
    ProtocolViolation,
    ResponseInvalid,
    StateMismatch,
)

ISSUER = "https://honest.as.example"
CALLBACK = "http://localhost:3000/callback"
REQUEST = AuthorizationRequest(
    client_id="s6BhdRkqt3",
    redirect_uri=CALLBACK,
    state="xyz",
    code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    resource="http://localhost:3001/mcp",
)


def response(*pairs: tuple[str, str]) -> str:
    return f"{CALLBACK}?{urlencode(pairs)}"


def read(url: str, *, state: str = "xyz", iss_advertised: bool = False) -> str:
    return read_response(url, state=state, issuer=ISSUER, iss_advertised=iss_advertised)


def test_a_request_carries_pkce_and_resource_and_leaves_scope_out() -> None:
    url = urlsplit(REQUEST.url("https://honest.as.example/authorize?tenant=a%20b"))
    assert url.query.startswith("tenant=a%20b&")
    assert dict(parse_qsl(url.query)) == {
        "tenant": "a b",
        "response_type": "code",
        "client_id": "s6BhdRkqt3",
        "redirect_uri": CALLBACK,
        "state": "xyz",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
        "resource": "http://localhost:3001/mcp",
    }


def test_scopes_are_sent_as_one_parameter() -> None:
    request = AuthorizationRequest("c", CALLBACK, "s", "x", "r", scopes=("read", "write"))
    assert dict(parse_qsl(urlsplit(request.url(ISSUER)).query))["scope"] == "read write"


def test_a_parameter_without_a_value_counts_as_not_sent() -> None:
    assert single_valued([("a", "1"), ("b", ""), ("unknown", "x")]) == {"a": "1", "unknown": "x"}


@pytest.mark.parametrize("pairs", [[("a", "1"), ("a", "2")], [("a", "1"), ("a", "1")], [("a", ""), ("a", "1")]])
def test_a_parameter_sent_twice_is_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidRequest, match="more than once"):
        single_valued(pairs)


def test_the_published_response_gives_its_code() -> None:
    # RFC 9207 §2.3 and RFC 6749 §4.1.2
    published = "http://localhost:3000/callback?code=x1848ZT64p4IirMPT0R-X3141MFPTuBX-VFL_cvaplMH58&state=xyz&iss=https%3A%2F%2Fhonest.as.example"
    assert read(published, iss_advertised=True) == "x1848ZT64p4IirMPT0R-X3141MFPTuBX-VFL_cvaplMH58"
    assert read(response(("code", "c"), ("state", "xyz")) + "#_=_") == "c"
    assert read("https://client.example.com/cb?code=SplxlOBeZQQYbYS6WxSbIA&state=xyz") == "SplxlOBeZQQYbYS6WxSbIA"


@pytest.mark.parametrize(
    "url",
    [
        response(("code", "c")),
        response(("code", "c"), ("state", "")),
        response(("code", "c"), ("state", "XYZ")),
        response(("code", "c"), ("state", "xyzz")),
        response(("error", "access_denied"), ("state", "no")),
        f"{CALLBACK}?code=c&state=%ff",
        f"{CALLBACK}#code=c&state=xyz",
        f"{CALLBACK}?code=c#state=xyz",
        "\ud800",
        "http://[::1",
        "",
    ],
)
def test_a_response_to_another_request_is_refused(url: str) -> None:
    with pytest.raises(StateMismatch):
        read(url)


def test_an_empty_expected_state_matches_nothing() -> None:
    with pytest.raises(StateMismatch):
        read(response(("code", "c")), state="")


@pytest.mark.parametrize(
    "iss",
    [
        ISSUER + "/",
        "https://HONEST.as.example",
        ISSUER + ":443",
        "https://attacker.example",
        "https://honest.as%2eexample",
    ],
)
@pytest.mark.parametrize("iss_advertised", [True, False])
@pytest.mark.parametrize("answer", [("code", "c"), ("error", "access_denied")])
def test_another_issuer_is_refused_without_normalising(iss: str, iss_advertised: bool, answer: tuple[str, str]) -> None:
    with pytest.raises(IssuerMismatch):
        read(response(answer, ("state", "xyz"), ("iss", iss)), iss_advertised=iss_advertised)


def test_an_absent_issuer_is_refused_where_it_was_advertised() -> None:
    with pytest.raises(IssuerMismatch, match="has none"):
        read(response(("code", "c"), ("state", "xyz")), iss_advertised=True)
    assert read(response(("code", "c"), ("state", "xyz"))) == "c"


def test_the_words_of_a_foreign_error_are_not_repeated() -> None:
    url = response(("error", "x"), ("error_description", "canary"), ("state", "xyz"), ("iss", "https://canary.example"))
    with pytest.raises(IssuerMismatch) as refused:
        read(url)
    assert "canary" not in str(refused.value)


def test_an_error_of_the_server_is_told() -> None:
    with pytest.raises(ErrorResponse) as told:
        read(response(("error", "access_denied"), ("error_description", "no\x1b[2J"), ("state", "xyz"), ("code", "c")))
    assert (told.value.error, told.value.description, told.value.status) == ("access_denied", "no?[2J", None)


@pytest.mark.parametrize(
    "url",
    [
        response(("state", "xyz")),
        response(("code", ""), ("state", "xyz")),
        response(("code", "a"), ("code", "b"), ("state", "xyz")),
        response(("code", "a"), ("state", "xyz"), ("state", "xyz")),
        response(("code", "a"), ("state", "xyz"), ("iss", ISSUER), ("iss", "https://other.example")),
    ],
)
def test_a_response_that_cannot_be_read_one_way_is_refused(url: str) -> None:
    with pytest.raises(ResponseInvalid):
        read(url)


@given(st.text() | st.text("?&#=codestaxyz%"))
def test_any_text_is_refused_as_a_violation(url: str) -> None:
    with pytest.raises(ProtocolViolation):
        read(url, state="never-sent")


def test_what_the_endpoint_says_in_our_place_is_replaced_and_the_rest_kept() -> None:
    request = AuthorizationRequest("id", "http://localhost/cb", "s", "c", "https://rs.example/mcp")
    url = request.url("https://as.example/authorize?tenant=a%20b&resource=https%3A%2F%2Fevil.example&%73cope=all&x=")
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    assert [value for name, value in pairs if name == "resource"] == ["https://rs.example/mcp"]
    assert "scope" not in dict(pairs)
    assert url.startswith("https://as.example/authorize?tenant=a%20b&x=&response_type=code&")
    assert request.url("https://as.example/a?state=1").startswith("https://as.example/a?response_type=code&")
