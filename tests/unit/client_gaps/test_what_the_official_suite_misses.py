"""Each rule that the official suite does not look at: our client keeps it, and a client that does not is found out.

Spec: OAuth 2.1 §4.1 and §4.3, RFC 6749 §10.12, RFC 7636 §4; MCP 2026-07-28 Authorization.
"""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from strict_world import REDIRECT, RS, Gap, StrictWorld, require

from mcp_demo.client import events, grant
from mcp_demo.client.engine import Engine
from mcp_demo.client.registration import Identity
from mcp_demo.exchange.model import Request
from mcp_demo.oauth import authorization, token
from mcp_demo.oauth.errors import ErrorResponse, InsecureUrl, PkceUnsupported, StateMismatch

Rule = Callable[[], Awaitable[None]]
Bug = Callable[[pytest.MonkeyPatch], None]


# --- The rules


@contextmanager
def refusing(kind: type[Exception], words: str) -> Generator[None]:
    try:
        yield
    except kind:
        return
    raise Gap(words)


async def state_is_sent() -> None:
    world = StrictWorld()
    with suppress(StateMismatch):
        await world.call(world.client())
    require(len(world.asked[0].get("state", "")) >= 22, "The authorization request has no state of 128 bits.")


async def state_is_never_the_same() -> None:
    world = StrictWorld()
    for _ in range(3):
        await world.call(world.client())
    require(len({asked["state"] for asked in world.asked}) == 3, "Two authorization requests share their state.")


async def a_response_with_another_state_is_refused() -> None:
    world = StrictWorld(answer={"state": "stale-" * 8})
    with refusing(StateMismatch, "A response with another state is accepted."):
        await world.call(world.client())
    require(not world.forms, "The code of a response with another state is traded.")


async def a_response_without_state_is_refused() -> None:
    world = StrictWorld(answer={"state": None})
    with refusing(StateMismatch, "A response without state is accepted."):
        await world.call(world.client())
    require(not world.forms, "The code of a response without state is traded.")


async def a_server_without_s256_is_refused() -> None:
    for methods in (None, [], ["plain"]):
        world = StrictWorld(metadata={"code_challenge_methods_supported": methods})
        with refusing(PkceUnsupported, "An authorization server without S256 is used."):
            await world.call(world.client())
        require(not world.asked and not world.requests("/register"), "It is used before the refusal.")


async def a_dead_token_is_refreshed_without_the_person() -> None:
    world = StrictWorld()
    client = world.client()
    for _ in range(3):
        require(await world.call(client) == 200, "The client gives up.")
        world.alive.clear()
    require(len(world.asked) == 1, "The person is asked again although there is a refresh token.")
    require([form["grant_type"] for form in world.forms[1:]] == ["refresh_token"] * 2, "Nothing is refreshed.")
    require(not world.refusals, "A refresh token that was replaced is used again.")
    require({form["resource"] for form in world.forms} == {RS}, "A refresh is not bound to the resource.")


async def a_token_at_its_end_is_replaced_ahead() -> None:
    world = StrictWorld(lifetime=100)
    client = world.client()
    await world.call(client)
    world.now += 99
    await world.call(client)
    require(len(set(world.presented)) == 2, "A token is used until the server refuses it.")
    require(world.requests("/.well-known/oauth-protected-resource/mcp") == 1, "Expiry starts discovery anew.")


async def nothing_secret_goes_over_plain_http() -> None:
    for name in ("authorization_endpoint", "token_endpoint", "registration_endpoint"):
        world = StrictWorld(metadata={name: f"http://as.example/{name.partition('_')[0]}"})
        with refusing(InsecureUrl, f"A plain http {name} is accepted."):
            await world.call(world.client())
        require(all(request.url.scheme == "https" for request in world.log), f"A plain http {name} is used.")
    with refusing(InsecureUrl, "A plain http MCP server is given tokens."):
        Engine("http://rs.example/mcp", Identity(), REDIRECT)


async def secrets_are_never_in_a_url() -> None:
    world = StrictWorld()
    client = world.client()
    for _ in range(2):
        with suppress(Exception):  # a server that does not look into URLs for a token refuses the request
            await world.call(client)
        world.alive.clear()
    verifiers = [form["code_verifier"] for form in world.forms if "code_verifier" in form]
    urls = " ".join(str(request.url) for request in world.log)
    require(not any(secret in urls for secret in world.secrets + verifiers), "A URL holds a secret.")


async def the_code_and_the_redirect_uri_are_those_of_the_browser() -> None:
    world = StrictWorld()
    with suppress(ErrorResponse):
        await world.call(world.client())
    require(world.forms[0].get("code") == world.secrets[0], "Another code than the one received is sent.")
    require(world.forms[0].get("redirect_uri") == REDIRECT == world.asked[0]["redirect_uri"], "The URI differs.")
    require(not world.refusals, "The token endpoint refuses what the client sends.")


async def a_refused_code_is_not_tried_again() -> None:
    world = StrictWorld(answer={"code": "of-somebody-else"})
    with refusing(ErrorResponse, "The client goes on without a token."):
        await world.call(world.client())
    require(len(world.forms) == 1 and not world.presented, "A refused code is tried again.")


# --- The bugs


def always(value: object) -> Callable[..., Any]:
    def answer(*arguments: Any, **named: Any) -> Any:
        return value

    return answer


def no_state_sent(patch: pytest.MonkeyPatch) -> None:
    honest = authorization.AuthorizationRequest.url

    def url(self: authorization.AuthorizationRequest, endpoint: str) -> str:
        base, _, query = honest(self, endpoint).partition("?")
        return f"{base}?{urlencode([pair for pair in parse_qsl(query) if pair[0] != 'state'])}"

    patch.setattr(authorization.AuthorizationRequest, "url", url)


def short_state(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mcp_demo.client.authorization.secrets", SimpleNamespace(token_urlsafe=always("x1")))


def constant_state(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mcp_demo.client.authorization.secrets", SimpleNamespace(token_urlsafe=always("x" * 43)))


def state_not_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mcp_demo.oauth.authorization.hmac", SimpleNamespace(compare_digest=always(True)))


def state_compared_if_present(patch: pytest.MonkeyPatch) -> None:
    def compare(returned: bytes, sent: bytes) -> bool:
        return not returned or returned == sent

    patch.setattr("mcp_demo.oauth.authorization.hmac", SimpleNamespace(compare_digest=compare))


def s256_taken_for_granted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mcp_demo.oauth.server_metadata.require_s256", always(None))


def s256_checked_if_methods_are_listed(patch: pytest.MonkeyPatch) -> None:
    def check(metadata: Any) -> None:
        if metadata.code_challenge_methods_supported and "S256" not in metadata.code_challenge_methods_supported:
            raise PkceUnsupported("no S256")

    patch.setattr("mcp_demo.oauth.server_metadata.require_s256", check)


def never_refreshes(patch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> events.Flow[grant.Grant]:
        yield from ()
        raise ErrorResponse("invalid_grant")

    patch.setattr("mcp_demo.client.grant.refresh", refuse)


def keeps_the_old_refresh_token(patch: pytest.MonkeyPatch) -> None:
    honest = grant.refresh

    def refresh(held: grant.Grant, *more: Any) -> events.Flow[grant.Grant]:
        fresh = yield from honest(held, *more)
        return replace(fresh, refresh_token=held.refresh_token)

    patch.setattr("mcp_demo.client.grant.refresh", refresh)


def refreshes_for_any_resource(patch: pytest.MonkeyPatch) -> None:
    honest = token.refresh_form

    def form(*, refresh_token: str, resource: str) -> dict[str, str]:
        return honest(refresh_token=refresh_token, resource="https://elsewhere.example")

    patch.setattr("mcp_demo.oauth.token.refresh_form", form)


def forgets_expiry(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mcp_demo.client.grant.Grant.is_fresh", always(True))


def plain_http_is_fine(patch: pytest.MonkeyPatch) -> None:
    for module in ("client.discovery", "client.authorization", "oauth.server_metadata", "oauth.resource"):
        patch.setattr(f"mcp_demo.{module}.is_secure_url", always(True))


def plain_http_is_fine_for_the_mcp_server(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mcp_demo.oauth.resource.is_secure_url", always(True))


def token_in_the_query(patch: pytest.MonkeyPatch) -> None:
    def with_token(self: events.Step, access_token: str | None, scheme: str = "Bearer") -> events.Step:
        request = self.request
        url = f"{request.url}?{urlencode({'access_token': access_token})}" if access_token else request.url
        return replace(self, request=Request(request.method, url, request.headers, request.body))

    patch.setattr(events.Step, "with_token", with_token)


def refresh_in_the_query(patch: pytest.MonkeyPatch) -> None:
    _rewrite_token_requests(
        patch, lambda request: replace(request, url=f"{request.url}?{request.body.decode()}", body=b"")
    )


def another_code(patch: pytest.MonkeyPatch) -> None:
    _rewrite_token_requests(patch, lambda request: replace(request, body=request.body.replace(b"code=code", b"code=c")))


def another_redirect_uri(patch: pytest.MonkeyPatch) -> None:
    _rewrite_token_requests(patch, lambda request: replace(request, body=request.body.replace(b"7777", b"7778")))


def no_redirect_uri(patch: pytest.MonkeyPatch) -> None:
    def without(request: Request) -> Request:
        pairs = [pair for pair in parse_qsl(request.body.decode()) if pair[0] != "redirect_uri"]
        return replace(request, body=urlencode(pairs).encode())

    _rewrite_token_requests(patch, without)


def tries_the_code_twice(patch: pytest.MonkeyPatch) -> None:
    honest = grant.exchange_code

    def exchange(*arguments: Any) -> events.Flow[grant.Grant]:
        try:
            return (yield from honest(*arguments))
        except ErrorResponse:
            return (yield from honest(*arguments))

    patch.setattr("mcp_demo.client.grant.exchange_code", exchange)


def _rewrite_token_requests(patch: pytest.MonkeyPatch, change: Callable[[Request], Request]) -> None:
    def fetch(step: events.Step) -> events.Flow[Any]:
        if urlsplit(step.request.url).path == "/token":
            step = replace(step, request=change(step.request))
        return (yield from events.fetch(step))

    patch.setattr("mcp_demo.client.grant.fetch", fetch)


CASES: list[tuple[Rule, tuple[Bug, ...]]] = [
    (state_is_sent, (no_state_sent, short_state)),
    (state_is_never_the_same, (constant_state,)),
    (a_response_with_another_state_is_refused, (state_not_compared,)),
    (a_response_without_state_is_refused, (state_not_compared, state_compared_if_present)),
    (a_server_without_s256_is_refused, (s256_taken_for_granted, s256_checked_if_methods_are_listed)),
    (
        a_dead_token_is_refreshed_without_the_person,
        (never_refreshes, keeps_the_old_refresh_token, refreshes_for_any_resource),
    ),
    (a_token_at_its_end_is_replaced_ahead, (forgets_expiry,)),
    (nothing_secret_goes_over_plain_http, (plain_http_is_fine, plain_http_is_fine_for_the_mcp_server)),
    (secrets_are_never_in_a_url, (token_in_the_query, refresh_in_the_query)),
    (the_code_and_the_redirect_uri_are_those_of_the_browser, (another_code, another_redirect_uri, no_redirect_uri)),
    (a_refused_code_is_not_tried_again, (tries_the_code_twice,)),
]


def name_of(value: Any) -> str:
    return value.__name__


@pytest.mark.parametrize("rule", [rule for rule, _ in CASES], ids=name_of)
async def test_our_client_keeps_the_rule(rule: Rule) -> None:
    await rule()


@pytest.mark.parametrize(("rule", "bug"), [(rule, bug) for rule, bugs in CASES for bug in bugs], ids=name_of)
async def test_a_client_with_the_bug_is_found_out(rule: Rule, bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    with pytest.raises(Gap):
        await rule()
