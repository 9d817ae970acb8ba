"""Planted secrets must not survive the redactor, wherever they are."""

import json
from urllib.parse import urlencode

import pytest

from mcp_demo.exchange.card import to_html, to_text
from mcp_demo.exchange.model import Exchange, Request, Response
from mcp_demo.exchange.redact import redact, redact_json, redact_text, redact_url, shorten
from mcp_demo.exchange.wire import from_json, to_json

CANARY = "c4n4ryS3cretValueThatMustNeverBeSeenAnywhere0123456789"
JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ"
JWE = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aXYtY2FuYXJ5.Y2lwaGVydGV4dC1jYW5hcnk.dGFnLWNhbmFyeQ"
PASSWORD = "Tr0ub4dor&3"
NAMES = [
    "access_token", "refresh_token", "id_token", "code", "code_verifier", "client_secret", "client_assertion",
    "registration_access_token", "password", "csrf", "envelope", "AccessToken", "RefreshToken", "clientSecret",
]  # fmt: skip


def exchange(request: Request, response: Response | None = None) -> Exchange:
    return Exchange("A hop", "Because.", "RFC 6749 §5.1", "client", "server", request, response)


def text_of(subject: Exchange) -> str:
    return repr(redact(subject)) + to_html(subject) + to_text(subject) + to_json([subject]).decode()


@pytest.mark.parametrize("name", NAMES)
def test_a_secret_is_hidden_in_query_fragment_form_and_json(name: str) -> None:
    form = ("content-type", "application/x-www-form-urlencoded")
    places = [
        exchange(Request("GET", f"https://as.example/cb?a=1&{name}={CANARY}&b=2")),
        exchange(Request("GET", f"https://as.example/cb#{name}={CANARY}")),
        exchange(Request("POST", "https://as.example/", (form,), f"x=1&{name}={CANARY}".encode())),
        exchange(Request("POST", "https://as.example/", (), json.dumps({"a": [{name: CANARY}]}).encode())),
        exchange(Request("POST", "https://as.example/", (), f'{{"{name}": "{CANARY}", broken'.encode())),
        exchange(Request("GET", "https://x/"), Response(302, (("Location", f"https://c.example/cb?{name}={CANARY}"),))),
        exchange(Request("GET", f"https://x/?next=https%3A%2F%2Fc.example%2F%3F{name}%3D{CANARY}")),
    ]
    for place in places:
        assert CANARY not in text_of(place)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Authorization", f"Bearer {CANARY}"),
        ("authorization", f"Basic {CANARY}"),
        ("Cookie", f"a=b; session={CANARY}; c={CANARY}"),
        ("Set-Cookie", f"__Host-session={CANARY}; Secure; HttpOnly"),
        ("DPoP", JWT),
        ("X-Anything", f"token is {JWT}"),
        ("Referer", f"https://c.example/cb?code={CANARY}"),
        ("WWW-Authenticate", f'Bearer error="invalid_token", token="{CANARY}"'),
    ],
)
def test_a_secret_is_hidden_in_headers(header: str, value: str) -> None:
    shown = text_of(exchange(Request("GET", "https://x/", ((header, value),))))
    assert CANARY not in shown
    assert JWT not in shown


@pytest.mark.parametrize(
    "text",
    [
        f"the token was {JWT}.",
        f"got {JWE} back",
        f"access_token={CANARY} was refused",
        f"TokenResponse(access_token='{CANARY}', expires_in=3)",
        f'{{"id_token": "{CANARY}"',
        f"Authorization: Bearer {CANARY}",
        f"GET /cb?state=x%26code%3D{CANARY}%26y",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----",
        f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}",
    ],
)
def test_a_secret_is_hidden_in_free_text(text: str) -> None:
    shown = redact_text(text)
    assert CANARY not in shown
    assert "canary" not in shown.lower()
    assert JWT.split(".")[1] not in shown
    assert JWE.split(".")[3] not in shown


def test_events_html_and_binary_bodies_give_nothing_away() -> None:
    event = Response(200, (("content-type", "text/event-stream"),), f'data: {{"access_token":"{CANARY}"}}\n\n'.encode())
    page = Response(200, (("content-type", "text/html; charset=utf-8"),), f'<input value="{CANARY}">'.encode())
    binary = Response(200, (), b"\xff\xfe" + CANARY.encode())
    for response in (event, page, binary):
        assert CANARY not in text_of(exchange(Request("GET", "https://x/"), response))


def test_a_password_shows_neither_its_length_nor_its_digest() -> None:
    form = ("content-type", "application/x-www-form-urlencoded")
    request = Request("POST", "https://x/login", (form,), b"username=demo&password=Tr0ub4dor%263-and-much-longer")
    assert redact(exchange(request)).request.body == "username=demo&password=…·hidden".encode()
    assert shorten(PASSWORD) == "…·hidden"


def test_private_members_of_a_key_are_hidden_and_public_ones_are_not() -> None:
    key = {"kty": "RSA", "n": "modulus", "e": "AQAB", "d": CANARY, "p": CANARY}
    body = redact(exchange(Request("POST", "https://x/", (), json.dumps(key).encode()))).request.body.decode()
    assert CANARY not in body
    assert "modulus" in body


def test_equal_secrets_look_equal_and_different_ones_do_not() -> None:
    assert shorten(JWT) == shorten(JWT)
    assert shorten(JWT) != shorten(JWT + "x")
    assert shorten(JWT).startswith(f"eyJ…·{len(JWT)} chars·sha256 ")


def test_redacting_twice_changes_nothing() -> None:
    header = (("Authorization", f"Bearer {JWT}"), ("Cookie", f"s={CANARY}"), ("Location", f"https://x/?code={CANARY}"))
    form = f"code={CANARY}&client_secret={CANARY}&state={CANARY}".encode()
    request = Request("POST", f"https://x/?code={CANARY}", (*header, ("content-type", "text/plain")), form)
    once = redact(exchange(request, Response(200, (), json.dumps({"access_token": JWT}).encode())))
    assert redact(once) == once


def test_what_is_no_secret_stays_readable() -> None:
    url = "https://as.example/authorize?response_type=code&client_id=app&scope=https%3A%2F%2Fx%2Fread&resource=https%3A%2F%2Fx"
    assert redact_url(url) == url
    error = {"jsonrpc": "2.0", "error": {"code": -32001, "message": "Not found"}}
    response = Response(400, (), json.dumps(error).encode())
    shown = redact(exchange(Request("GET", "https://x/"), response)).response
    assert shown is not None
    assert json.loads(shown.body) == error
    challenge = 'Bearer resource_metadata="https://rs.example/prm", scope="read"'
    assert redact_text(challenge) == challenge
    assert redact_text("Basic authentication is not offered.") == "Basic authentication is not offered."
    prose = "The token endpoint answered 400 with the code invalid_grant; state your case."
    assert redact_text(prose) == prose


def test_user_information_in_a_url_is_hidden() -> None:
    assert CANARY not in redact_url(f"https://user:{CANARY}@x/path")


def test_exchanges_survive_the_way_through_json() -> None:
    original = redact(exchange(Request("GET", "https://x/", (("accept", "*/*"),)), Response(200, (), b"{}")))
    assert from_json(to_json([original])) == (original,)
    with pytest.raises(ValueError, match="not an array"):
        from_json(b'{"a": 1}')


def test_a_challenge_keeps_its_parameters_whatever_comes_first() -> None:
    header = 'Bearer resource_metadata="https://mcp.example/.well-known/oauth-protected-resource", scope="read"'
    assert redact_text(header) == header


def test_credentials_that_end_in_padding_are_no_challenge() -> None:
    assert "c2VjcmV0LXNlY3JldA" not in redact_text('{"Authorization": "Bearer c2VjcmV0LXNlY3JldA=="}')


def test_what_a_user_pools_own_api_calls_its_secrets_is_hidden_too() -> None:
    """Cognito's `RespondToAuthChallenge` names them differently than OAuth and its own sign-up does."""
    planted = {
        "SOFTWARE_TOKEN_MFA_CODE": "123456",
        "SMS_MFA_CODE": "234567",
        "EMAIL_OTP_CODE": "345678",
        "authorization_code": "plantedPlantedPlanted1",
        "aws_secret_access_key": "plantedPlantedPlanted2",
        "totp_secret": "PLANTEDPLANTEDPLANTED3",
    }
    shown = json.dumps(redact_json({"ChallengeResponses": planted})) + redact_url(f"https://x/?{urlencode(planted)}")
    assert not [secret for secret in planted.values() if secret in shown]
