"""A token taken apart says of each claim what the running server says to it."""

import time

import pytest
from joserfc.jwk import RSAKey

from conformance.issuer import DROP, TestIssuer
from mcp_demo import cognito, lab
from mcp_demo.exchange.model import Exchange, Request, Response
from mcp_demo.local.state import Run


@pytest.fixture(scope="module")
def forger(stack: Run) -> TestIssuer:
    """Somebody who knows everything about good tokens but has the wrong key."""
    key = RSAKey.generate_key(2048, {"kid": "forged"}, private=True)
    return TestIssuer(stack.issuer, key, stack.server, cognito.scopes(stack.server))


def line(text: str, claim: str) -> str:
    """What is said of one claim."""
    return next(row for row in text.splitlines() if row.split()[1:2] == [claim])


def test_a_token_of_another_key_is_refused_though_each_claim_fits(stack: Run, forger: TestIssuer) -> None:
    raw = forger.token()
    shown = lab.token(raw, stack)
    assert "✗ Refused here: The access token is signed with a key that its issuer does not publish." in shown.text
    assert "signature  ✗ does not verify" in shown.text
    assert "✓ fits" in line(shown.text, "aud")
    assert raw not in shown.html + shown.text
    assert raw.rpartition(".")[2] not in shown.html + shown.text


def test_each_claim_has_the_verdict_of_its_own_rule(stack: Run, forger: TestIssuer) -> None:
    wrong = forger.token(aud="https://other.example/mcp", exp=int(time.time()) - 1, token_use="id", sub=DROP)
    text = lab.token(wrong, stack).text
    assert "✗ audience" in line(text, "aud")
    assert "✗ expired" in line(text, "exp")
    assert "✗ token_use" in line(text, "token_use")
    assert "(missing)  ✗ claims" in line(text, "sub")
    assert "✓ fits" in line(text, "iss")


def test_what_is_no_token_at_all_is_said_to_be_none(stack: Run) -> None:
    for nothing in ("abc", "", "a.b.c", "eyJ.eyJ.x"):
        text = lab.token(nothing, stack).text
        assert "✗ Refused here" in text
        assert "signature  – not looked at" in text


def test_a_token_is_found_in_a_response_and_in_a_request(stack: Run, forger: TestIssuer) -> None:
    raw = forger.token()
    carried = Request("POST", stack.server, (("authorization", f"Bearer {raw}"),))
    issued = Response(200, (), b'{"access_token": "' + raw.encode() + b'"}')
    for request, response in ((carried, None), (Request("POST", stack.bridge), issued)):
        exchange = Exchange("", "", "RFC 6750 §2.1", "client", "MCP server", request, response)
        assert "✓ fits" in line(lab.token(exchange, stack).text, "aud")
