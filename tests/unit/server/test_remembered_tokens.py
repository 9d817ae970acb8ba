"""A token that was good is not verified again, and yet ends when it should."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey
from server_kit import ISSUER, NOW, READ, RESOURCE, WRITE, Issuer

from mcp_demo.oauth import unverified_token
from mcp_demo.oauth.access_token import Rules
from mcp_demo.oauth.unverified_token import TokenRejected, Unverified
from mcp_demo.server import verifier as verifier_module
from mcp_demo.server.keys import KeysUnavailable, SigningKeys
from mcp_demo.server.verifier import TokenVerifier, TrustedIssuer

SECOND = "https://login.example.com/realms/demo"


@dataclass
class Verifying:
    """A verifier of two issuers that share a key server, its clock, and how many tokens it has taken apart."""

    issuer: Issuer
    verifier: TokenVerifier
    now: float = NOW
    age: float = 0
    taken_apart: int = 0


@pytest.fixture
async def verifying(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Verifying]:
    issuer = Issuer()
    made: list[Verifying] = []
    async with httpx.AsyncClient(transport=httpx.MockTransport(issuer.answer)) as http:
        trusted = [
            TrustedIssuer(
                Rules(name, RESOURCE, frozenset({READ, WRITE})),
                SigningKeys(f"{name}/jwks.json", http, clock=lambda: made[0].age if made else 0),
            )
            for name in (ISSUER, SECOND)
        ]
        made.append(Verifying(issuer, TokenVerifier(trusted, lambda: made[0].now)))
        monkeypatch.setattr(unverified_token, "read", _counting(unverified_token.read, made[0]))
        yield made[0]
        await made[0].verifier.close()


def _counting(function: Callable[[str], Unverified], verifying: Verifying) -> Callable[[str], Unverified]:
    def counted(token: str) -> Unverified:
        verifying.taken_apart += 1
        return function(token)

    return counted


async def refusal(verifying: Verifying, token: str) -> str:
    with pytest.raises(TokenRejected) as refused:
        await verifying.verifier.verify(token)
    return refused.value.reason


async def test_a_good_token_is_taken_apart_once(verifying: Verifying) -> None:
    token = verifying.issuer.token()
    callers = [await verifying.verifier.verify(token) for _ in range(5)]
    assert verifying.taken_apart == 1
    assert len(set(callers)) == 1
    assert callers[0].subject == "alice"


async def test_a_bad_token_is_never_remembered(verifying: Verifying) -> None:
    token = verifying.issuer.token(aud="https://other.example.com/mcp")
    assert [await refusal(verifying, token) for _ in range(3)] == ["audience"] * 3
    assert verifying.taken_apart == 3


async def test_a_remembered_token_ends_at_exp(verifying: Verifying) -> None:
    token = verifying.issuer.token()
    await verifying.verifier.verify(token)
    verifying.now = NOW + 59.999
    await verifying.verifier.verify(token)
    verifying.now = NOW + 60
    assert await refusal(verifying, token) == "expired"
    assert await refusal(verifying, token) == "expired"


@pytest.mark.parametrize(
    ("claim", "value", "reason"), [("nbf", NOW, "not_yet_valid"), ("iat", NOW, "issued_in_future")]
)
async def test_a_clock_that_is_set_back_ends_a_remembered_token(
    verifying: Verifying, claim: str, value: float, reason: str
) -> None:
    claims: dict[str, Any] = {"iat": None, claim: value}
    token = verifying.issuer.token(**claims)
    await verifying.verifier.verify(token)
    verifying.now = NOW - 61
    assert await refusal(verifying, token) == reason


async def test_a_withdrawn_key_ends_the_tokens_it_verified(verifying: Verifying) -> None:
    token = verifying.issuer.token()
    await verifying.verifier.verify(token)
    verifying.issuer.rotate()
    await verifying.verifier.verify(verifying.issuer.token())  # an unknown key id: the set is fetched again
    assert await refusal(verifying, token) == "key"


async def test_another_key_under_the_same_id_ends_the_tokens_of_the_first(verifying: Verifying) -> None:
    token = verifying.issuer.token()
    await verifying.verifier.verify(token)
    old = verifying.issuer.key
    verifying.issuer.rotate()
    n, e = (verifying.issuer.key.as_dict(private=False)[name] for name in ("n", "e"))
    verifying.issuer.published = [RSAKey.import_key({"kty": "RSA", "n": str(n), "e": str(e), "kid": old.kid or ""})]
    with pytest.raises(TokenRejected):
        await verifying.verifier.verify(verifying.issuer.token({"kid": "unknown"}))
    assert await refusal(verifying, token) == "signature"


async def test_an_outage_of_the_issuer_does_not_end_remembered_tokens(verifying: Verifying) -> None:
    token = verifying.issuer.token()
    await verifying.verifier.verify(token)
    verifying.issuer.reachable = False
    assert (await verifying.verifier.verify(token)).subject == "alice"
    with pytest.raises(KeysUnavailable):
        await verifying.verifier.verify(verifying.issuer.token({"kid": "unknown"}))


async def test_remembered_tokens_renew_an_old_set_of_keys_too(verifying: Verifying) -> None:
    token = verifying.issuer.token()
    await verifying.verifier.verify(token)
    verifying.issuer.rotate()
    verifying.age = 3601
    await verifying.verifier.verify(token)
    with pytest.raises(TokenRejected) as refused:
        async with asyncio.timeout(5):
            while True:
                await verifying.verifier.verify(token)
                await asyncio.sleep(0)
    assert refused.value.reason == "key"


async def test_only_the_latest_are_remembered(verifying: Verifying, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier_module, "MAX_REMEMBERED", 2)
    first, second, third = (verifying.issuer.token(jti=str(number)) for number in range(3))
    for token in (first, second, first, third):
        await verifying.verifier.verify(token)
    assert verifying.taken_apart == 3
    await verifying.verifier.verify(first)
    assert verifying.taken_apart == 3
    await verifying.verifier.verify(second)
    assert verifying.taken_apart == 4


async def test_what_is_remembered_shows_no_token(verifying: Verifying) -> None:
    token = verifying.issuer.token()
    await verifying.verifier.verify(token)
    kept = repr(vars(verifying.verifier))
    assert "alice" in kept
    assert not any(part in kept for part in token.split("."))


async def test_each_issuer_keeps_its_own_rules(verifying: Verifying) -> None:
    first, second = verifying.issuer.token(), verifying.issuer.token(iss=SECOND)
    for _ in range(2):
        assert (await verifying.verifier.verify(first)).issuer == ISSUER
        assert (await verifying.verifier.verify(second)).issuer == SECOND
    assert verifying.taken_apart == 2
