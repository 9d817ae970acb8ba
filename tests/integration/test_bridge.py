"""The bridge over a real user pool: the whole flow, and the attacks that need real codes and tokens."""

import asyncio
import hashlib
import secrets
from dataclasses import replace

import httpx
import pytest
from bridge_login import Person, another_bridge, answer, claims, refused

from mcp_demo.exchange.wire import from_json
from mcp_demo.local.state import Run
from mcp_demo.settings import BridgeSettings


async def call_server(run: Run, token: str) -> int:
    """The status of a tool list with a token."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
    async with httpx.AsyncClient(timeout=30) as http:
        return (await http.post(run.server, json=body, headers=accept)).status_code


async def test_a_person_signs_in_and_the_client_gets_tokens_that_the_server_accepts(stack: Run) -> None:
    async with Person(stack) as person:
        response = await person.exchange(await person.code())
        issued = response.json()
        assert response.status_code == 200, issued
        assert response.headers["cache-control"] == "no-store"
        assert (issued["token_type"], issued["expires_in"]) == ("Bearer", 3600)
        assert set(issued["scope"].split()) == {person.read, person.write}
        assert "id_token" not in issued
        assert claims(issued["access_token"])["aud"] == stack.server
        assert await call_server(stack, issued["access_token"]) == 200


async def test_what_is_left_out_on_the_consent_page_is_left_out_of_the_token(stack: Run) -> None:
    async with Person(stack) as person:
        issued = await person.tokens(write=False)
        assert issued["scope"] == person.read
        assert claims(issued["access_token"])["scope"] == person.read


async def test_a_refresh_keeps_scope_and_audience(stack: Run) -> None:
    async with Person(stack) as person:
        issued = await person.tokens(scope=person.read)
        response = await person.refresh(issued["refresh_token"], resource=stack.server)
        again = response.json()
        assert response.status_code == 200, again
        assert again["scope"] == person.read
        assert claims(again["access_token"])["aud"] == stack.server
        refused(await person.refresh(issued["refresh_token"], scope=f"{person.read} {person.write}"), "invalid_scope")


async def test_a_code_works_once(stack: Run) -> None:
    async with Person(stack) as person:
        code = await person.code()
        assert (await person.exchange(code)).status_code == 200
        refused(await person.exchange(code))


@pytest.mark.slow
async def test_of_fifty_parallel_exchanges_of_one_code_one_wins(stack: Run) -> None:
    async with Person(stack) as person:
        code = await person.code()
        responses = await asyncio.gather(*(person.exchange(code) for _ in range(50)))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 49
    assert {response.json().get("error") for response in responses} == {None, "invalid_grant"}


async def test_a_wrong_verifier_neither_yields_tokens_nor_spends_the_code(stack: Run) -> None:
    async with Person(stack) as person:
        code = await person.code()
        refused(await person.exchange(code, code_verifier="v" * 43))
        assert (await person.exchange(code)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "http://localhost:1/callback"}, "invalid_grant"),
        ({"resource": "https://other.example/mcp"}, "invalid_target"),
        ({"code_verifier": None}, "invalid_request"),
    ],
)
async def test_a_real_code_is_bound_to_its_request(stack: Run, changes: dict[str, str | None], error: str) -> None:
    async with Person(stack) as person:
        refused(await person.exchange(await person.code(), **changes), error)


async def test_a_second_sign_in_asks_for_consent_again(stack: Run) -> None:
    async with Person(stack) as person:
        await person.code()
        page = await person.open()
        assert page.status_code == 200
        assert 'value="approve"' in page.text


async def test_a_callback_url_stolen_from_another_browser_is_worthless(stack: Run) -> None:
    async with Person(stack) as attacker, Person(stack) as victim:
        callback = await attacker.sign_in(await attacker.approve(await attacker.open()))
        stolen = await victim.http.get(callback)
        assert (stolen.status_code, "location" in stolen.headers) == (400, False)
        assert "code" in answer(await attacker.http.get(callback))


async def test_the_bridge_shows_its_own_hops_to_whoever_knows_the_state(stack: Run) -> None:
    async with Person(stack) as person:
        issued = await person.tokens()
        key = hashlib.sha256(person.state.encode()).hexdigest()
        response = await person.http.get(f"{stack.bridge}/trace/{key}")
        unknown = await person.http.get(f"{stack.bridge}/trace/{'0' * 64}")
    hops = from_json(response.content)
    assert [hop.receiver for hop in hops] == ["bridge", "bridge", "user-pool domain"]
    assert [hop.response.status for hop in hops if hop.response] == [303, 302, 200]
    for secret in (issued["access_token"], issued["refresh_token"], person.verifier):
        assert secret not in response.text
    assert from_json(unknown.content) == ()


async def test_another_instance_with_a_new_key_in_front_finishes_a_login(stack: Run) -> None:
    settings = BridgeSettings.load(stack.state / "env" / "bridge.env")
    rotated = [type(settings.envelope_keys[0])(secrets.token_urlsafe(32)), *settings.envelope_keys]
    async with Person(stack) as person, another_bridge(stack, envelope_keys=rotated) as other:
        callback = await person.sign_in(await person.approve(await person.open()))
        other.cookies = person.http.cookies
        there = replace(person, http=other)
        response = await there.exchange(answer(await other.get(callback))["code"])
        assert response.status_code == 200, response.text


async def test_the_flow_works_over_somebody_elses_reading_of_cognito(ministack_hosted_stack: Run) -> None:
    run = ministack_hosted_stack
    async with Person(run) as person:
        issued = await person.tokens()
        assert "aud" not in claims(issued["access_token"])
        assert await call_server(run, issued["access_token"]) == 200
        assert (await person.refresh(issued["refresh_token"])).status_code == 200
