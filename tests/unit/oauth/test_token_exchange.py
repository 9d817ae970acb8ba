from typing import Any

import pytest

from mcp_demo.oauth import token, token_exchange
from mcp_demo.oauth.errors import ErrorResponse, InvalidToken, ResponseInvalid
from mcp_demo.oauth.token_exchange import Actor

AS = "https://auth.chat.example/"
RS = "https://mcp.chat.example/"
ANSWER: dict[str, Any] = {
    "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag",
    "access_token": "eyJhbGciOiJIUzI1NiIsI",
    "token_type": "N_A",
    "expires_in": 300,
}


def test_an_id_jag_is_asked_for_as_the_draft_shows():
    form = token_exchange.id_jag_form(id_token="eyJraWQi", issuer=AS, resource=RS, scopes=("chat.read", "chat.history"))
    assert form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": "urn:ietf:params:oauth:token-type:id-jag",
        "audience": AS,
        "resource": RS,
        "scope": "chat.read chat.history",
        "subject_token": "eyJraWQi",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
    }


def test_an_assertion_is_traded_as_rfc_7523_shows():
    form = token_exchange.jwt_bearer_form(assertion="eyJhbGciOiJFUzI1NiIsImtpZCI6IjE2In0", resource=RS, scopes=None)
    assert form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": "eyJhbGciOiJFUzI1NiIsImtpZCI6IjE2In0",
        "resource": RS,
    }


def test_the_id_jag_is_where_the_access_token_would_be():
    assert token_exchange.read_id_jag(200, ANSWER) == "eyJhbGciOiJIUzI1NiIsI"
    assert token_exchange.read_id_jag(200, ANSWER | {"token_type": "n_a"})


@pytest.mark.parametrize(
    "change",
    [
        {"issued_token_type": "urn:ietf:params:oauth:token-type:access_token"},
        {"issued_token_type": None},
        {"token_type": "Bearer"},
        {"access_token": None},
        {"access_token": ""},
        {"access_token": 5},
    ],
)
def test_any_other_token_is_no_id_jag(change: dict[str, Any]):
    with pytest.raises(ResponseInvalid):
        token_exchange.read_id_jag(200, ANSWER | change)


@pytest.mark.parametrize("document", [None, [], "text"])
def test_an_answer_that_is_no_object_is_refused(document: object):
    with pytest.raises(ResponseInvalid):
        token_exchange.read_id_jag(200, document)


def test_a_refusal_of_the_provider_is_passed_on():
    with pytest.raises(ErrorResponse) as caught:
        token_exchange.read_id_jag(400, {"error": "invalid_grant", "error_description": "signed out"})
    assert (caught.value.error, caught.value.status) == ("invalid_grant", 400)


@pytest.mark.parametrize(("wanted", "got"), [("Bearer", "DPoP"), ("DPoP", "Bearer")])
def test_an_access_token_of_another_type_than_asked_for_is_refused(wanted: token.TokenType, got: str):
    members = {"access_token": "t", "token_type": got}
    with pytest.raises(ResponseInvalid, match=wanted):
        token.read_response(200, members, wanted)
    assert token.read_response(200, members | {"token_type": wanted.lower()}, wanted).access_token == "t"


def test_a_person_who_calls_alone_has_no_actor():
    assert token_exchange.read_actors({"sub": "alice"}) == ()


def test_the_current_actor_comes_first_and_those_before_it_behind():
    claims = {"sub": "user", "act": {"sub": "service16", "act": {"sub": "service77", "iss": "https://b.example"}}}
    assert token_exchange.read_actors(claims) == (Actor("service16"), Actor("service77", "https://b.example"))


@pytest.mark.parametrize(
    "act",
    [None, "service", [], {}, {"sub": ""}, {"sub": 5}, {"sub": "a", "iss": 5}, {"sub": "a", "iss": ""}, {"iss": "i"}],
)
@pytest.mark.parametrize("depth", [0, 1])
def test_an_actor_without_a_name_is_refused_however_deep(act: object, depth: int):
    with pytest.raises(InvalidToken):
        token_exchange.read_actors({"act": {"sub": "a", "act": act} if depth else act})


def test_a_namesake_of_another_issuer_is_somebody_else():
    assert Actor("mcp").is_one_of(["mcp"], AS)
    assert Actor("mcp", AS).is_one_of(["mcp"], AS)
    assert not Actor("mcp", RS).is_one_of(["mcp"], AS)
    assert not Actor("other").is_one_of(["mcp"], AS)


def test_each_exchange_moves_the_actors_one_step_back():
    first = {"sub": "alice", "act": token_exchange.acting("mcp", {"sub": "alice"})}
    second = {"sub": "alice", "act": token_exchange.acting("api", first)}
    assert second["act"] == {"sub": "api", "act": {"sub": "mcp"}}
    assert token_exchange.read_actors(second) == (Actor("api"), Actor("mcp"))
