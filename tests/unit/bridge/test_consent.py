from urllib.parse import urlsplit

import pytest
from bridge_kit import (
    APP,
    BRIDGE,
    CALLBACK,
    DOMAIN,
    READ,
    RESOURCE,
    STRANGER,
    VERIFIER,
    WRITE,
    Clock,
    answer,
    approve,
    browser,
    request_of,
    ticket_in,
)

from mcp_demo.oauth import pkce
from mcp_demo.registry.model import Client


async def test_approval_leads_to_the_user_pool_with_the_clients_own_challenge() -> None:
    async with browser() as visit:
        response = await approve(visit)
    sent = answer(response)
    assert response.headers["location"].startswith(f"{DOMAIN}/oauth2/authorize?")
    assert len(sent.pop("state")) > 100
    assert sent == {
        "response_type": "code",
        "client_id": "bridge-client",
        "redirect_uri": f"{BRIDGE}/callback",
        "scope": f"{READ} {WRITE}",
        "code_challenge": pkce.challenge(VERIFIER),
        "code_challenge_method": "S256",
        "resource": RESOURCE,
    }


async def test_a_pool_without_resource_binding_is_not_asked_for_one() -> None:
    async with browser(audience="scope") as visit:
        assert "resource" not in answer(await approve(visit))


async def test_the_same_request_gets_another_state_each_time() -> None:
    async with browser() as visit:
        assert answer(await approve(visit))["state"] != answer(await approve(visit))["state"]


async def test_no_cookie_that_the_callback_accepts_exists_before_approval() -> None:
    async with browser() as visit:
        page = await visit.get("/authorize", params=request_of())
        assert "login" not in page.headers["set-cookie"]
        response = await approve(visit)
    assert "mcp-bridge-login-" in response.headers["set-cookie"]


async def test_cookies_are_out_of_reach_of_scripts_and_other_sites() -> None:
    async with browser() as visit:
        page = await visit.get("/authorize", params=request_of())
        approved = await approve(visit)
    for header in (page.headers["set-cookie"], approved.headers["set-cookie"]):
        attributes = header.lower().split("; ")
        assert {"httponly", "samesite=lax", "path=/", "max-age=600"} <= set(attributes)
        assert not [attribute for attribute in attributes if attribute.startswith("domain")]


async def test_over_https_cookies_are_secure_and_bound_to_the_host() -> None:
    async with browser(bridge_url="https://auth.example") as visit:
        page = await visit.get("/authorize", params=request_of())
        approved = await approve(visit)
    for header in (page.headers["set-cookie"], approved.headers["set-cookie"]):
        assert header.startswith("__Host-mcp-bridge-")
        assert "; Secure" in header


async def test_denial_goes_back_to_the_client_as_an_error() -> None:
    async with browser() as visit:
        page = await visit.get("/authorize", params=request_of())
        response = await visit.post("/consent", data={"ticket": ticket_in(page.text), "decision": "deny"})
    assert response.headers["location"].startswith(CALLBACK)
    answered = answer(response)
    assert (answered["error"], answered["state"], answered["iss"]) == ("access_denied", "client-state", BRIDGE)
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("decision", [[], [""], ["approve", "deny"], ["yes"]])
async def test_nothing_but_a_clear_yes_is_an_approval(decision: list[str]) -> None:
    async with browser() as visit:
        page = await visit.get("/authorize", params=request_of())
        response = await visit.post("/consent", data={"ticket": ticket_in(page.text), "decision": decision})
    assert answer(response)["error"] == "access_denied"


async def test_write_can_be_left_out() -> None:
    async with browser() as visit:
        page = await visit.get("/authorize", params=request_of())
        response = await visit.post("/consent", data={"ticket": ticket_in(page.text), "decision": "approve"})
    assert answer(response)["scope"] == READ


async def test_ticking_more_than_was_asked_gives_no_more() -> None:
    async with browser() as visit:
        page = await visit.get("/authorize", params=request_of(scope=READ))
        form = {"ticket": ticket_in(page.text), "decision": "approve", "scope": [WRITE, "admin"]}
        response = await visit.post("/consent", data=form)
    assert answer(response)["scope"] == READ


async def test_a_single_scope_has_nothing_to_untick() -> None:
    async with browser() as visit:
        page = await visit.get("/authorize", params=request_of(scope=WRITE))
    assert 'type="checkbox"' not in page.text


async def test_consent_given_in_another_browser_does_not_count() -> None:
    async with browser() as attacker, browser() as victim:
        page = await attacker.get("/authorize", params=request_of())
        form = {"ticket": ticket_in(page.text), "decision": "approve"}
        assert (await victim.post("/consent", data=form)).status_code == 400
        await victim.get("/authorize", params=request_of())
        response = await victim.post("/consent", data=form)
    assert (response.status_code, "location" in response.headers) == (400, False)
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
    ],
)
async def test_a_form_that_another_site_sends_is_refused(headers: dict[str, str]) -> None:
    async with browser() as visit:
        page = await visit.get("/authorize", params=request_of())
        form = {"ticket": ticket_in(page.text), "decision": "approve"}
        response = await visit.post("/consent", data=form, headers=headers)
    assert response.status_code == 403


@pytest.mark.parametrize("headers", [{"origin": BRIDGE, "sec-fetch-site": "same-origin"}, {"origin": "null"}, {}])
async def test_our_own_form_is_accepted_from_any_browser(headers: dict[str, str]) -> None:
    async with browser() as visit:
        page = await visit.get("/authorize", params=request_of())
        form = {"ticket": ticket_in(page.text), "decision": "approve"}
        assert (await visit.post("/consent", data=form, headers=headers)).status_code == 303


@pytest.mark.parametrize(("seconds", "status"), [(599, 303), (600, 400)])
async def test_the_form_is_good_for_ten_minutes(seconds: int, status: int) -> None:
    clock = Clock()
    async with browser(clock=clock) as visit:
        page = await visit.get("/authorize", params=request_of())
        clock.now += seconds
        response = await visit.post("/consent", data={"ticket": ticket_in(page.text), "decision": "approve"})
    assert response.status_code == status


async def test_a_state_is_no_ticket() -> None:
    async with browser() as visit:
        state = answer(await approve(visit))["state"]
        response = await visit.post("/consent", data={"ticket": state, "decision": "approve"})
    assert response.status_code == 400


async def test_a_client_removed_meanwhile_gets_no_approval() -> None:
    async with browser() as before, browser(clients=()) as after:
        page = await before.get("/authorize", params=request_of())
        after.cookies = before.cookies
        response = await after.post("/consent", data={"ticket": ticket_in(page.text), "decision": "approve"})
    assert (response.status_code, "location" in response.headers) == (400, False)


async def test_a_body_that_is_no_form_or_too_long_gets_a_page() -> None:
    async with browser() as visit:
        json_body = await visit.post("/consent", json={"ticket": "x"})
        huge = await visit.post("/consent", data={"ticket": "x" * 40_000})
    assert (json_body.status_code, huge.status_code) == (400, 413)
    assert json_body.headers["content-type"].startswith("text/html")


async def test_names_are_shown_as_text_and_never_alone() -> None:
    async with browser() as visit:
        page = await visit.get("/authorize", params=request_of(STRANGER))
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text
    assert '<strong class="mono">stranger.example</strong>' in page.text
    assert "nobody has checked its name" in page.text


@pytest.mark.parametrize(
    ("redirect_uri", "warning"),
    [
        ("http://localhost/callback", "runs on your own computer"),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "Any app on this device"),
        ("https://claude.ai/api/mcp/auth_callback", None),
    ],
)
async def test_the_page_warns_when_the_address_can_be_anybodys(redirect_uri: str, warning: str | None) -> None:
    client = Client(client_id="app", redirect_uris=(redirect_uri,))
    async with browser(clients=(client,)) as visit:
        page = await visit.get("/authorize", params=request_of(client))
    assert page.status_code == 200
    assert (warning in page.text) if warning else ("notice warn" not in page.text)


async def test_the_page_cannot_be_framed_or_cached_and_runs_no_script() -> None:
    async with browser() as visit:
        page = await visit.get("/authorize", params=request_of())
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cache-control"] == "no-store"


async def test_two_tabs_do_not_disturb_each_other() -> None:
    async with browser() as visit:
        first = await visit.get("/authorize", params=request_of(state="one"))
        second = await visit.get("/authorize", params=request_of(state="two"))
        for page in (first, second):
            form = {"ticket": ticket_in(page.text), "decision": "approve"}
            assert (await visit.post("/consent", data=form)).status_code == 303
    assert urlsplit(str(first.url)).path == "/authorize"
    assert APP.client_id in first.text
