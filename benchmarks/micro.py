"""Small things by themselves: verifying a token, reading a challenge, starting Python with the package."""

import asyncio
import json
import subprocess
import sys
import time
import timeit
from base64 import urlsafe_b64decode
from collections.abc import Callable
from statistics import median

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from benchmarks.issuer import ISSUER, RESOURCE, Issuer
from benchmarks.servers import SERVER_CORE, pinned
from mcp_demo.oauth import access_token, challenge, unverified_token
from mcp_demo.oauth.access_token import Rules
from mcp_demo.server.answers import Challenges
from mcp_demo.server.keys import SigningKeys, read_keys
from mcp_demo.server.operations import Operations
from mcp_demo.server.verifier import TokenVerifier, TrustedIssuer

_CALLS = 500


def microseconds(repeats: int) -> dict[str, float]:
    """What each takes, in microseconds: the best of some repeats, since noise only ever adds."""
    issuer = Issuer()
    token = issuer.token()
    key = read_keys(json.dumps(issuer.jwks).encode())["benchmark"]
    operations = Operations(RESOURCE)
    rules = Rules(ISSUER, RESOURCE, frozenset(operations.all))
    pyjwt_key = jwt.PyJWK.from_dict(issuer.jwks["keys"][0])
    signed, _, signature = token.rpartition(".")
    value = dict(Challenges(RESOURCE, operations).no_credentials.headers)[b"www-authenticate"].decode()
    parts = (urlsafe_b64decode(f"{signature}=="), signed.encode(), PKCS1v15(), SHA256())
    timed: dict[str, Callable[[], object]] = {
        "RSA alone (cryptography)": lambda: pyjwt_key.key.verify(*parts),
        "token, all our rules": lambda: access_token.verify(unverified_token.read(token), key, rules, time.time()),
        "token, PyJWT with a parsed key": lambda: jwt.decode(
            token, pyjwt_key, algorithms=["RS256"], audience=RESOURCE, issuer=ISSUER
        ),
        "challenge, read": lambda: challenge.parse_bearer([value]),
    }
    found = {
        name: min(timeit.repeat(function, number=_CALLS, repeat=repeats, timer=time.process_time)) / _CALLS * 1e6
        for name, function in timed.items()
    }
    return found | {"token, seen before": asyncio.run(_remembered(issuer, rules, token, repeats))}


async def _remembered(issuer: Issuer, rules: Rules, token: str, repeats: int) -> float:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=issuer.jwks))
    async with httpx.AsyncClient(transport=transport) as http:
        verifier = TokenVerifier([TrustedIssuer(rules, SigningKeys("http://localhost/jwks.json", http))])
        await verifier.verify(token)
        best = float("inf")
        for _ in range(repeats):
            begun = time.process_time()
            for _ in range(_CALLS):
                await verifier.verify(token)
            best = min(best, time.process_time() - begun)
    return best / _CALLS * 1e6


def seconds_to_start(repeats: int) -> dict[str, float]:
    """How long a fresh interpreter takes, by the clock on the wall: medians, that of the interpreter alone included."""
    commands = {
        "python -c pass": ["-c", "pass"],
        "python -c 'import mcp_demo'": ["-c", "import mcp_demo"],
        "mcp-demo --help": ["-m", "mcp_demo.cli", "--help"],
    }
    return {
        name: median(_wall([sys.executable, *arguments]) for _ in range(repeats))
        for name, arguments in commands.items()
    }


def _wall(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, preexec_fn=pinned(SERVER_CORE))
    return time.perf_counter() - begun
