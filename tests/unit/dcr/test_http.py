import json
import logging
from base64 import b64encode
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from mcp_demo.dcr import http
from mcp_demo.oauth.errors import InvalidClientMetadata, InvalidToken


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({"Authorization": "Bearer abc"}, "abc"),
        ({"authorization": "bearer abc"}, "abc"),
        ({"authorization": "Basic abc"}, None),
        ({"authorization": "Bearer "}, None),
        ({"authorization": "Bearerabc"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_bearer_token_is_read_from_its_header(headers: dict[str, str] | None, token: str | None) -> None:
    assert http.bearer_token({"headers": headers}) == token


def test_a_body_is_read_plain_or_as_base64() -> None:
    assert http.json_body({"body": '{"a": "ä"}'}) == {"a": "ä"}
    assert http.json_body({"body": b64encode(b'{"a": 1}').decode(), "isBase64Encoded": True}) == {"a": 1}


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_a_body_may_be_as_large_as_the_limit(extra: int) -> None:
    body = json.dumps("x" * (http.LARGEST_BODY + extra - 2))
    assert len(body) == http.LARGEST_BODY + extra
    if extra <= 0:
        assert http.json_body({"body": body})
    else:
        with pytest.raises(InvalidClientMetadata, match="larger than"):
            http.json_body({"body": body})


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"body": None},
        {"body": "{"},
        {"body": "[" * 20_000},
        {"body": "!", "isBase64Encoded": True},
        {"body": b64encode(b"\xff").decode(), "isBase64Encoded": True},
    ],
)
def test_a_body_that_is_no_json_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(InvalidClientMetadata):
        http.json_body(event)


def _refuse() -> None:
    raise InvalidToken("no")


def test_the_challenge_names_an_error_only_where_a_token_was_shown() -> None:
    assert http.answer("read", {}, 200, _refuse)["headers"]["WWW-Authenticate"] == "Bearer"
    shown = http.answer("read", {"headers": {"authorization": "Bearer x"}}, 200, _refuse)
    assert shown["headers"]["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_our_own_failure_says_nothing_about_itself(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("table of secrets")

    with caplog.at_level(logging.CRITICAL):
        answer = http.answer("read", {}, 200, fail)
    assert answer["statusCode"] == 500
    assert json.loads(answer["body"])["error"] == "server_error"
    assert "table of secrets" not in answer["body"]
    assert answer["headers"]["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "failure",
    [
        ClientError({"Error": {"Code": "AccessDeniedException", "Message": "arn:secret-table"}}, "PutItem"),
        EndpointConnectionError(endpoint_url="https://secret-table.example"),
    ],
)
def test_a_table_out_of_reach_is_a_503_that_says_when_to_come_back(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise failure

    with caplog.at_level(logging.CRITICAL):
        answer = http.answer("register", {}, 201, fail)
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "60")
    assert json.loads(answer["body"])["error"] == "temporarily_unavailable"
    assert "secret-table" not in answer["body"]


def test_a_success_without_content_has_an_empty_body() -> None:
    answer = http.answer("delete", {}, 204, lambda: None)
    assert (answer["statusCode"], answer["body"]) == (204, "")
