"""Clients that registered themselves, at the bridge: API Gateway, Lambda and DynamoDB for real, both strategies."""

import time
from dataclasses import replace
from typing import Any

import httpx
import pytest
from bridge_login import Person, another_bridge, answer, claims, refused

from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.registration import deploy_registration
from mcp_demo.local.state import Run
from mcp_demo.settings import BridgeSettings

CALLBACK = "http://localhost/callback"
BODY = {
    "client_name": "Registered",
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "none",
}


def settings_of(run: Run) -> BridgeSettings:
    return BridgeSettings.load(run.state / "env" / "bridge.env")


def register(endpoint: str | None, **changes: Any) -> dict[str, Any]:
    """Register a client."""
    assert endpoint is not None
    response = httpx.post(endpoint, json={**BODY, **changes}, timeout=30)
    assert response.status_code == 201, response.text
    return response.json()


@pytest.fixture(scope="module")
def per_client(stack: Run) -> dict[str, Any]:
    """Settings of a bridge with a registration of its own, in which each client gets an app client of its own."""
    profile = Profile.local(stack.aws)
    described = profile.cloudformation().describe_stacks(StackName="mcp-demo-identity")["Stacks"][0]
    identity = {output.get("OutputKey", ""): output.get("OutputValue", "") for output in described.get("Outputs", [])}
    outcome = deploy_registration(
        profile, stack.endpoints(), identity, _ignore, name="apart", chosen={"Strategy": "per-client"}
    )
    return {
        "clients_table": outcome.outputs["ClientsTable"],
        "families_table": outcome.outputs["FamiliesTable"],
        "registration_endpoint": outcome.outputs["RegistrationEndpoint"],
    }


def _ignore(event: object) -> None:
    """Nobody watches this deployment."""


async def test_a_client_registers_at_the_advertised_endpoint_and_signs_in(stack: Run) -> None:
    metadata = httpx.get(f"{stack.bridge}/.well-known/oauth-authorization-server", timeout=30).json()
    client = register(metadata["registration_endpoint"])
    async with Person(stack, client["client_id"], "http://localhost:51000/callback") as person:
        page = await person.open()
        assert "nobody has checked its name" in page.text
        issued = await person.tokens()
        assert (await person.refresh(issued["refresh_token"])).status_code == 200


async def test_a_registered_secret_is_checked(stack: Run) -> None:
    client = register(settings_of(stack).registration_endpoint, token_endpoint_auth_method="client_secret_basic")
    async with Person(stack, client["client_id"], CALLBACK) as person:
        code = await person.code()
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": person.verifier,
        }
        refused(await person.post(form, auth=(client["client_id"], "wrong")), "invalid_client", 401)
        assert (await person.post(form, auth=(client["client_id"], client["client_secret"]))).status_code == 200


async def test_used_refresh_tokens_are_known_to_every_instance(stack: Run) -> None:
    client = register(settings_of(stack).registration_endpoint)
    async with (
        Person(stack, client["client_id"], CALLBACK) as person,
        another_bridge(stack, clock=lambda: time.time() + 60) as later,
    ):
        elsewhere = replace(person, http=later)
        stolen = (await person.tokens())["refresh_token"]
        latest = (await person.refresh(stolen)).json()["refresh_token"]
        refused(await elsewhere.refresh(stolen))
        refused(await person.refresh(latest))


async def test_a_client_that_was_removed_is_unknown_at_once(stack: Run) -> None:
    client = register(settings_of(stack).registration_endpoint)
    async with Person(stack, client["client_id"], CALLBACK) as person:
        issued = await person.tokens()
        token = {"authorization": f"Bearer {client['registration_access_token']}"}
        gone = httpx.delete(client["registration_client_uri"], headers=token, timeout=30)
        assert gone.status_code == 204
        refused(await person.refresh(issued["refresh_token"]), "invalid_client", 401)
        page = await person.open()
        assert (page.status_code, "location" in page.headers) == (400, False)


async def test_a_client_with_its_own_app_client_signs_in_through_that(stack: Run, per_client: dict[str, Any]) -> None:
    client = register(per_client["registration_endpoint"])
    async with another_bridge(stack, **per_client) as http:
        person = Person(stack, client["client_id"], CALLBACK, http=http)
        redirect = await person.approve(await person.open())
        own = answer(redirect)["client_id"]
        assert own != client["client_id"]
        issued = await person.tokens()
        assert claims(issued["access_token"])["client_id"] == own
        again = await person.refresh(issued["refresh_token"])
        assert again.status_code == 200
        revoke: dict[str, str | None] = {"token": again.json()["refresh_token"], "client_id": client["client_id"]}
        assert (await person.post(revoke, "/revoke")).status_code == 200
        refused(await person.refresh(again.json()["refresh_token"]))


async def test_a_registry_that_does_not_answer_is_said_so(stack: Run) -> None:
    async with another_bridge(stack, aws_endpoint="http://127.0.0.1:1") as http:
        person = Person(stack, "dcr_unknown", CALLBACK, http=http)
        page = await person.open()
        token = await person.exchange("x")
    assert page.status_code == 503
    assert page.headers["content-type"].startswith("text/html")
    refused(token, "temporarily_unavailable", 503)
