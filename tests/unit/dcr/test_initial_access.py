"""Initial access tokens: who is let in, as whom, and until when."""

import time
from datetime import UTC, datetime

import pytest

from mcp_demo.dcr.initial_access import authorize, label_of, parse
from mcp_demo.deploy import choices
from mcp_demo.registry.model import hash_secret

METHOD = "arn:aws:execute-api:us-east-1:1:api/v1/POST/register"
LISTED = f"ci:{hash_secret('one')},partner:{hash_secret('two')}:2027-01-31"
LAST_SECOND = datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("token", "now", "label"),
    [
        ("one", 0.0, "ci"),
        ("one", LAST_SECOND * 2, "ci"),
        ("two", LAST_SECOND, "partner"),
        ("two", LAST_SECOND + 1, None),
        ("two", LAST_SECOND + 2, None),
        ("three", 0.0, None),
        (hash_secret("one"), 0.0, None),
        ("", 0.0, None),
    ],
)
def test_a_listed_token_works_until_the_end_of_its_last_day(token: str, now: float, label: str | None) -> None:
    assert label_of(token, parse(LISTED), now) == label


@pytest.mark.parametrize("text", ["", ","])
def test_an_empty_list_lets_nobody_in(text: str) -> None:
    assert label_of("one", parse(text), time.time()) is None


def test_the_policy_names_whose_token_it_was_and_the_method_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INITIAL_ACCESS_TOKENS", LISTED)
    for header, effect, label in (
        ("Bearer one", "Allow", "ci"),
        ("bearer  x", "Deny", "nobody"),
        ("", "Deny", "nobody"),
    ):
        answer = authorize({"authorizationToken": header, "methodArn": METHOD}, None)
        statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": METHOD}
        assert answer["principalId"] == label
        assert answer["policyDocument"]["Statement"] == [statement]


@pytest.mark.parametrize("wrong", ["secret", f"ci:{'a' * 63}", f"ci:{'a' * 64}:soon", f"{LISTED},", f"{LISTED};x"])
def test_a_list_that_could_not_be_read_is_refused_before_it_is_deployed(wrong: str) -> None:
    assert choices.read([f"registration.InitialAccessTokens={LISTED}"])
    with pytest.raises(ValueError, match="SHA-256"):
        choices.read([f"registration.InitialAccessTokens={wrong}"])
