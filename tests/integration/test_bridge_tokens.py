"""The life of a refresh token at the bridge, over a real user pool: rotation, replay, revocation, clients with keys."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from bridge_login import Person, another_bridge, claims, refused
from joserfc.jwk import ECKey

from mcp_demo.local.state import Run
from mcp_demo.oauth import client_assertion
from mcp_demo.registry.families import GRACE
from mcp_demo.registry.model import Client, hash_secret

SECRET = "not-a-real-secret"
KEY = ECKey.generate_key("P-256", {"kid": "k1"})
APP = Client(client_id="app", redirect_uris=("http://localhost/callback",))
OTHER = Client(client_id="other", redirect_uris=("http://localhost/callback",))
KEYED = Client(
    client_id="keyed",
    redirect_uris=("https://keyed.example/cb",),
    token_endpoint_auth_method="private_key_jwt",
    jwks={"keys": [KEY.as_dict(private=False)]},
)
POSTER = Client(
    client_id="poster",
    redirect_uris=("https://poster.example/cb",),
    token_endpoint_auth_method="client_secret_post",
    secret_hash=hash_secret(SECRET),
)


@dataclass
class Clock:
    """A clock that tests put forward."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@asynccontextmanager
async def person_at(run: Run, client: Client = APP, clock: Clock | None = None) -> AsyncGenerator[Person]:
    """A person with a client of ours, at a bridge whose clock we hold."""
    uri = client.redirect_uris[0]
    async with another_bridge(run, APP, OTHER, KEYED, POSTER, clock=clock or Clock()) as http:
        yield Person(run, client.client_id, uri, http=http)


async def test_each_refresh_gives_another_refresh_token_that_works(stack: Run) -> None:
    async with person_at(stack) as person:
        first = await person.tokens()
        second = (await person.refresh(first["refresh_token"])).json()
        third = (await person.refresh(second["refresh_token"])).json()
    assert len({issued["refresh_token"] for issued in (first, second, third)}) == 3
    assert claims(third["access_token"])["aud"] == stack.server


async def test_parallel_refreshes_within_the_grace_all_succeed(stack: Run) -> None:
    async with person_at(stack) as person:
        issued = await person.tokens()
        responses = await asyncio.gather(*(person.refresh(issued["refresh_token"]) for _ in range(5)))
        assert [response.status_code for response in responses] == [200] * 5
        assert (await person.refresh(responses[0].json()["refresh_token"])).status_code == 200


async def test_reuse_after_the_grace_ends_the_family(stack: Run) -> None:
    clock = Clock()
    async with person_at(stack, clock=clock) as person:
        stolen = (await person.tokens())["refresh_token"]
        latest = (await person.refresh(stolen)).json()["refresh_token"]
        clock.ahead = GRACE + 1
        refused(await person.refresh(stolen))
        refused(await person.refresh(latest))


async def test_a_token_two_generations_old_has_no_grace(stack: Run) -> None:
    async with person_at(stack) as person:
        stolen = (await person.tokens())["refresh_token"]
        second = (await person.refresh(stolen)).json()["refresh_token"]
        third = (await person.refresh(second)).json()["refresh_token"]
        refused(await person.refresh(stolen))
        refused(await person.refresh(third))


async def test_a_code_used_twice_ends_what_it_gave(stack: Run) -> None:
    async with person_at(stack) as person:
        code = await person.code()
        issued = (await person.exchange(code)).json()
        refused(await person.exchange(code))
        refused(await person.refresh(issued["refresh_token"]))


async def test_one_login_does_not_end_with_another(stack: Run) -> None:
    async with person_at(stack) as person:
        one = await person.tokens()
        code = await person.code()
        await person.exchange(code)
        refused(await person.exchange(code))
        assert (await person.refresh(one["refresh_token"])).status_code == 200


async def test_a_refresh_token_is_worthless_to_another_client(stack: Run) -> None:
    async with person_at(stack) as person:
        issued = await person.tokens()
        refused(await person.refresh(issued["refresh_token"], client_id="other"))
        assert (await person.refresh(issued["refresh_token"])).status_code == 200


async def test_a_revoked_login_cannot_be_refreshed_here_nor_at_the_user_pool(stack: Run) -> None:
    async with person_at(stack) as person:
        issued = await person.tokens()
        form: dict[str, str | None] = {"token": issued["refresh_token"], "client_id": "app"}
        response = await person.post(form, "/revoke")
        assert (response.status_code, response.content) == (200, b"")
        assert (await person.post(form, "/revoke")).status_code == 200
        refused(await person.refresh(issued["refresh_token"]))
    async with another_bridge(stack, APP, families_table=None) as elsewhere:  # it has not heard of it
        refused(await replace(person, http=elsewhere).refresh(issued["refresh_token"]))


async def test_a_revoked_login_is_dead_even_where_the_user_pool_cannot_revoke(ministack_hosted_stack: Run) -> None:
    async with person_at(ministack_hosted_stack) as person:
        issued = await person.tokens()
        assert (await person.post({"token": issued["refresh_token"], "client_id": "app"}, "/revoke")).status_code == 200
        refused(await person.refresh(issued["refresh_token"]))


async def test_only_its_own_client_can_revoke_a_token(stack: Run) -> None:
    async with person_at(stack) as person:
        issued = await person.tokens()
        refused(await person.post({"token": issued["refresh_token"], "client_id": "other"}, "/revoke"))
        refused(await person.post({"token": issued["refresh_token"], "client_id": "poster"}, "/revoke"), *UNPROVEN)
        refused(await person.post({"token": issued["refresh_token"]}, "/revoke"), *UNPROVEN)
        assert (await person.refresh(issued["refresh_token"])).status_code == 200


UNPROVEN = ("invalid_client", 401)


async def test_what_cannot_be_revoked_is_said_and_what_is_dead_needs_no_error(stack: Run) -> None:
    async with person_at(stack) as person:
        issued = await person.tokens()
        access: dict[str, str | None] = {"token": issued["access_token"], "client_id": "app"}
        refused(await person.post(access, "/revoke"), "unsupported_token_type")
        refused(await person.post({"client_id": "app"}, "/revoke"), "invalid_request")
        hint: dict[str, str | None] = {"token": "junk", "client_id": "app", "token_type_hint": "refresh_token"}
        assert (await person.post(hint, "/revoke")).status_code == 200


def assertion(run: Run, audience: str | None = None, key: ECKey = KEY) -> dict[str, str | None]:
    signed = client_assertion.sign(
        key, client_id="keyed", issuer=audience or run.bridge, token_id=secrets.token_hex(8), now=time.time()
    )
    return {**client_assertion.form(signed)}


@pytest.mark.parametrize("path", ["", "/token"])
async def test_a_client_with_a_key_authenticates_by_a_signed_assertion(stack: Run, path: str) -> None:
    async with person_at(stack, KEYED) as person:
        proof = assertion(stack, stack.bridge + path)
        response = await person.exchange(await person.code(), client_id=None, **proof)
        assert response.status_code == 200, response.text
        again = await person.refresh(response.json()["refresh_token"], **assertion(stack))
        assert again.status_code == 200


async def test_an_assertion_works_once(stack: Run) -> None:
    async with person_at(stack, KEYED) as person:
        proof = assertion(stack)
        issued = (await person.exchange(await person.code(), **proof)).json()
        refused(await person.refresh(issued["refresh_token"], **proof), *UNPROVEN)


async def test_a_client_with_a_key_has_to_use_it(stack: Run) -> None:
    async with person_at(stack, KEYED) as person:
        code = await person.code()
        foreign = ECKey.generate_key("P-256", {"kid": "k1"})
        for proof in (
            {},
            {"client_secret": "x"},
            assertion(stack, "https://other.example"),
            assertion(stack, key=foreign),
        ):
            refused(await person.exchange(code, **proof), *UNPROVEN)
        assert (await person.exchange(code, **assertion(stack))).status_code == 200


async def test_a_confidential_client_signs_in_with_its_secret(stack: Run) -> None:
    async with person_at(stack, POSTER) as person:
        code = await person.code()
        refused(await person.exchange(code), *UNPROVEN)
        assert (await person.exchange(code, client_secret=SECRET)).status_code == 200
