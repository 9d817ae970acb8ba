from typing import Any

import pytest

from mcp_demo.oauth.errors import InsecureUrl, IssuerMismatch, MetadataInvalid, PkceUnsupported
from mcp_demo.oauth.server_metadata import ServerMetadata, candidate_urls, parse, require_s256

ISSUER = "https://server.example.com"
# RFC 8414 §3.2
PUBLISHED: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://server.example.com/authorize",
    "token_endpoint": "https://server.example.com/token",
    "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
    "token_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256"],
    "userinfo_endpoint": "https://server.example.com/userinfo",
    "jwks_uri": "https://server.example.com/jwks.json",
    "registration_endpoint": "https://server.example.com/register",
    "scopes_supported": ["openid", "profile", "email", "address", "phone", "offline_access"],
    "response_types_supported": ["code", "code token"],
    "service_documentation": "http://server.example.com/service_documentation.html",
    "ui_locales_supported": ["en-US", "en-GB", "en-CA", "fr-FR", "fr-CA"],
}


def test_the_published_document_is_read_and_unknown_members_ignored() -> None:
    metadata = parse(PUBLISHED, expected_issuer=ISSUER)
    assert metadata.token_endpoint == "https://server.example.com/token"
    assert metadata.registration_endpoint == "https://server.example.com/register"
    assert metadata.response_types_supported == ("code", "code token")
    assert metadata.revocation_endpoint is None
    assert metadata.authorization_response_iss_parameter_supported is False


def test_a_document_is_published_as_it_was_read() -> None:
    ours = {name: value for name, value in PUBLISHED.items() if name in ServerMetadata.__slots__}
    ours["client_id_metadata_document_supported"] = True
    assert parse(ours, expected_issuer=ISSUER).as_dict() == ours


@pytest.mark.parametrize(
    ("issuer", "urls"),
    [
        (
            "https://example.com",
            ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"],
        ),
        ("https://example.com/", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]),
        (
            "https://example.com/issuer1",
            [
                "/.well-known/oauth-authorization-server/issuer1",
                "/.well-known/openid-configuration/issuer1",
                "/issuer1/.well-known/openid-configuration",
            ],
        ),
        (
            "https://example.com/a/b/",
            [
                "/.well-known/oauth-authorization-server/a/b",
                "/.well-known/openid-configuration/a/b",
                "/a/b/.well-known/openid-configuration",
            ],
        ),
    ],
)
def test_metadata_is_looked_for_in_the_prescribed_order(issuer: str, urls: list[str]) -> None:
    assert candidate_urls(issuer) == tuple("https://example.com" + url for url in urls)


def test_loopback_issuers_keep_their_port() -> None:
    assert candidate_urls("http://localhost:3004")[0] == "http://localhost:3004/.well-known/oauth-authorization-server"


@pytest.mark.parametrize("issuer", ["http://example.com", "javascript:x", "", "https://good@evil.example", "https://["])
def test_an_issuer_is_not_looked_up_over_an_open_line(issuer: str) -> None:
    with pytest.raises(InsecureUrl):
        candidate_urls(issuer)


@pytest.mark.parametrize("issuer", ["https://example.com?a", "https://example.com/a#b", "https://example.com#"])
def test_an_issuer_has_neither_query_nor_fragment(issuer: str) -> None:
    with pytest.raises(MetadataInvalid):
        candidate_urls(issuer)


@pytest.mark.parametrize("issuer", [ISSUER + "/", "https://SERVER.example.com", ISSUER + ":443", None, 5, [ISSUER], ""])
def test_another_issuer_is_refused_without_normalising(issuer: object) -> None:
    with pytest.raises(IssuerMismatch):
        parse({**PUBLISHED, "issuer": issuer}, expected_issuer=ISSUER)


def test_a_foreign_issuer_is_quoted_in_short() -> None:
    with pytest.raises(IssuerMismatch) as refused:
        parse({**PUBLISHED, "issuer": "x" * 10_000}, expected_issuer=ISSUER)
    assert len(str(refused.value)) < 400


ENDPOINTS = ["authorization_endpoint", "token_endpoint", "registration_endpoint", "revocation_endpoint", "jwks_uri"]


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize(
    "url", ["http://server.example.com/x", "javascript:alert(1)", "/relative", "https://a@b.example/"]
)
def test_an_endpoint_is_https(name: str, url: str) -> None:
    with pytest.raises(InsecureUrl, match=name):
        parse({**PUBLISHED, name: url}, expected_issuer=ISSUER)


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize("url", [5, ["https://a.example"], "https://server.example.com/x#y", "\ud800"])
def test_an_endpoint_is_a_string_without_fragment(name: str, url: object) -> None:
    with pytest.raises(MetadataInvalid, match=name):
        parse({**PUBLISHED, name: url}, expected_issuer=ISSUER)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "{}",
        {name: value for name, value in PUBLISHED.items() if name != "token_endpoint"},
        {**PUBLISHED, "token_endpoint": None},
        {**PUBLISHED, "token_endpoint": ""},
        {**PUBLISHED, "scopes_supported": "openid"},
        {**PUBLISHED, "scopes_supported": ["openid", 5]},
        {**PUBLISHED, "code_challenge_methods_supported": {"S256": True}},
        {**PUBLISHED, "authorization_response_iss_parameter_supported": "true"},
        {**PUBLISHED, "client_id_metadata_document_supported": 1},
    ],
)
def test_a_document_that_is_not_what_it_should_be_is_refused(document: object) -> None:
    with pytest.raises(MetadataInvalid):
        parse(document, expected_issuer=ISSUER)


def test_members_that_are_null_count_as_absent() -> None:
    nulls = dict.fromkeys(("jwks_uri", "scopes_supported", "authorization_response_iss_parameter_supported"))
    metadata = parse({**PUBLISHED, **nulls}, expected_issuer=ISSUER)
    assert (metadata.jwks_uri, metadata.scopes_supported) == (None, ())
    assert metadata.authorization_response_iss_parameter_supported is False


@pytest.mark.parametrize("methods", [(), ("plain",), ("s256",)])
def test_a_server_that_does_not_name_s256_is_refused(methods: tuple[str, ...]) -> None:
    with pytest.raises(PkceUnsupported, match=ISSUER):
        require_s256(ServerMetadata(ISSUER, ISSUER + "/token", code_challenge_methods_supported=methods))


def test_a_server_that_names_s256_is_used() -> None:
    require_s256(ServerMetadata(ISSUER, ISSUER + "/token", code_challenge_methods_supported=("plain", "S256")))
