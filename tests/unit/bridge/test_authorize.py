from typing import Any
from urllib.parse import urlencode

import pytest
from bridge_kit import APP, BRIDGE, CALLBACK, CONFIDENTIAL, READ, RESOURCE, STRANGER, WRITE, answer, browser, request_of

from mcp_demo.registry.model import Client

LOOPBACK = Client(client_id="native", redirect_uris=("http://127.0.0.1:33418/", "http://localhost/callback"))


async def error_of(client: Client = APP, /, **changes: str | None) -> dict[str, str]:
    async with browser(clients=(APP, CONFIDENTIAL)) as visit:
        response = await visit.get("/authorize", params=request_of(client, **changes))
    assert response.headers["location"].startswith(client.redirect_uris[0] + "?")
    assert "no-store" in response.headers["cache-control"]
    return answer(response)


async def test_a_good_request_ends_on_the_consent_page_and_nowhere_else() -> None:
    async with browser() as visit:
        response = await visit.get("/authorize", params=request_of())
    assert response.status_code == 200
    assert "Static client" in response.text
    assert "localhost:3000" in response.text


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"scope": f"{RESOURCE}/admin"}, "invalid_scope"),
        ({"scope": f"{READ} https://other.example/read"}, "invalid_scope"),
        ({"scope": "openid"}, "invalid_scope"),
        ({"scope": f'{READ} "'}, "invalid_scope"),
        ({"resource": "https://other.example/mcp"}, "invalid_target"),
        ({"resource": f"{RESOURCE}/"}, "invalid_target"),
        ({"resource": f"{RESOURCE}#fragment"}, "invalid_target"),
        ({"resource": "/mcp"}, "invalid_target"),
        ({"state": "s" * 2049}, "invalid_request"),
    ],
)
async def test_errors_reach_the_redirect_uri_with_state_and_issuer(changes: dict[str, str | None], error: str) -> None:
    answered = await error_of(**changes)
    assert answered["error"] == error
    assert answered["state"] == changes.get("state", "client-state")
    assert answered["iss"] == BRIDGE
    assert "code" not in answered


async def test_a_confidential_client_needs_pkce_too() -> None:
    assert (await error_of(CONFIDENTIAL, code_challenge=None))["error"] == "invalid_request"


async def test_a_client_without_the_code_grant_is_told_so() -> None:
    client = Client(client_id="app", redirect_uris=(CALLBACK,), grant_types=("refresh_token",))
    async with browser(clients=(client,)) as visit:
        response = await visit.get("/authorize", params=request_of(client))
    assert answer(response)["error"] == "unauthorized_client"


async def test_state_comes_back_exactly_as_sent() -> None:
    state = "a b+c%20d&e=f/é?#'\"<>"
    assert (await error_of(state=state, response_type="token"))["state"] == state


async def test_no_state_is_sent_back_when_there_was_none() -> None:
    assert "state" not in await error_of(state=None, response_type="token")


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "unknown"},
        {"client_id": ""},
        {"redirect_uri": None},
        {"redirect_uri": ""},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": "https://localhost:3000/callback"},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": CALLBACK + "?x=1"},
        {"redirect_uri": "http://localhost.evil.example:3000/callback"},
        {"redirect_uri": "http://localhost:3000@evil.example/callback"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "//evil.example/"},
    ],
)
async def test_without_a_known_client_and_its_redirect_uri_nobody_is_sent_anywhere(
    changes: dict[str, str | None],
) -> None:
    async with browser() as visit:
        response = await visit.get("/authorize", params=request_of(**changes, response_type="token"))
    assert response.status_code == 400
    assert "location" not in response.headers
    assert "evil.example" not in response.text
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


async def test_no_browser_is_sent_to_a_script_even_if_a_registry_lists_it() -> None:
    client = Client(client_id="app", redirect_uris=("javascript:alert(1)",))
    async with browser(clients=(client,)) as visit:
        response = await visit.get("/authorize", params=request_of(client, response_type="token"))
    assert (response.status_code, "location" in response.headers) == (400, False)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
async def test_a_repeated_client_or_redirect_uri_is_refused_without_a_redirect(name: str) -> None:
    query = urlencode([*request_of().items(), (name, "https://evil.example/")])
    for spelling in (query, "&".join(reversed(query.split("&")))):
        async with browser() as visit:
            response = await visit.get(f"/authorize?{spelling}")
        assert (response.status_code, "location" in response.headers) == (400, False)


@pytest.mark.parametrize("name", ["scope", "code_challenge", "response_type", "state"])
async def test_any_other_repeated_parameter_is_an_error_for_the_client(name: str) -> None:
    query = urlencode([*request_of().items(), (name, "again")])
    async with browser() as visit:
        answered = answer(await visit.get(f"/authorize?{query}"))
    assert answered["error"] == "invalid_request"
    assert answered.get("state") == (None if name == "state" else "client-state")


async def test_unknown_parameters_are_ignored() -> None:
    async with browser() as visit:
        response = await visit.get("/authorize", params=request_of(prompt="none", audience="x"))
    assert response.status_code == 200


@pytest.mark.parametrize("resource", ["HTTP://LocalHost:3001/mcp", None])
async def test_the_resource_is_compared_in_canonical_form_and_may_be_left_out(resource: str | None) -> None:
    async with browser() as visit:
        assert (await visit.get("/authorize", params=request_of(resource=resource))).status_code == 200


async def test_the_resource_may_repeat_but_only_with_the_same_value() -> None:
    good = urlencode([*request_of().items(), ("resource", RESOURCE)])
    bad = urlencode([*request_of().items(), ("resource", "https://other.example/")])
    async with browser() as visit:
        assert (await visit.get(f"/authorize?{good}")).status_code == 200
        assert answer(await visit.get(f"/authorize?{bad}"))["error"] == "invalid_target"


async def test_a_slash_that_url_parsers_add_to_a_bare_host_is_no_other_resource() -> None:
    async with browser(mcp_url="https://mcp.example") as visit:
        parameters = request_of(resource="https://mcp.example/", scope="https://mcp.example/read")
        assert (await visit.get("/authorize", params=parameters)).status_code == 200


@pytest.mark.parametrize(
    "redirect_uri", ["http://127.0.0.1:51000/", "http://localhost:51000/callback", "http://localhost/callback"]
)
async def test_loopback_redirect_uris_may_use_any_port(redirect_uri: str) -> None:
    async with browser(clients=(LOOPBACK,)) as visit:
        response = await visit.get("/authorize", params=request_of(LOOPBACK, redirect_uri=redirect_uri))
    assert response.status_code == 200


@pytest.mark.parametrize("redirect_uri", ["http://127.0.0.1:51000/callback", "http://localhost:51000/"])
async def test_only_the_port_may_differ(redirect_uri: str) -> None:
    async with browser(clients=(LOOPBACK,)) as visit:
        response = await visit.get("/authorize", params=request_of(LOOPBACK, redirect_uri=redirect_uri))
    assert response.status_code == 400


async def test_a_client_that_registered_itself_gets_no_redirect_before_the_person_acts() -> None:
    async with browser() as visit:
        response = await visit.get("/authorize", params=request_of(STRANGER, scope="nonsense"))
    assert response.status_code == 400
    assert "location" not in response.headers
    assert "https://stranger.example/cb?error=invalid_scope" in response.text


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (None, [READ]),
        ("offline_access", [READ]),
        (f"{READ} offline_access openid email", [READ]),
        (f"{WRITE} {READ}", [READ, WRITE]),
        (WRITE, [WRITE]),
    ],
)
async def test_the_page_asks_for_what_was_requested_and_for_reading_by_default(
    scope: str | None, expected: list[str]
) -> None:
    async with browser() as visit:
        page = (await visit.get("/authorize", params=request_of(scope=scope))).text
    assert [named for named in (READ, WRITE) if named in page] == expected


async def test_a_client_cannot_ask_for_more_than_it_registered() -> None:
    reader = Client(client_id="app", redirect_uris=(CALLBACK,), scopes=(READ,))
    async with browser(clients=(reader,)) as visit:
        assert answer(await visit.get("/authorize", params=request_of(reader)))["error"] == "invalid_scope"
        assert (await visit.get("/authorize", params=request_of(reader, scope=READ))).status_code == 200


async def test_an_expired_registration_counts_as_none() -> None:
    expired = Client(client_id="app", redirect_uris=(CALLBACK,), expires=1.0)
    async with browser(clients=(expired,)) as visit:
        response = await visit.get("/authorize", params=request_of(expired))
    assert (response.status_code, "location" in response.headers) == (400, False)


@pytest.mark.parametrize(
    ("client", "heading"),
    [
        ({"status": "pending"}, "This application waits for approval"),
        ({"status": "denied"}, "This application was not approved"),
        ({"status": "denied", "expires": 1.0}, "We do not know this application"),
        ({"expires": 1.0}, "We do not know this application"),
    ],
)
async def test_a_client_that_cannot_be_used_is_told_apart_from_one_that_is_unknown(
    client: dict[str, Any], heading: str
) -> None:
    unusable = Client(client_id="app", redirect_uris=(CALLBACK,), **client)
    async with browser(clients=(unusable,)) as visit:
        response = await visit.get("/authorize", params=request_of(unusable))
    assert (response.status_code, "location" in response.headers) == (400, False)
    assert heading in response.text


@pytest.mark.parametrize("query", ["client_id=%ff", "x" * 20_000, "&".join(f"a{n}=1" for n in range(100))])
async def test_an_unreadable_query_is_answered_with_a_page(query: str) -> None:
    async with browser() as visit:
        response = await visit.get(f"/authorize?{query}")
    assert response.status_code == 400
    assert response.headers["content-type"].startswith("text/html")
