"""Keys instead of secrets, proofs with every request, and grants without a sign-in."""

import json
from typing import Any
from urllib.parse import parse_qsl

import httpx
import httpx2
import pytest
from client_world import AS, PRM, REDIRECT, RS, World
from joserfc import jws
from joserfc.jwk import ECKey

from mcp_demo.client import mcp
from mcp_demo.client.assertions import IdentityProvider, enterprise, workload
from mcp_demo.client.auth import OAuth, SdkOAuth
from mcp_demo.client.credentials import ClientKey
from mcp_demo.client.drive import drive
from mcp_demo.client.engine import Engine, Policy
from mcp_demo.client.errors import RegistrationFailed
from mcp_demo.client.registration import Identity
from mcp_demo.client.storage import Vault
from mcp_demo.oauth import client_assertion, dpop, token_exchange
from mcp_demo.oauth.errors import ErrorResponse, InsecureUrl, ResponseInvalid

NOW = 1_000_000.0
KEY = ECKey.generate_key("P-256")
CLIENT_KEY = ClientKey(KEY, key_id="k-1")
IDP = "https://idp.example/token"


def engine(identity: Identity, vault: Vault | None = None, **policy: Any) -> Engine:
    return Engine(RS, identity, REDIRECT, vault, Policy(**policy), clock=lambda: NOW)


def nobody(url: str, redirect_uri: str) -> str:
    raise AssertionError("Somebody was asked to sign in.")


async def call(world: World, subject: Engine, sign_in: Any = nobody) -> int:
    async with world.http() as http:
        return (await drive(subject.send(mcp.list_tools(RS)), http, sign_in)).status


def form_of(request: httpx.Request) -> dict[str, str]:
    return dict(parse_qsl(request.content.decode()))


# --- A key of the client's own


@pytest.mark.parametrize("way", ["pre-registered", "metadata document", "dynamic"])
async def test_a_client_with_a_key_authenticates_by_a_fresh_assertion_each_time(way: str) -> None:
    url = "https://client.example/metadata.json"
    identity = {
        "pre-registered": Identity(client_id="job", key=CLIENT_KEY),
        "metadata document": Identity(metadata_url=url, key=CLIENT_KEY),
        "dynamic": Identity(key=CLIENT_KEY),
    }[way]
    world, vault = World(lifetime=10, metadata={"client_id_metadata_document_supported": True}), Vault()
    for _ in range(2):
        assert await call(world, engine(identity, vault), world.sign_in) == 200
    forms, seen = world.forms(), set[str]()
    assert [form["grant_type"] for form in forms] == ["authorization_code", "refresh_token"]
    for form in forms:
        verified = client_assertion.verify(
            form["client_assertion"],
            client_id=form["client_id"],
            keys={"keys": [CLIENT_KEY.public()]},
            audiences=(AS,),
            now=NOW,
        )
        seen.add(verified.token_id)
        assert "client_secret" not in form
    assert len(seen) == 2
    if way == "dynamic":
        registered = json.loads(world.requests("/register")[0].content)
        assert registered["jwks"] == {"keys": [CLIENT_KEY.public()]}
        assert registered["token_endpoint_auth_method"] == "private_key_jwt"


def test_what_is_published_of_a_key_is_public() -> None:
    published = CLIENT_KEY.public()
    assert "d" not in published
    assert (published["kid"], published["alg"], published["use"]) == ("k-1", "ES256", "sig")
    assert str(KEY.as_dict(private=True)["d"]) not in repr(Identity(key=CLIENT_KEY))


async def test_a_registration_with_a_key_that_is_not_at_hand_is_reported() -> None:
    world = World()
    with pytest.raises(RegistrationFailed, match="key of its own"):
        await call(world, engine(Identity(client_id="job", method="private_key_jwt"), for_itself=True))
    assert not world.requests("/token")


# --- Nobody signs in


async def test_a_program_acts_for_itself_with_its_key() -> None:
    world = World(metadata={"code_challenge_methods_supported": None})
    assert await call(world, engine(Identity(client_id="job", key=CLIENT_KEY), for_itself=True)) == 200
    (form,) = world.forms()
    assert (form["grant_type"], form["resource"], form["scope"]) == ("client_credentials", RS, "read")


def trusting(world: World) -> None:
    """Let the authorization server trade assertions."""

    def trade(request: httpx.Request) -> httpx.Response:
        world.tokens["bound-to-nobody"] = {"read"}
        return httpx.Response(200, json={"access_token": "bound-to-nobody", "token_type": "Bearer"})

    world.override[f"{AS}/token"] = trade


async def test_a_workload_shows_what_its_platform_says_of_it() -> None:
    world, given = World(), iter(["first", "second"])
    trusting(world)
    subject = engine(Identity(client_id="job"), assertion=workload(lambda: next(given)))
    assert await call(world, subject) == 200
    world.expire()
    assert await call(world, subject) == 200
    assert [form["assertion"] for form in world.forms()] == ["first", "second"]
    assert {form["grant_type"] for form in world.forms()} == {token_exchange.JWT_BEARER}
    assert {form["resource"] for form in world.forms()} == {RS}


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_scope", "unauthorized_client"])
async def test_a_refused_assertion_is_neither_repeated_nor_replaced_by_another_grant(error: str) -> None:
    world = World(override={f"{AS}/token": lambda request: httpx.Response(400, json={"error": error})})
    with pytest.raises(ErrorResponse, match=error):
        await call(world, engine(Identity(client_id="job"), assertion=workload(lambda: "jwt")))
    assert len(world.forms()) == 1


async def test_a_company_lets_its_person_in_without_asking_them() -> None:
    def exchange(request: httpx.Request) -> httpx.Response:
        members = {"access_token": "id-jag", "issued_token_type": token_exchange.ID_JAG, "token_type": "N_A"}
        return httpx.Response(200, json=members)

    world = World(override={IDP: exchange})
    trusting(world)
    source = enterprise(IdentityProvider(IDP, "at-the-idp"), lambda: "id-token")
    identity = Identity(client_id="at-the-as", client_secret="secret")
    assert await call(world, engine(identity, assertion=source)) == 200
    asked, traded = form_of(world.requests("idp.example")[0]), form_of(world.requests("as.example/token")[0])
    assert (asked["audience"], asked["resource"], asked["client_id"]) == (AS, RS, "at-the-idp")
    assert asked["subject_token"] == "id-token"
    assert traded["assertion"] == "id-jag"
    assert world.requests("as.example/token")[0].headers["authorization"].startswith("Basic ")
    assert "secret" not in world.requests("idp.example")[0].content.decode()


async def test_an_id_token_is_not_sent_over_plain_http() -> None:
    source = enterprise(IdentityProvider("http://idp.example/token", "c"), lambda: "id-token")
    world = World()
    with pytest.raises(InsecureUrl):
        await call(world, engine(Identity(client_id="c"), assertion=source))
    assert not world.requests("idp.example")


# --- Tokens bound to a key


class BoundWorld(World):
    """Servers that give out and take bound tokens only, with a nonce if told so."""

    wants_nonce = False
    token_type = "DPoP"

    def start(self) -> "BoundWorld":
        self.proofs: list[dpop.VerifiedProof] = []
        self.refused = 0
        self.override = {f"{AS}/token": self._bound_token, RS: self._bound_mcp}
        return self

    def _proof(self, request: httpx.Request, access_token: str | None = None) -> dpop.VerifiedProof:
        url = str(request.url)
        (text,) = request.headers.get_list("dpop")
        proof = dpop.verify(text, method=request.method, url=url, now=NOW, access_token=access_token)
        self.proofs.append(proof)
        return proof

    def _bound_token(self, request: httpx.Request) -> httpx.Response:
        if self._proof(request).nonce != "as-1" and self.wants_nonce:
            self.refused += 1
            return httpx.Response(400, headers={"dpop-nonce": "as-1"}, json={"error": "use_dpop_nonce"})
        answer = json.loads(super()._token(request).content) | {"token_type": self.token_type}
        return httpx.Response(200, json=answer)

    def _bound_mcp(self, request: httpx.Request) -> httpx.Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "DPoP" or token not in self.tokens:
            return httpx.Response(401, headers={"www-authenticate": f'DPoP resource_metadata="{PRM}", scope="read"'})
        if self._proof(request, token).nonce != "rs-1" and self.wants_nonce:
            self.refused += 1
            challenge = {"www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": "rs-1"}
            return httpx.Response(401, headers=challenge)
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": 1, "result": {}})


def bound_identity() -> Identity:
    return Identity(dpop_key=KEY)


async def test_a_bound_token_is_shown_with_a_fresh_proof_each_time() -> None:
    world, subject = BoundWorld(lifetime=100).start(), engine(bound_identity())
    for _ in range(3):
        assert await call(world, subject, world.sign_in) == 200
    assert len({proof.token_id for proof in world.proofs}) == len(world.proofs) == 4
    assert {proof.key_thumbprint for proof in world.proofs} == {KEY.thumbprint()}
    assert json.loads(world.requests("/register")[0].content)["dpop_bound_access_tokens"] is True


async def test_nonces_are_taken_up_once_and_kept_for_each_server() -> None:
    world, subject = BoundWorld().start(), engine(bound_identity())
    world.wants_nonce = True
    for _ in range(3):
        assert await call(world, subject, world.sign_in) == 200
    assert world.refused == 2
    assert [proof.nonce for proof in world.proofs] == [None, "as-1", None, "rs-1", "rs-1", "rs-1"]


async def test_a_nonce_that_comes_with_a_success_is_for_the_next_request() -> None:
    world, subject = BoundWorld().start(), engine(bound_identity())
    honest = world.override[RS]

    def renewing(request: httpx.Request) -> httpx.Response:
        answer = honest(request)
        answer.headers["dpop-nonce"] = "newer"
        return answer

    world.override[RS] = renewing
    for _ in range(2):
        assert await call(world, subject, world.sign_in) == 200
    assert [proof.nonce for proof in world.proofs] == [None, None, "newer"]


async def test_a_server_that_always_wants_another_nonce_is_not_asked_for_ever() -> None:
    world, serial = BoundWorld().start(), iter(range(100))

    def never(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, headers={"dpop-nonce": f"n-{next(serial)}"}, json={"error": "use_dpop_nonce"})

    world.override[f"{AS}/token"] = never
    with pytest.raises(ErrorResponse, match="use_dpop_nonce"):
        await call(world, engine(bound_identity()), world.sign_in)
    assert len(world.forms()) == 2


async def test_a_bearer_token_is_not_taken_for_a_bound_one() -> None:
    world = BoundWorld().start()
    world.token_type = "Bearer"
    vault = Vault()
    with pytest.raises(ResponseInvalid, match="DPoP"):
        await call(world, engine(bound_identity(), vault), world.sign_in)
    assert vault.grant(RS) is None


async def test_a_stored_bearer_token_is_not_used_by_a_client_that_wants_bound_ones() -> None:
    bearer, vault = World(), Vault()
    assert await call(bearer, engine(Identity(), vault), bearer.sign_in) == 200
    world = BoundWorld().start()
    assert await call(world, engine(bound_identity(), vault), world.sign_in) == 200
    sent = [request.headers.get("authorization", "") for request in world.requests(RS)]
    assert not any(value.startswith("Bearer") for value in sent)


async def test_a_client_without_a_key_does_not_take_a_bound_token() -> None:
    world = World()
    world.override[f"{AS}/token"] = lambda request: httpx.Response(
        200, json={"access_token": "t", "token_type": "DPoP"}
    )
    with pytest.raises(ResponseInvalid, match="Bearer"):
        await call(world, engine(Identity()), world.sign_in)


async def test_a_refresh_is_proven_too() -> None:
    world, vault = BoundWorld(lifetime=10).start(), Vault()
    for _ in range(2):
        assert await call(world, engine(bound_identity(), vault), world.sign_in) == 200
    assert [form["grant_type"] for form in world.forms()] == ["authorization_code", "refresh_token"]
    assert vault.grant(RS) is not None and vault.grant(RS).token_type == "DPoP"  # pyright: ignore[reportOptionalMemberAccess]


async def test_both_faces_send_the_proof() -> None:
    world = BoundWorld().start()
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(world.answer), auth=OAuth(engine(bound_identity()), world.sign_in)
    ) as http:
        for _ in range(2):
            assert (await http.post(RS, json={})).status_code == 200

    def translated(request: httpx2.Request) -> httpx2.Response:
        headers = [(name, value) for name, value in request.headers.multi_items() if name != "host"]
        ours = httpx.Request(request.method, str(request.url), headers=headers, content=request.content)
        response = world.answer(ours)
        return httpx2.Response(response.status_code, headers=response.headers.multi_items(), content=response.content)

    sdk = SdkOAuth(engine(bound_identity()), world.sign_in)
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(translated), auth=sdk) as http:
        for _ in range(2):
            assert (await http.post(RS, json={})).status_code == 200


def test_the_private_key_stays_out_of_every_proof() -> None:
    text = dpop.proof(KEY, method="GET", url=RS, token_id="t", now=NOW)
    assert "d" not in jws.extract_compact(text.encode()).headers()["jwk"]
