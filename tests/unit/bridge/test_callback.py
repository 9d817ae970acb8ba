import secrets

import pytest
from bridge_kit import BRIDGE, CALLBACK, KEY, Clock, answer, approve, browser, request_of


async def test_a_finished_sign_in_leads_to_the_client_with_code_state_and_issuer() -> None:
    async with browser() as visit:
        state = answer(await approve(visit))["state"]
        response = await visit.get("/callback", params={"code": "upstream-code", "state": state})
    assert response.headers["location"].startswith(f"{CALLBACK}?")
    assert response.headers["referrer-policy"] == "no-referrer"
    answered = answer(response)
    assert answered.keys() == {"code", "state", "iss"}
    assert (answered["state"], answered["iss"]) == ("client-state", BRIDGE)
    assert "upstream-code" not in answered["code"]
    assert len(answered["code"]) < 2000


async def test_a_query_of_the_redirect_uri_is_kept() -> None:
    from mcp_demo.registry.model import Client

    client = Client(client_id="app", redirect_uris=("https://app.example/cb?tenant=1",))
    async with browser(clients=(client,)) as visit:
        state = answer(await approve(visit, request_of(client)))["state"]
        response = await visit.get("/callback", params={"code": "c", "state": state})
    assert response.headers["location"].startswith("https://app.example/cb?tenant=1&")


async def test_a_state_works_once() -> None:
    async with browser() as visit:
        state = answer(await approve(visit))["state"]
        first = await visit.get("/callback", params={"code": "c", "state": state})
        again = await visit.get("/callback", params={"code": "c", "state": state})
    assert "Max-Age=0" in first.headers["set-cookie"]
    assert (again.status_code, "location" in again.headers) == (400, False)


async def test_a_state_of_another_browser_is_refused() -> None:
    async with browser() as attacker, browser() as victim:
        state = answer(await approve(attacker))["state"]
        await approve(victim)
        response = await victim.get("/callback", params={"code": "c", "state": state})
    assert (response.status_code, "location" in response.headers) == (400, False)


async def test_skipping_the_consent_page_ends_at_the_callback() -> None:
    async with browser() as attacker, browser() as victim:
        state = answer(await approve(attacker))["state"]
        await victim.get("/authorize", params=request_of())
        assert (await victim.get("/callback", params={"code": "c", "state": state})).status_code == 400


@pytest.mark.parametrize(("seconds", "status"), [(599, 302), (600, 400)])
async def test_a_state_is_good_for_ten_minutes(seconds: int, status: int) -> None:
    clock = Clock()
    async with browser(clock=clock) as visit:
        state = answer(await approve(visit))["state"]
        clock.now += seconds
        assert (await visit.get("/callback", params={"code": "c", "state": state})).status_code == status


@pytest.mark.parametrize("query", ["", "?state=", "?code=c", "?code=c&state=forged", "?error=access_denied&state=x"])
async def test_a_missing_or_forged_state_leads_nowhere(query: str) -> None:
    async with browser() as visit:
        await approve(visit)
        response = await visit.get(f"/callback{query}")
    assert (response.status_code, "location" in response.headers) == (400, False)


async def test_repeated_parameters_lead_nowhere() -> None:
    async with browser() as visit:
        state = answer(await approve(visit))["state"]
        response = await visit.get(f"/callback?code=a&code=b&state={state}")
    assert (response.status_code, "location" in response.headers) == (400, False)


@pytest.mark.parametrize(
    ("upstream", "told"),
    [
        ("access_denied", "access_denied"),
        ("temporarily_unavailable", "temporarily_unavailable"),
        ("invalid_request", "server_error"),
        ("unauthorized_client", "server_error"),
        ("<script>", "server_error"),
        (None, "server_error"),
    ],
)
async def test_errors_of_the_user_pool_reach_the_client_in_our_words(upstream: str | None, told: str) -> None:
    parameters = {"error": upstream, "error_description": "secret-internals"} if upstream else {}
    async with browser() as visit:
        state = answer(await approve(visit))["state"]
        response = await visit.get("/callback", params={**parameters, "state": state})
    answered = answer(response)
    assert answered["error"] == told
    assert (answered["state"], answered["iss"]) == ("client-state", BRIDGE)
    assert "code" not in answered
    assert "secret-internals" not in response.headers["location"]


async def test_a_key_rotated_and_a_bridge_restarted_in_mid_login_go_unnoticed() -> None:
    async with browser() as before:
        state = answer(await approve(before))["state"]
        cookies = before.cookies
    async with browser(envelope_keys=[secrets.token_urlsafe(32), KEY], cookies=cookies) as after:
        assert "code" in answer(await after.get("/callback", params={"code": "c", "state": state}))


async def test_a_callback_with_a_slash_is_another_address_and_leads_nowhere() -> None:
    async with browser() as visit:
        response = await visit.get("/callback/", params={"code": "c"}, headers={"host": "elsewhere.example"})
    assert (response.status_code, "location" in response.headers) == (404, False)
