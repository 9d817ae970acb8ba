import pytest
from bridge_kit import BRIDGE, READ, WRITE, browser

from mcp_demo.oauth import server_metadata

METHODS = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]
METADATA = "/.well-known/oauth-authorization-server"


async def test_the_metadata_says_what_mcp_needs_to_know() -> None:
    async with browser() as visit:
        response = await visit.get(METADATA)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert document == {
        "issuer": BRIDGE,
        "authorization_endpoint": f"{BRIDGE}/authorize",
        "token_endpoint": f"{BRIDGE}/token",
        "scopes_supported": [READ, WRITE],
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint": f"{BRIDGE}/revoke",
        "revocation_endpoint_auth_methods_supported": METHODS,
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "PS256", "RS256", "Ed25519"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": True,
    }
    parsed = server_metadata.parse(document, expected_issuer=BRIDGE)
    server_metadata.require_s256(parsed)


async def test_what_is_switched_off_is_not_advertised_and_what_is_elsewhere_is_named() -> None:
    register = "https://api.example/v1/register"
    async with browser(metadata_documents=False, registration_endpoint=register) as visit:
        document = (await visit.get(METADATA)).json()
    assert "client_id_metadata_document_supported" not in document
    assert document["registration_endpoint"] == register


async def test_every_advertised_endpoint_is_served_from_the_first_request_on() -> None:
    async with browser() as visit:
        document = (await visit.get(METADATA)).json()
        for name, url in document.items():
            if name.endswith("_endpoint"):
                assert (await visit.get(url)).status_code in (400, 405), name


async def test_a_trailing_slash_in_the_settings_does_not_change_the_issuer() -> None:
    async with browser(bridge_url=f"{BRIDGE}/") as visit:
        assert (await visit.get(METADATA)).json()["issuer"] == BRIDGE


async def test_the_bridge_does_not_pose_as_an_openid_provider() -> None:
    async with browser() as visit:
        assert (await visit.get("/.well-known/openid-configuration")).status_code == 404


async def test_head_answers_like_get_without_a_body() -> None:
    async with browser() as visit:
        response = await visit.head(METADATA)
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(("path", "method"), [(METADATA, "GET"), ("/token", "POST"), ("/revoke", "POST")])
async def test_pages_of_any_origin_may_call_what_is_for_clients(path: str, method: str) -> None:
    origin = {"origin": "http://localhost:6274"}
    async with browser() as visit:
        preflight = await visit.options(
            path,
            headers={
                **origin,
                "access-control-request-method": method,
                "access-control-request-headers": "authorization,content-type,mcp-protocol-version",
            },
        )
        actual = await visit.request(method, path, headers=origin)
    assert preflight.status_code == 200
    assert method in preflight.headers["access-control-allow-methods"]
    assert "mcp-protocol-version" in preflight.headers["access-control-allow-headers"]
    assert actual.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in actual.headers


@pytest.mark.parametrize(("path", "method"), [("/authorize", "GET"), ("/consent", "POST"), ("/callback", "GET")])
async def test_the_browser_leg_knows_no_cross_origin_requests(path: str, method: str) -> None:
    headers = {"origin": "https://elsewhere.example", "access-control-request-method": method}
    async with browser() as visit:
        for response in (
            await visit.options(path, headers=headers),
            await visit.request(method, path, headers=headers),
        ):
            assert not [name for name in response.headers if name.startswith("access-control-")]


async def test_health_needs_no_credentials() -> None:
    async with browser() as visit:
        assert (await visit.get("/health")).json() == {"status": "ok"}
