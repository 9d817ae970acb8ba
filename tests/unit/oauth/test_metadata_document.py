from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_demo.oauth.errors import InvalidClient
from mcp_demo.oauth.metadata_document import LONGEST_URL, allows_redirect_uri, is_url, parse, validate_client_id_url

URL = "https://app.example.com/oauth/client-metadata.json"
# MCP 2026-07-28, Client ID Metadata Documents, example
PUBLISHED: dict[str, Any] = {
    "client_id": URL,
    "client_name": "Example MCP Client",
    "client_uri": "https://app.example.com",
    "logo_uri": "https://app.example.com/logo.png",
    "redirect_uris": ["http://127.0.0.1:3000/callback", "http://localhost:3000/callback"],
    "grant_types": ["authorization_code"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}
JWKS = {"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b"}]}


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://app.example.com:8443/client",
        "https://app.example.com/client?v=1",
        "https://app.example.com/client/",
        "https://app.example.com/.well-known/client",
        "https://app.example.com/a..b/...",
        "https://app.example.com/a?b=/../c",
        "https://[2001:db8::1]/client",
        "https://app.example.com/" + "a" * (LONGEST_URL - 24),
    ],
)
def test_a_client_identifier_url_is_accepted(url: str) -> None:
    validate_client_id_url(url, allow_loopback_http=False)
    assert is_url(url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://app.example.com/client", "https"),
        ("http://localhost:3003/client", "https"),
        ("http://127.0.0.1/client", "https"),
        ("HTTPS://app.example.com/client", "https"),
        ("https:app.example.com/client", "https"),
        ("ftp://app.example.com/client", "https"),
        ("my-client", "https"),
        ("", "https"),
        (" https://app.example.com/client", "https"),
        ("https://app.example.com/cli ent", "https"),
        ("https://app.example.com/cli\tent", "https"),
        ("https://app.example.com/client\n", "https"),
        ("https://app.example.com\\@evil.example/client", "https"),
        ("https://app.example.com/%zz", "https"),
        ("https://bücher.example/client", "https"),
        ("https://app.example.com", "path"),
        ("https://app.example.com/", "path"),
        ("https://app.example.com?client", "path"),
        ("https://app.example.com/a/../b", "dot segments"),
        ("https://app.example.com/./b", "dot segments"),
        ("https://app.example.com/a/..", "dot segments"),
        ("https://app.example.com/a/.?x", "dot segments"),
        ("https://app.example.com/%2e%2e/b", "dot segments"),
        ("https://app.example.com/%2E./b", "dot segments"),
        ("https://app.example.com/.%2e", "dot segments"),
        ("https://app.example.com/client#frag", "fragment"),
        ("https://app.example.com/client#", "fragment"),
        ("https://user@app.example.com/client", "user information"),
        ("https://user:password@app.example.com/client", "user information"),
        ("https://@app.example.com/client", "user information"),
        ("https:///client", "host"),
        ("https://:443/client", "host"),
        ("https://app.example.com:/client", "host"),
        ("https://app.example.com:0/client", "host"),
        ("https://app.example.com:65536/client", "host"),
        ("https://app.example.com:x/client", "host"),
        ("https://[::1/client", "host"),
        ("https://[::::]/client", "host"),
        ("https://app.example.com/" + "a" * (LONGEST_URL - 23), "longer"),
    ],
)
def test_another_url_is_refused_with_its_reason(url: str, reason: str) -> None:
    with pytest.raises(InvalidClient, match=reason) as refused:
        validate_client_id_url(url, allow_loopback_http=False)
    assert refused.value.status == 400


@pytest.mark.parametrize("host", ["localhost:3003", "127.0.0.1", "[::1]:1"])
def test_plain_http_on_loopback_is_for_a_local_stack_only(host: str) -> None:
    url = f"http://{host}/client.json"
    validate_client_id_url(url, allow_loopback_http=True)
    with pytest.raises(InvalidClient):
        validate_client_id_url(url, allow_loopback_http=False)


@pytest.mark.parametrize(
    "url", ["http://app.example.com/c", "http://localhost.evil.example/c", "http://localhost/", "http://localhost/../c"]
)
def test_a_local_stack_keeps_the_other_rules(url: str) -> None:
    with pytest.raises(InvalidClient):
        validate_client_id_url(url, allow_loopback_http=True)


@given(st.text() | st.text("/.%2eE#?@:[]a1").map("https://{}".format), st.booleans())
def test_any_text_is_judged_and_never_breaks_the_judge(url: str, loopback: bool) -> None:
    try:
        validate_client_id_url(url, allow_loopback_http=loopback)
    except InvalidClient:
        return
    assert is_url(url)
    assert url.isascii()


@pytest.mark.parametrize(
    ("client_id", "expected"),
    [("https:x", True), ("HTTP://x", True), ("https", False), ("1example23456789", False), ("", False)],
)
def test_a_url_is_told_from_a_registered_id(client_id: str, expected: bool) -> None:
    assert is_url(client_id) is expected


def test_the_published_document_is_read() -> None:
    metadata = parse(PUBLISHED, URL)
    assert metadata.client_name == "Example MCP Client"
    assert metadata.token_endpoint_auth_method == "none"
    assert metadata.loopback_only


@pytest.mark.parametrize(
    "client_id",
    [
        None,
        5,
        [URL],
        "",
        URL + "/",
        URL + "?v=1",
        URL.replace("app.", "APP."),
        URL.replace(".com", ".com:443"),
        URL.replace("app.", "other."),
        URL.replace("client-metadata", "client%2Dmetadata"),
    ],
)
def test_the_document_names_its_url_character_for_character(client_id: object) -> None:
    with pytest.raises(InvalidClient, match="client_id"):
        parse({**PUBLISHED, "client_id": client_id}, URL)


def test_a_document_without_client_id_is_refused() -> None:
    with pytest.raises(InvalidClient, match="client_id"):
        parse({name: value for name, value in PUBLISHED.items() if name != "client_id"}, URL)


@pytest.mark.parametrize(
    "method", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "tls_client_auth"]
)
def test_a_method_that_needs_a_shared_secret_or_is_unknown_is_refused(method: str) -> None:
    with pytest.raises(InvalidClient, match=method):
        parse({**PUBLISHED, "token_endpoint_auth_method": method}, URL)


@pytest.mark.parametrize("method", [None, ""])
def test_a_silent_document_describes_a_public_client(method: str | None) -> None:
    assert parse({**PUBLISHED, "token_endpoint_auth_method": method}, URL).token_endpoint_auth_method == "none"


def test_a_key_based_method_needs_its_keys() -> None:
    document = {**PUBLISHED, "token_endpoint_auth_method": "private_key_jwt"}
    assert parse({**document, "jwks": JWKS}, URL).jwks == JWKS
    with pytest.raises(InvalidClient, match="jwks"):
        parse(document, URL)


@pytest.mark.parametrize(
    "members",
    [
        {"client_secret": "s3cret"},
        {"client_secret": None},
        {"client_secret_expires_at": 0},
        {"client_name": None},
        {"client_name": ""},
        {"client_name": 5},
        {"redirect_uris": None},
        {"redirect_uris": []},
        {"redirect_uris": "http://localhost/callback"},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"grant_types": ["client_credentials"], "response_types": None, "redirect_uris": None},
        {"grant_types": ["client_credentials"]},
        {"token_endpoint_auth_method": 5},
        {"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}},
        {"logo_uri": "javascript:alert(1)"},
    ],
)
def test_a_document_that_is_not_what_it_should_be_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(InvalidClient) as refused:
        parse({**PUBLISHED, **members}, URL)
    assert refused.value.status == 400
    assert "s3cret" not in refused.value.description


@pytest.mark.parametrize("document", [None, [], [PUBLISHED], "<html>", 5])
def test_what_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(InvalidClient):
        parse(document, URL)


@pytest.mark.parametrize(
    ("requested", "allowed"),
    [
        ("http://localhost:49152/callback", True),
        ("http://127.0.0.1:61023/callback", True),
        ("http://localhost/callback", True),
        ("http://[::1]:5/callback", False),
        ("http://localhost:49152/other", False),
        ("https://app.example.com/callback", True),
        ("https://app.example.com:8443/callback", False),
        ("https://app.example.com/callback/", False),
        ("", False),
    ],
)
def test_a_listed_redirect_uri_is_allowed_on_any_loopback_port(requested: str, allowed: bool) -> None:
    uris = ["http://localhost/callback", "http://127.0.0.1:3000/callback", "https://app.example.com/callback"]
    assert allows_redirect_uri(parse({**PUBLISHED, "redirect_uris": uris}, URL), requested) is allowed
