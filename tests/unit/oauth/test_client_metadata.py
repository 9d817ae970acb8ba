from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_demo.oauth.client_metadata import ClientMetadata, parse
from mcp_demo.oauth.errors import InvalidClientMetadata, InvalidRedirectUri

CALLBACK = "https://client.example.org/callback"
MINIMAL: dict[str, Any] = {"redirect_uris": [CALLBACK]}
PUBLIC_KEY = {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9"}
NAMES = [member.name for member in fields(ClientMetadata)]


def with_members(**members: object) -> dict[str, Any]:
    return {**MINIMAL, **members}


def test_silence_means_the_defaults_of_the_rfc() -> None:
    assert parse(MINIMAL).as_dict() == {
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
    }


def test_the_published_request_is_read_and_unknown_members_ignored() -> None:
    # RFC 7591 §3.1
    metadata = parse(
        {
            "redirect_uris": ["https://client.example.org/callback", "https://client.example.org/callback2"],
            "client_name": "My Example Client",
            "client_name#ja-Jpan-JP": "クライアント名",
            "token_endpoint_auth_method": "client_secret_basic",
            "logo_uri": "https://client.example.org/logo.png",
            "jwks_uri": "https://client.example.org/my_public_keys.jwks",
            "example_extension_parameter": "example_value",
        }
    )
    assert metadata.client_name == "My Example Client"
    assert metadata.redirect_uris == ("https://client.example.org/callback", "https://client.example.org/callback2")
    assert metadata.jwks_uri == "https://client.example.org/my_public_keys.jwks"
    assert set(metadata.as_dict()) <= set(NAMES)


def test_a_full_registration_is_answered_member_by_member() -> None:
    document = with_members(
        client_name="Zoë 👩‍💻",
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="private_key_jwt",
        scope="https://a.example/mcp/read https://a.example/mcp/write",
        application_type="native",
        client_uri="http://client.example.org",
        logo_uri="https://client.example.org/logo.png",
        tos_uri="https://client.example.org/tos?lang=en#top",
        policy_uri="https://client.example.org/policy",
        contacts=["ve7jtb@example.org"],
        jwks={"keys": [PUBLIC_KEY]},
        software_id="4NRB1-0XZABZI9E6-5SM3R",
        software_version="2.1",
    )
    assert parse(document).as_dict() == document
    assert hash(parse(document)) == hash(parse(document))


def test_null_and_empty_members_count_as_absent() -> None:
    empty: dict[str, Any] = dict.fromkeys(
        ("client_name", "scope", "logo_uri", "jwks", "jwks_uri", "contacts", "application_type")
    )
    blank: dict[str, Any] = {
        "client_uri": "",
        "policy_uri": "",
        "token_endpoint_auth_method": "",
        "grant_types": [],
        "response_types": [],
    }
    assert parse({**MINIMAL, **empty, **blank, "jwks": {}}) == parse(MINIMAL)


def test_values_named_twice_are_kept_once() -> None:
    metadata = parse({"redirect_uris": [CALLBACK, CALLBACK], "grant_types": ["authorization_code"] * 2})
    assert (metadata.redirect_uris, metadata.grant_types) == ((CALLBACK,), ("authorization_code",))


@pytest.mark.parametrize(
    "uris",
    [
        # Claude Code, claude.ai, VS Code, Cursor, MCP Inspector
        ["http://localhost:54212/callback"],
        ["https://claude.ai/api/mcp/auth_callback"],
        ["http://127.0.0.1:33418/", "https://vscode.dev/redirect"],
        [
            "http://localhost:8787/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            "cursor://anysphere.cursor-retrieval/oauth/user-mcp/callback",
        ],
        ["http://localhost:6274/oauth/callback", "http://localhost:6274/oauth/callback/debug"],
        ["http://[::1]/callback", "http://127.0.0.1/callback"],
    ],
)
def test_the_redirect_uris_of_real_clients_are_accepted(uris: list[str]) -> None:
    assert parse({"redirect_uris": uris}).redirect_uris == tuple(uris)


def test_one_bad_redirect_uri_among_good_ones_is_named() -> None:
    uris = [CALLBACK, "http://attacker.example/cb", "http://localhost/cb"]
    with pytest.raises(InvalidRedirectUri) as refused:
        parse({"redirect_uris": uris})
    assert refused.value.status == 400
    assert "redirect_uris[1] http://attacker.example/cb is plain http" in refused.value.description
    assert CALLBACK not in refused.value.description


def test_several_bad_redirect_uris_are_all_named_within_reason() -> None:
    with pytest.raises(InvalidRedirectUri) as refused:
        parse({"redirect_uris": ["javascript:alert(1)", CALLBACK, "/cb"]})
    assert "[0]" in refused.value.description
    assert "[2]" in refused.value.description
    with pytest.raises(InvalidRedirectUri) as refused:
        parse({"redirect_uris": [f"http://a.example/{'x' * 5000}"] * 1000})
    assert len(refused.value.description) < 2000


@pytest.mark.parametrize(
    "uris",
    [None, [], "https://client.example.org/callback", [None], [5], [""], [["https://a.example"]], {"a": 1}, ["\ud800"]]
    + [[uri] for uri in ("http://app.example/cb", "https://app.example/cb#x", "/cb", "data:,x", "file:///x", "x y")],
)
def test_a_client_that_is_redirected_to_needs_redirect_uris(uris: object) -> None:
    with pytest.raises(InvalidRedirectUri):
        parse({"redirect_uris": uris})


def test_a_client_without_a_browser_needs_none_and_has_no_response_types() -> None:
    metadata = parse({"grant_types": ["client_credentials"]})
    assert (metadata.redirect_uris, metadata.response_types) == ((), ())
    assert parse(metadata.as_dict()) == metadata


@pytest.mark.parametrize(
    ("grant_types", "response_types"),
    [
        (["client_credentials"], ["code"]),
        (["authorization_code"], ["token"]),
        (["authorization_code"], ["code", "token"]),
        (["authorization_code", "implicit"], ["code"]),
        (["implicit"], None),
        (["refresh_token"], ["code"]),
        (None, ["none"]),
    ],
)
def test_contradicting_grant_and_response_types_are_refused(grant_types: object, response_types: object) -> None:
    with pytest.raises(InvalidClientMetadata, match="contradict"):
        parse(with_members(grant_types=grant_types, response_types=response_types))


@pytest.mark.parametrize(
    ("grant_types", "response_types"),
    [
        (["authorization_code", "refresh_token"], None),
        (None, ["code"]),
        (["implicit"], ["token"]),
        (["authorization_code", "implicit"], ["code id_token"]),
        (["authorization_code", "implicit"], ["id_token", "code"]),
    ],
)
def test_grant_and_response_types_that_agree_are_accepted(grant_types: object, response_types: object) -> None:
    parse(with_members(grant_types=grant_types, response_types=response_types))


@pytest.mark.parametrize(("value", "kept"), [("web", "web"), ("native", "native"), ("browser", None), ("", None)])
def test_an_unknown_application_type_is_ignored(value: str, kept: str | None) -> None:
    assert parse(with_members(application_type=value)).application_type == kept


@pytest.mark.parametrize("document", [None, [], "{}", 5, [MINIMAL]])
def test_what_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(InvalidClientMetadata):
        parse(document)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_name", 5),
        ("client_name", ["a"]),
        ("client_name", "two\nlines"),
        ("client_name", "a\u202ekcatta"),
        ("client_name", "\ud83d"),
        ("software_id", "a\x00"),
        ("software_version", 2.1),
        ("grant_types", "authorization_code"),
        ("grant_types", [5]),
        ("response_types", {"code": True}),
        ("token_endpoint_auth_method", ["none"]),
        ("application_type", 5),
        ("scope", ["a", "b"]),
        ("scope", "a  b"),
        ("scope", 'a"b'),
        ("contacts", "a@example.org"),
        ("client_uri", "javascript:alert(1)"),
        ("client_uri", "https:client.example.org"),
        ("client_uri", "https://good.example@evil.example/"),
        ("client_uri", "client.example.org"),
        ("logo_uri", "data:image/svg+xml,<svg onload=alert(1)>"),
        ("logo_uri", 'https://a.example/"onerror="x'),
        ("tos_uri", "file:///etc/passwd"),
        ("policy_uri", "https:///"),
        ("jwks_uri", "http://client.example.org/jwks"),
        ("jwks_uri", 5),
        ("jwks", "keys"),
        ("jwks", {"keys": []}),
        ("jwks", {"keys": {}}),
        ("jwks", {"keys": [5]}),
        ("jwks", {"keys": [{"kid": "1"}]}),
        ("jwks", {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}),
        ("jwks", {"keys": [{"kty": "oct"}]}),
        ("jwks", {"keys": [PUBLIC_KEY, {**PUBLIC_KEY, "d": "c2VjcmV0"}]}),
        ("jwks", {"other": 1}),
    ],
)
def test_a_member_that_is_not_what_it_should_be_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InvalidClientMetadata, match=name):
        parse(with_members(**{name: value}))


def test_keys_come_by_value_or_by_reference() -> None:
    jwks_uri = "https://client.example.org/jwks"
    method = "private_key_jwt"
    with pytest.raises(InvalidClientMetadata, match="both"):
        parse(with_members(jwks={"keys": [PUBLIC_KEY]}, jwks_uri=jwks_uri))
    with pytest.raises(InvalidClientMetadata, match="needs"):
        parse(with_members(token_endpoint_auth_method=method))
    assert parse(with_members(token_endpoint_auth_method=method, jwks_uri=jwks_uri)).jwks_uri == jwks_uri


@pytest.mark.parametrize(
    ("uris", "expected"),
    [
        (("http://localhost/cb", "http://127.0.0.1:5/cb"), True),
        (("http://localhost/cb", CALLBACK), False),
        (("https://localhost/cb",), False),
        (("cursor://cb",), False),
        ((), False),
    ],
)
def test_a_client_of_this_machine_alone_is_known_as_such(uris: tuple[str, ...], expected: bool) -> None:
    assert ClientMetadata(uris).loopback_only is expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["keys", "kty"]), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(NAMES), json_values), st.booleans())
def test_any_json_is_registered_or_refused_on_the_wire(members: dict[str, Any], redirected: bool) -> None:
    try:
        metadata = parse({**members, **(MINIMAL if redirected else {})})
    except (InvalidClientMetadata, InvalidRedirectUri):
        return
    assert parse(metadata.as_dict()) == metadata
