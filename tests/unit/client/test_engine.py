"""The engine against servers that help, and servers that do not."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from client_world import AS, PRM, REDIRECT, RS, World, basic

from mcp_demo.client import mcp
from mcp_demo.client.drive import SignInWay, Walk, drive
from mcp_demo.client.engine import Engine, Policy
from mcp_demo.client.errors import (
    ClientError,
    DiscoveryFailed,
    IssuerChanged,
    RegistrationFailed,
    SignInNeeded,
    StepUpExhausted,
    Unauthorized,
)
from mcp_demo.client.pending import PendingAuthorization
from mcp_demo.client.registration import Identity
from mcp_demo.client.storage import Vault
from mcp_demo.exchange.model import Exchange
from mcp_demo.oauth import pkce
from mcp_demo.oauth.errors import (
    ErrorResponse,
    InsecureUrl,
    IssuerMismatch,
    MetadataInvalid,
    PkceUnsupported,
    ProtocolViolation,
    ResourceMismatch,
    StateMismatch,
)

NOW = 1_000_000.0
OTHER = "https://other.example"


def engine(identity: Identity | None = None, vault: Vault | None = None, **more: Any) -> Engine:
    return Engine(RS, identity or Identity(), REDIRECT, vault, clock=lambda: NOW, **more)


async def call(world: World, subject: Engine | None = None, sign_in: SignInWay | None = None) -> int:
    flow = (subject or engine()).send(mcp.list_tools(RS))
    async with world.http() as http:
        return (await drive(flow, http, sign_in or world.sign_in)).status


def nobody(url: str, redirect_uri: str) -> str:
    raise AssertionError("Somebody was asked to sign in.")


def authorization(world: World, index: int = -1) -> dict[str, str]:
    query = urlsplit(str(world.requests("/authorize")[index].url)).query
    return {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}


# --- Discovery


@pytest.mark.parametrize(
    "challenge",
    [
        f'Bearer resource_metadata="{PRM}"',
        f'bearer realm="a, b", resource_metadata = "{PRM}" , x=y',
        f'Basic realm="x", Bearer error_description="say \\"hi\\"", resource_metadata="{PRM}"',
        f'Bearer scope="read", unknown=1, resource_metadata="{PRM}", Negotiate',
    ],
)
async def test_any_legal_challenge_starts_discovery(challenge: str) -> None:
    assert await call(World(challenge=challenge)) == 200


async def test_the_document_that_the_challenge_names_is_used_and_not_the_well_known_one() -> None:
    named = "https://rs.example/elsewhere"
    world = World(challenge=f'Bearer resource_metadata="{named}"')
    world.override[named] = lambda _: httpx.Response(200, json={"resource": RS, "authorization_servers": [AS]})
    world.prm = {"authorization_servers": [OTHER]}
    assert await call(world) == 200
    assert not world.requests(PRM)
    assert not world.requests(OTHER)


async def test_without_a_named_document_the_path_form_comes_first_and_the_root_second() -> None:
    world = World(challenge="Bearer")
    world.override[PRM] = lambda _: httpx.Response(404)
    root = "https://rs.example/.well-known/oauth-protected-resource"
    world.override[root] = lambda _: httpx.Response(
        200, json={"resource": "https://rs.example", "authorization_servers": [AS]}
    )
    assert await call(world) == 200
    assert [str(request.url) for request in world.requests("protected-resource")] == [PRM, root]
    assert authorization(world)["resource"] == "https://rs.example"


@pytest.mark.parametrize(
    "resource", ["https://evil.example/mcp", f"{RS}/", "https://rs.example/other", "https://RS.example/mcp"]
)
async def test_metadata_of_another_resource_is_refused_before_anything_is_asked(resource: str) -> None:
    world = World(prm={"resource": resource})
    with pytest.raises(ResourceMismatch):
        await call(world)
    assert not world.requests(AS)


async def test_metadata_that_a_challenge_names_speaks_for_the_server_and_not_for_its_origin() -> None:
    root = "https://rs.example/.well-known/oauth-protected-resource"
    world = World(challenge=f'Bearer resource_metadata="{root}"')
    world.override[root] = lambda _: httpx.Response(
        200, json={"resource": "https://rs.example", "authorization_servers": [AS]}
    )
    with pytest.raises(ResourceMismatch):
        await call(world)
    assert not world.requests(AS)


async def test_openid_only_servers_are_understood() -> None:
    assert await call(World(metadata_at=f"{AS}/.well-known/openid-configuration")) == 200


@pytest.mark.parametrize(
    ("issuer", "tried"),
    [
        (AS, ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]),
        (
            f"{AS}/t1",
            [
                "/.well-known/oauth-authorization-server/t1",
                "/.well-known/openid-configuration/t1",
                "/t1/.well-known/openid-configuration",
            ],
        ),
    ],
)
async def test_metadata_is_looked_for_in_the_prescribed_order(issuer: str, tried: list[str]) -> None:
    world = World(prm={"authorization_servers": [issuer]}, issuer="https://nowhere.example")
    with pytest.raises(DiscoveryFailed):
        await call(world)
    assert [request.url.path for request in world.requests(AS)] == tried


@pytest.mark.parametrize("issuer", [OTHER, f"{AS}/", "https://AS.example"])
async def test_metadata_that_names_another_issuer_is_refused(issuer: str) -> None:
    world = World(metadata={"issuer": issuer})
    with pytest.raises(IssuerMismatch):
        await call(world)
    assert not world.requests("/authorize")


@pytest.mark.parametrize("methods", [None, [], ["plain"]])
async def test_a_server_without_s256_is_refused_before_registration(methods: list[str] | None) -> None:
    world = World(metadata={"code_challenge_methods_supported": methods})
    with pytest.raises(PkceUnsupported):
        await call(world)
    assert not world.requests("/authorize")
    assert not world.requests("/register")


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "registration_endpoint"])
@pytest.mark.parametrize("url", ["http://as.example/x", "javascript:alert(1)", "file:///etc/passwd", "vbscript:x"])
async def test_endpoints_that_are_not_https_are_refused(name: str, url: str) -> None:
    world = World(metadata={name: url})
    with pytest.raises((InsecureUrl, MetadataInvalid)):
        await call(world)
    assert not world.requests("/authorize")


@pytest.mark.parametrize(
    "target",
    [
        "http://rs.example/prm",
        "http://169.254.169.254/latest",
        "https://169.254.169.254/latest",
        "https://127.0.0.1/prm",
        "https://localhost/prm",
        "https://[::1]/prm",
        "https://[::ffff:10.0.0.1]/prm",
        "https://10.1.2.3/prm",
        "https://0x7f.1/prm",
        "https://2130706433/prm",
        "https://metadata.google.internal/prm",
    ],
)
async def test_a_public_server_cannot_send_the_client_to_an_inside_address(target: str) -> None:
    world = World(challenge=f'Bearer resource_metadata="{target}"')
    with pytest.raises(InsecureUrl):
        await call(world)
    assert len(world.log) == 1


def test_a_server_that_is_neither_https_nor_on_this_machine_is_refused() -> None:
    with pytest.raises(InsecureUrl):
        Engine("http://rs.example/mcp", Identity(), REDIRECT)


# --- Registration


async def test_pre_registered_credentials_come_first() -> None:
    world = World(metadata={"client_id_metadata_document_supported": True})
    identity = Identity(client_id="mine", metadata_url="https://c.example/client.json")
    assert await call(world, engine(identity)) == 200
    assert authorization(world)["client_id"] == "mine"
    assert not world.requests("/register")


async def test_a_metadata_document_comes_second_where_it_is_supported() -> None:
    identity = Identity(metadata_url="https://c.example/client.json")
    world = World(metadata={"client_id_metadata_document_supported": True})
    assert await call(world, engine(identity)) == 200
    assert authorization(world)["client_id"] == "https://c.example/client.json"
    silent = World()
    assert await call(silent, engine(identity)) == 200
    assert authorization(silent)["client_id"].startswith("client-")


async def test_dynamic_registration_happens_once_and_says_what_it_must() -> None:
    world, vault = World(), Vault()
    assert await call(world, engine(vault=vault)) == 200
    vault.forget_grant(RS)
    assert await call(world, engine(vault=vault)) == 200
    (request,) = world.requests("/register")
    asked = json.loads(request.content)
    assert asked["application_type"] == "native"
    assert asked["redirect_uris"] == [REDIRECT]
    assert asked["grant_types"] == ["authorization_code", "refresh_token"]
    assert asked["token_endpoint_auth_method"] == "none"


async def test_a_web_client_says_that_it_is_one() -> None:
    world = World()
    subject = Engine(RS, Identity(), "https://client.example/cb")
    assert await call(world, subject) == 200
    assert json.loads(world.requests("/register")[0].content)["application_type"] == "web"


async def test_another_redirect_uri_needs_another_registration_and_another_loopback_port_does_not() -> None:
    world, vault = World(), Vault()
    for redirect in (REDIRECT, "http://localhost:9999/callback", "http://localhost:9999/other"):
        vault.forget_grant(RS)
        assert await call(world, Engine(RS, Identity(), redirect, vault)) == 200
    assert len(world.requests("/register")) == 2


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(400, json={"error": "invalid_redirect_uri", "error_description": "no loopback"}),
        httpx.Response(201, json={"client_name": "x"}),
        httpx.Response(201, json={"client_id": ""}),
        httpx.Response(500, text="<html>"),
        httpx.Response(201, text="nonsense"),
    ],
)
async def test_a_failed_registration_is_reported_and_nothing_is_opened(answer: httpx.Response) -> None:
    world = World()
    world.override[f"{AS}/register"] = lambda _: answer
    with pytest.raises(RegistrationFailed):
        await call(world)
    assert not world.requests("/authorize")
    assert len(world.requests("/register")) == 1


async def test_without_any_way_to_register_the_person_is_asked() -> None:
    world = World(metadata={"registration_endpoint": None})
    with pytest.raises(RegistrationFailed):
        await call(world, engine(Identity()))
    asked: list[str] = []

    def ask(issuer: str) -> tuple[str, str | None]:
        asked.append(issuer)
        return "typed", None

    assert await call(world, engine(Identity(ask=ask))) == 200
    assert asked == [AS]
    assert authorization(world)["client_id"] == "typed"


async def test_each_authorization_server_gets_its_own_registration() -> None:
    world, vault = World(), Vault()
    subject = engine(vault=vault)
    assert await call(world, subject) == 200
    old = vault.registration(AS)
    world.issuer = OTHER
    world.expire()
    assert await call(world, subject) == 200
    new = vault.registration(OTHER)
    assert old and new and old.client_id != new.client_id
    assert old.client_id not in "".join(map(str, world.forms(f"{OTHER}/token")))
    assert "refresh_token" not in [form["grant_type"] for form in world.forms(f"{OTHER}/token")]


async def test_pre_registered_credentials_are_not_taken_to_another_authorization_server() -> None:
    world = World()
    subject = engine(Identity(client_id="mine"))
    assert await call(world, subject) == 200
    world.issuer = OTHER
    world.expire()
    with pytest.raises(IssuerChanged):
        await call(world, subject)
    assert "mine" not in str([request.url for request in world.requests(OTHER)])
    with pytest.raises(IssuerChanged):
        await call(World(), engine(Identity(client_id="mine", issuer=OTHER)))


# --- Authorization request and response


async def test_verifier_state_and_challenge_are_fresh_each_time() -> None:
    world, vault = World(), Vault()
    for _ in range(5):
        vault.forget_grant(RS)
        assert await call(world, engine(vault=vault)) == 200
    requests = [authorization(world, index) for index in range(5)]
    verifiers = [form["code_verifier"] for form in world.forms()]
    assert all(request["code_challenge_method"] == "S256" for request in requests)
    assert [pkce.challenge(verifier) for verifier in verifiers] == [request["code_challenge"] for request in requests]
    assert len({request["state"] for request in requests}) == 5
    assert len(set(verifiers)) == 5
    assert all(43 <= len(verifier) <= 128 for verifier in verifiers)
    assert all(len(request["state"]) >= 32 for request in requests)


def altered(world: World, change: Callable[[dict[str, str]], None]) -> SignInWay:
    def sign_in(url: str, redirect_uri: str) -> str:
        base, _, query = world.sign_in(url, redirect_uri).partition("?")
        answer = {name: values[0] for name, values in parse_qs(query).items()}
        change(answer)
        return f"{base}?{urlencode(answer)}"

    return sign_in


@pytest.mark.parametrize(
    ("advertised", "change", "error"),
    [
        (True, {"state": "stale"}, StateMismatch),
        (True, {"state": None}, StateMismatch),
        (True, {"iss": OTHER}, IssuerMismatch),
        (None, {"iss": OTHER}, IssuerMismatch),
        (True, {"iss": f"{AS}/"}, IssuerMismatch),
        (True, {"iss": "https://AS.example"}, IssuerMismatch),
        (True, {"iss": f"{AS}:443"}, IssuerMismatch),
        (True, {"iss": None}, IssuerMismatch),
        (True, {"iss": OTHER, "error": "canary", "error_description": "canary"}, IssuerMismatch),
        (True, {"code": None, "error": "access_denied"}, ErrorResponse),
    ],
)
async def test_a_response_that_is_no_answer_to_the_request_leads_to_no_token_request(
    advertised: bool | None, change: dict[str, str | None], error: type[Exception]
) -> None:
    world = World(metadata={"authorization_response_iss_parameter_supported": advertised})

    def apply(answer: dict[str, str]) -> None:
        for name, value in change.items():
            answer.pop(name, None)
            if value is not None:
                answer[name] = value

    with pytest.raises(error) as raised:
        await call(world, sign_in=altered(world, apply))
    assert not world.requests("/token")
    assert "canary" not in str(raised.value)


async def test_a_response_without_iss_is_fine_where_iss_was_never_announced() -> None:
    world = World(metadata={"authorization_response_iss_parameter_supported": None})

    def without_iss(answer: dict[str, str]) -> None:
        del answer["iss"]

    assert await call(world, sign_in=altered(world, without_iss)) == 200


async def test_the_resource_is_the_same_everywhere_refresh_included() -> None:
    world, vault = World(lifetime=10), Vault()
    for _ in range(2):
        assert await call(world, engine(vault=vault)) == 200
    assert authorization(world)["resource"] == RS
    assert [form["resource"] for form in world.forms()] == [RS, RS]
    assert [form["grant_type"] for form in world.forms()] == ["authorization_code", "refresh_token"]


async def test_a_redirect_uri_that_was_not_registered_is_not_used() -> None:
    world = World(registration={"redirect_uris": ["http://localhost:1/else"]})
    with pytest.raises(ProtocolViolation):
        await call(world)
    assert not world.requests("/authorize")


async def test_a_redirect_uri_that_is_neither_https_nor_on_this_machine_is_not_used() -> None:
    world = World()
    with pytest.raises(InsecureUrl):
        await call(world, Engine(RS, Identity(client_id="mine"), "http://app.example/cb"))
    assert not world.requests("/authorize")


async def test_a_pending_authorization_survives_being_put_away() -> None:
    world, vault = World(), Vault()
    with pytest.raises(SignInNeeded) as needed:
        async with world.http() as http:
            await drive(engine(vault=vault).send(mcp.list_tools(RS)), http, None)
    pending = PendingAuthorization.from_json(needed.value.pending.to_json())
    assert pending == needed.value.pending
    assert pending.code_verifier not in repr(pending)
    callback = world.sign_in(pending.url, pending.redirect_uri)
    later = engine(vault=vault)
    async with world.http() as http:
        await drive(later.complete(pending, callback), http)
    assert await call(world, later, sign_in=nobody) == 200


# --- Tokens


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
async def test_the_client_authenticates_by_the_method_it_was_registered_with(method: str) -> None:
    secret = {} if method == "none" else {"client_secret": "s:e c%ret"}
    world = World(registration={"token_endpoint_auth_method": method, "client_id": "id:x", **secret})
    assert await call(world) == 200
    (request,), (form,) = world.requests("/token"), world.forms()
    if method == "client_secret_basic":
        assert basic(request) == "id%3Ax:s%3Ae+c%25ret"
        assert "client_secret" not in form
    else:
        assert "authorization" not in request.headers
        assert form["client_id"] == "id:x"
        assert form.get("client_secret") == (None if method == "none" else "s:e c%ret")


async def test_tokens_travel_in_the_header_only_and_to_their_server_only() -> None:
    world = World()
    assert await call(world) == 200
    (token,) = world.tokens
    carriers = [request for request in world.log if token in str(request.headers.raw)]
    assert [str(request.url) for request in carriers] == [RS]
    assert not [request for request in world.log if token in str(request.url) or token.encode() in request.content]


async def test_a_token_near_its_end_is_refreshed_ahead_and_the_newest_refresh_token_is_kept() -> None:
    world, vault = World(lifetime=29), Vault()
    for _ in range(4):
        assert await call(world, engine(vault=vault)) == 200
    assert len(world.requests("/authorize")) == 1
    assert [form["grant_type"] for form in world.forms()] == ["authorization_code", *["refresh_token"] * 3]
    used = [form["refresh_token"] for form in world.forms()[1:]]
    assert len(set(used)) == 3


@pytest.mark.parametrize(("lifetime", "refreshed"), [(29, True), (30, True), (31, False)])
async def test_the_leeway_has_an_exact_boundary(lifetime: int, refreshed: bool) -> None:
    world, vault = World(lifetime=lifetime), Vault()
    for _ in range(2):
        assert await call(world, engine(vault=vault)) == 200
    assert (len(world.forms()) == 2) is refreshed


async def test_a_401_leads_to_one_refresh_and_no_new_sign_in() -> None:
    world, vault = World(), Vault()
    assert await call(world, engine(vault=vault)) == 200
    world.expire()
    assert await call(world, engine(vault=vault)) == 200
    assert len(world.requests("/authorize")) == 1


async def test_a_dead_refresh_token_leads_to_a_new_sign_in() -> None:
    world, vault = World(), Vault()
    assert await call(world, engine(vault=vault)) == 200
    world.expire()
    world.refreshes.clear()
    assert await call(world, engine(vault=vault)) == 200
    assert len(world.requests("/authorize")) == 2


async def test_without_a_refresh_token_expiry_leads_to_a_new_sign_in() -> None:
    world, vault = World(refresh_tokens=False, lifetime=5), Vault()
    for _ in range(2):
        assert await call(world, engine(vault=vault)) == 200
    assert len(world.requests("/authorize")) == 2


async def test_a_server_that_refuses_fresh_tokens_is_not_asked_for_ever() -> None:
    world = World()
    world.override[RS] = lambda _: httpx.Response(
        401, headers={"www-authenticate": f'Bearer resource_metadata="{PRM}"'}
    )
    with pytest.raises(Unauthorized):
        await call(world)
    assert len(world.requests("/authorize")) == 1


async def test_a_client_that_acts_for_itself_needs_nobody() -> None:
    world = World(metadata={"authorization_endpoint": None, "code_challenge_methods_supported": None})
    subject = engine(Identity(client_id="job", client_secret="secret"), policy=Policy(for_itself=True))
    assert await call(world, subject, sign_in=nobody) == 200
    assert world.forms()[0]["grant_type"] == "client_credentials"
    assert basic(world.requests("/token")[0]) == "job:secret"


# --- Scopes and step-up


@pytest.mark.parametrize(
    ("challenged", "supported", "expected"),
    [
        ('scope="a b"', ["c"], "a b"),
        ("", ["read", "c"], "read c"),
        ("", None, None),
    ],
)
async def test_scopes_are_selected_as_the_spec_says(
    challenged: str, supported: list[str] | None, expected: str | None
) -> None:
    world = World(
        challenge=f'Bearer resource_metadata="{PRM}"' + (f", {challenged}" if challenged else ""),
        prm={"scopes_supported": supported},
        metadata={"scopes_supported": ["everything"]},
        required=set(),
    )
    assert await call(world) == 200
    assert authorization(world).get("scope") == expected


async def test_offline_access_is_asked_for_only_where_it_is_listed() -> None:
    listed, silent = World(metadata={"scopes_supported": ["offline_access"]}), World()
    assert await call(listed) == 200
    assert await call(silent) == 200
    assert authorization(listed)["scope"] == "read offline_access"
    assert authorization(silent)["scope"] == "read"


async def test_step_up_asks_for_the_union_and_repeats_the_request_as_it_was() -> None:
    world, vault = World(), Vault()
    assert await call(world, engine(vault=vault)) == 200
    world.required = {"write"}
    assert await call(world, engine(vault=vault)) == 200
    assert authorization(world)["scope"] == "read write"
    assert [form["grant_type"] for form in world.forms()] == ["authorization_code", "authorization_code"]
    assert all(request.headers["mcp-protocol-version"] == mcp.REVISION for request in world.requests(RS))


async def test_step_up_ends_after_a_few_attempts() -> None:
    world = World(required={"never"}, granted=lambda scopes: scopes - {"never"})
    subject = engine()
    with pytest.raises(StepUpExhausted):
        await call(world, subject)
    opened = len(world.requests("/authorize"))
    assert opened <= 4
    with pytest.raises(StepUpExhausted):
        await call(world, subject)
    assert len(world.requests("/authorize")) == opened


async def test_a_plain_403_is_the_callers_business() -> None:
    world = World()
    world.override[RS] = lambda _: httpx.Response(403)
    assert await call(world) == 403
    assert not world.requests("/authorize")


# --- Steps


def test_the_flow_can_be_walked_one_step_at_a_time() -> None:
    world = World()
    seen: list[Exchange] = []
    with world.http_sync() as http:
        walk = Walk(engine().send(mcp.list_tools(RS)), http, world.sign_in, seen.append)
        with pytest.raises(RuntimeError):
            _ = walk.result
        names = [exchange.name for exchange in walk]
        assert walk.upcoming is None
        assert walk.result.status == 200
        with pytest.raises(StopIteration):
            walk.next_step()
    assert names == [
        "List the tools, without a token",
        "Ask who protects the server",
        "Ask the authorization server what it can do",
        "Register this client",
        "Trade the code for tokens",
        "List the tools, with the token",
    ]
    assert names == [exchange.name for exchange in seen]
    assert [exchange.phase for exchange in seen][:5] == ["discovery", "discovery", "discovery", "registration", "token"]


def test_client_errors_know_their_layer() -> None:
    assert all(error.layer for error in ClientError.__subclasses__())
