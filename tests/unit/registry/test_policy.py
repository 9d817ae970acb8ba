from dataclasses import replace
from typing import Any

import pytest

from mcp_demo.oauth.errors import InvalidClientMetadata, InvalidRedirectUri
from mcp_demo.registry.model import Client
from mcp_demo.registry.policy import (
    LARGEST_JWKS,
    LONGEST_NAME,
    LONGEST_URI,
    MOST_REDIRECT_URIS,
    Policy,
    is_listed,
)

SCOPES = ("https://mcp.example/mcp/read", "https://mcp.example/mcp/write")
POLICY = Policy(scopes=SCOPES, private_schemes=("cursor",))
HTTPS = "https://client.example/callback"


def _document(**members: Any) -> dict[str, Any]:
    return {"redirect_uris": [HTTPS], **members}


@pytest.mark.parametrize(
    "uri",
    [
        HTTPS,
        "http://localhost/callback",
        "http://localhost:54321/callback",
        "http://127.0.0.1:33418/",
        "http://[::1]:7000/cb",
        "cursor://anysphere.cursor-mcp/oauth/callback",
    ],
)
def test_https_loopback_and_listed_schemes_are_taken(uri: str) -> None:
    assert POLICY.admit({"redirect_uris": [uri]}).redirect_uris == (uri,)


@pytest.mark.parametrize(
    "uri",
    [
        "http://client.example/callback",
        "https://client.example/callback#fragment",
        "/callback",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "https://user@client.example/callback",
        "vscode://unlisted/callback",
    ],
)
def test_other_redirect_uris_are_refused_by_name(uri: str) -> None:
    with pytest.raises(InvalidRedirectUri) as refused:
        POLICY.admit({"redirect_uris": [uri]})
    assert uri in refused.value.description


def test_a_bad_redirect_uri_among_good_ones_is_the_one_named() -> None:
    with pytest.raises(InvalidRedirectUri) as refused:
        POLICY.admit({"redirect_uris": [HTTPS, "http://client.example/callback", "http://localhost/cb"]})
    assert "redirect_uris[1] http://client.example/callback" in refused.value.description
    assert HTTPS not in refused.value.description


def test_a_scheme_that_is_merely_unlisted_does_not_lose_the_other_redirect_uris() -> None:
    cursor = ["http://localhost:8787/callback", "https://www.cursor.com/callback", "cursor://anysphere/callback"]
    document = {"redirect_uris": cursor, "application_type": "web", "token_endpoint_auth_method": "none"}
    assert POLICY.admit(document).redirect_uris == tuple(cursor)
    assert Policy(scopes=SCOPES).admit(document).redirect_uris == tuple(cursor[:2])


@pytest.mark.parametrize(
    ("entry", "uri", "covered"),
    [
        (HTTPS, HTTPS, True),
        (HTTPS, HTTPS + "/", False),
        (HTTPS, HTTPS + "?a=b", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:50000/cb", True),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:50000/cb", True),
        ("http://127.0.0.1/cb", "http://127.0.0.1:50000/other", False),
        ("http://127.0.0.1/cb", "http://localhost:50000/cb", False),
        ("localhost", "http://localhost:50000/any", True),
        ("localhost", "http://127.0.0.1/any", False),
        ("127.0.0.1", "http://127.0.0.1:7/", True),
        ("[::1]", "http://[::1]:7000/cb", True),
        ("client.example", HTTPS, True),
        ("Client.Example", "https://CLIENT.example?x", True),
        ("client.example", "https://client.example:8443/cb", False),
        ("client.example:8443", "https://client.example:8443/cb", True),
        ("client.example", "https://evil.client.example/cb", False),
        ("client.example", "https://client.example.evil.example/cb", False),
        ("client.example", "https://evil.example/client.example", False),
        ("*.example.com", "https://a.example.com/cb", True),
        ("*.example.com", "https://a.b.example.com/cb", True),
        ("*.example.com", "https://example.com/cb", False),
        ("*.example.com", "https://notexample.com/cb", False),
        ("*.example.com", "https://evil.example/?.example.com", False),
        ("*.example.com", "https://evil.example?a.example.com", False),
        ("anysphere", "cursor://anysphere/cb", False),
        ("cursor://anysphere/cb", "cursor://anysphere/cb", True),
        ("", HTTPS, False),
        ("*", HTTPS, False),
    ],
)
def test_an_entry_of_the_list_covers_what_it_names_and_nothing_like_it(entry: str, uri: str, covered: bool) -> None:
    policy = replace(POLICY, redirect_uris=("https://other.example/", entry))
    assert is_listed(uri, entry) is covered
    if covered:
        assert policy.admit({"redirect_uris": [uri]}).redirect_uris == (uri,)
    else:
        with pytest.raises(InvalidRedirectUri, match="listed redirect URIs only"):
            policy.admit({"redirect_uris": [uri]})


def test_one_redirect_uri_beside_the_list_refuses_the_client_and_is_the_one_named() -> None:
    with pytest.raises(InvalidRedirectUri) as refused:
        replace(POLICY, redirect_uris=("localhost",)).admit({"redirect_uris": ["http://localhost/cb", HTTPS]})
    assert f"redirect_uris[1] {HTTPS}." in refused.value.description
    assert "redirect_uris[0]" not in refused.value.description


def test_every_client_gets_the_ceiling_of_scopes_and_no_more() -> None:
    for scope in ("", SCOPES[0], "openid offline_access", f"aws.cognito.signin.user.admin admin {SCOPES[1]}"):
        assert POLICY.admit(_document(scope=scope)).scope == SCOPES


def test_grants_without_a_person_are_left_out() -> None:
    grants = ["authorization_code", "client_credentials", "password", "refresh_token"]
    assert POLICY.admit(_document(grant_types=grants)).grant_types == ("authorization_code", "refresh_token")
    implicit = _document(grant_types=["authorization_code", "implicit"], response_types=["code", "token"])
    admitted = POLICY.admit(implicit)
    assert (admitted.grant_types, admitted.response_types) == (("authorization_code",), ("code",))


@pytest.mark.parametrize("grants", [["client_credentials"], ["password"], ["refresh_token"]])
def test_a_client_without_the_code_grant_is_refused(grants: list[str]) -> None:
    with pytest.raises(InvalidClientMetadata, match="authorization_code"):
        POLICY.admit(_document(grant_types=grants))


@pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post"])
def test_the_authentication_method_is_kept(method: str) -> None:
    assert POLICY.admit(_document(token_endpoint_auth_method=method)).token_endpoint_auth_method == method


def test_an_omitted_method_means_basic() -> None:
    assert POLICY.admit(_document()).token_endpoint_auth_method == "client_secret_basic"


def test_private_key_jwt_takes_public_keys() -> None:
    jwks = {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}
    admitted = POLICY.admit(_document(token_endpoint_auth_method="private_key_jwt", jwks=jwks))
    assert admitted.jwks == jwks


@pytest.mark.parametrize("method", ["client_secret_jwt", "tls_client_auth", "NONE"])
def test_other_methods_are_refused(method: str) -> None:
    with pytest.raises(InvalidClientMetadata, match="has to be one of none, client_secret_basic"):
        POLICY.admit(_document(token_endpoint_auth_method=method))


def _uri(length: int) -> str:
    return HTTPS + "/" + "x" * (length - len(HTTPS) - 1)


def test_sizes_are_allowed_up_to_their_limit() -> None:
    POLICY.admit(_document(client_name="n" * LONGEST_NAME))
    POLICY.admit({"redirect_uris": [_uri(LONGEST_URI)]})
    POLICY.admit({"redirect_uris": [f"{HTTPS}/{index}" for index in range(MOST_REDIRECT_URIS)]})


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"client_name": "n" * (LONGEST_NAME + 1)}, "client_name"),
        ({"client_name": "Bank\u202egnihsihp"}, "client_name"),
        ({"client_name": "two\nlines"}, "client_name"),
        ({"client_uri": "https://a.example/" + "x" * LONGEST_URI}, "client_uri"),
        ({"client_uri": "javascript:alert(1)"}, "client_uri"),
        ({"jwks": {"keys": [{"kty": "RSA", "n": "A" * LARGEST_JWKS}]}}, "jwks"),
    ],
)
def test_names_and_sizes_beyond_the_limit_are_refused_by_member(members: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidClientMetadata, match=says):
        POLICY.admit(_document(**members))


@pytest.mark.parametrize(
    "uris", [[_uri(LONGEST_URI + 1)], [f"{HTTPS}/{index}" for index in range(MOST_REDIRECT_URIS + 1)], []]
)
def test_redirect_uris_beyond_the_limit_are_refused(uris: list[str]) -> None:
    with pytest.raises(InvalidRedirectUri):
        POLICY.admit({"redirect_uris": uris})


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"redirect_uris": ["http://127.0.0.1/cb"]}, "native"),
        ({"redirect_uris": [HTTPS]}, "web"),
        ({"redirect_uris": ["http://127.0.0.1/cb"], "application_type": "web"}, "web"),
        ({"redirect_uris": ["http://127.0.0.1/cb"], "application_type": "toaster"}, "native"),
    ],
)
def test_the_application_type_is_told_or_derived_and_refuses_nobody(document: dict[str, Any], expected: str) -> None:
    client = Client.from_metadata("id", POLICY.admit(document), source="dcr")
    assert client.application_type == expected


def test_the_environment_of_a_function_makes_the_policy() -> None:
    policy = Policy.from_environment(
        {
            "MCP_URL": "https://a.example/mcp",
            "SCOPES": "a b",
            "REDIRECT_URIS": "localhost *.example.com",
            "PRIVATE_SCHEMES": "cursor vscode",
            "APPROVAL": "administrator",
            "UNUSED_DAYS": "2",
        }
        | {"MAX_CLIENTS": "7"}
    )
    assert policy == Policy(
        scopes=("https://a.example/mcp/a", "https://a.example/mcp/b"),
        private_schemes=("cursor", "vscode"),
        redirect_uris=("localhost", "*.example.com"),
        approval=True,
        lifetime=2 * 86_400,
        max_clients=7,
    )
