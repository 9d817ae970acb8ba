"""A verifier that remembers and one that never does are asked the same, whatever happens to keys and clocks."""

import asyncio
import random
from dataclasses import dataclass, field

import httpx
import pytest
from joserfc.jwk import RSAKey
from server_kit import ISSUER, NOW, READ, RESOURCE, WRITE, Issuer

from mcp_demo.oauth.access_token import AccessToken, Rules
from mcp_demo.oauth.unverified_token import TokenRejected
from mcp_demo.server.keys import KeysUnavailable, SigningKeys
from mcp_demo.server.verifier import TokenVerifier, TrustedIssuer

SECOND = "https://login.example.com/realms/demo"
STEPS = 1500


@dataclass
class World:
    """Two issuers, one of which grants less, and everything that can change."""

    chance: random.Random
    first: Issuer = field(default_factory=Issuer)
    second: Issuer = field(default_factory=Issuer)
    now: float = NOW
    age: float = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        return (self.first if str(request.url).startswith(ISSUER) else self.second).answer(request)

    def happen(self) -> None:
        """One thing changes."""
        issuer = self.chance.choice([self.first, self.second])
        match self.chance.randrange(6):
            case 0:
                issuer.rotate()
            case 1:
                issuer.published = self.chance.choice([[], [issuer.key], self.first.published, swapped(issuer)])
            case 2:
                issuer.reachable = self.chance.random() < 0.7
            case 3:
                self.age += self.chance.choice([1, 11, 40, 3601])
            case _:
                self.now = NOW + self.chance.choice([-121, -61, -60, -1, 0, 29, 30, 31, 59, 60, 61, 119, 120, 121])

    def tokens(self) -> list[str]:
        """Good tokens, those of other keys, and each of them spoiled."""
        made: list[str] = []
        for _ in range(2):
            for name, issuer in ((ISSUER, self.first), (SECOND, self.second)):
                for scope in (READ, f"{READ} {WRITE}"):
                    made += [issuer.token(iss=name, scope=scope, exp=NOW + more) for more in (30, 60, 120)]
                made.append(issuer.token(iss=name, nbf=NOW + 30, iat=NOW - 60))
            self.first.rotate()
            self.second.rotate()
        bodies = [token.rpartition(".") for token in made]
        return [*made, *(f"{body}.{bodies[place - 1][2]}" for place, (body, _, _) in enumerate(bodies))]


def swapped(issuer: Issuer) -> list[RSAKey]:
    """Another key under the id of the one that signs."""
    other = Issuer(issuer.key)
    other.rotate()
    return [RSAKey.import_key(other.key.as_dict(private=False) | {"kid": str(issuer.key.kid)})]


async def said(verifier: TokenVerifier, token: str) -> AccessToken | str:
    try:
        return await verifier.verify(token)
    except TokenRejected as error:
        return error.reason
    except KeysUnavailable:
        return "unavailable"


async def settle(trusted: list[TrustedIssuer]) -> None:
    """Let the renewal of keys that a look at them begins come to its end."""
    for one in trusted:
        for key_id in ("key-0", "key-1"):
            one.keys.known(key_id)
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_what_is_remembered_is_never_more_than_what_would_be_found_out_now(seed: int) -> None:
    world = World(random.Random(seed))
    tokens = world.tokens()
    verdicts: dict[str, int] = {}
    async with httpx.AsyncClient(transport=httpx.MockTransport(world.answer)) as http:
        trusted = [
            TrustedIssuer(
                Rules(name, RESOURCE, frozenset(granted), withheld=frozenset({READ, WRITE}) - granted, leeway=leeway),
                SigningKeys(f"{name}/jwks.json", http, clock=lambda: world.age),
            )
            for name, granted, leeway in ((ISSUER, {READ, WRITE}, 0), (SECOND, {READ}, 30))
        ]
        remembering = TokenVerifier(trusted, lambda: world.now)
        for _ in range(STEPS):
            if world.chance.random() < 0.3:
                world.happen()
            await settle(trusted)
            token = world.chance.choice(tokens)
            found = await asyncio.gather(*(said(remembering, token) for _ in range(world.chance.choice([1, 1, 3]))))
            forgetful = await said(TokenVerifier(trusted, lambda: world.now), token)
            assert found == [forgetful] * len(found)
            name = forgetful if isinstance(forgetful, str) else "good"
            verdicts[name] = verdicts.get(name, 0) + 1
        await remembering.close()
    assert {"good", "signature", "expired", "not_yet_valid", "key"} <= set(verdicts), verdicts
