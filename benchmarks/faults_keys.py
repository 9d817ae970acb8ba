"""Keys that are replaced or lost while the system runs: those of the bridge's envelopes, and the issuer's own."""

import asyncio
import secrets
import time

from joserfc.jwk import RSAKey

from benchmarks.faults import Made, Make, System, start_again
from benchmarks.faults_between import NOT_FOUND, is_jwks
from benchmarks.relay import Rule
from mcp_demo.deploy.files import write_private
from mcp_demo.local import children

_LOOK_AGAIN = 10.5  # the MCP server looks for unknown keys once in ten seconds, three times at first
_NOTICED = 8.0


def envelope_keys(*, lost: bool) -> Make:
    """A new envelope key, in front of those there are or instead of them; the bridge reads it at its next start."""

    async def make(system: System, seconds: float) -> Made:
        path = system.run.state / "env" / "bridge.env"
        lines = path.read_text(encoding="utf-8").splitlines()
        at = next(index for index, line in enumerate(lines) if line.startswith("MCP_DEMO_ENVELOPE_KEYS="))
        old = lines[at].partition("=")[2].strip("'[]")
        keys = f'"{secrets.token_urlsafe(32)}"' + ("" if lost else f",{old}")
        lines[at] = f"MCP_DEMO_ENVELOPE_KEYS='[{keys}]'"
        write_private(path, "\n".join(lines) + "\n")
        await asyncio.to_thread(start_again, [system.part("bridge")])
        return {"times": 1}

    return make


async def signing_keys(system: System, seconds: float) -> Made:
    """The issuer signs with new keys; those before stay published. Lasts until the MCP server has looked for them."""
    await _may_look(system)
    await asyncio.to_thread(rotate, system)
    return {"times": 1, "key sets fetched for it": await _looked(system)}


async def signing_keys_unpublished(system: System, seconds: float) -> Made:
    """The same while the JWKS cannot be had."""
    await _may_look(system)
    with system.relays["aws"].by(Rule(is_jwks, NOT_FOUND)) as rule:
        await asyncio.to_thread(rotate, system)
        await asyncio.sleep(seconds)
    return {"times": 1, **rule.made}


def rotate(system: System) -> None:
    """Replace both signing keys of the user pool. The domain signs with them once it was started again."""
    domain, pool = system.part("domain"), system.run.issuer.rpartition("/")[2]
    keys = [RSAKey.generate_key(2048).as_pem(private=True).decode() for _ in range(2)]
    children.stop([domain])
    for use, key in zip(("access", "id"), keys, strict=True):
        write_private(system.run.state / "aws" / "cognito-pool-keys" / f"{pool}-{use}.pem", key)
    start_again([domain])


async def _may_look(system: System) -> None:
    """Wait until the MCP server may look for keys: a rotation in the wake of another fault is not what is shown."""
    wait = system.relays["aws"].documents.get("jwks.json", 0.0) + _LOOK_AGAIN - time.monotonic()
    await asyncio.sleep(max(0.0, wait))


async def _looked(system: System) -> int:
    """Whether the MCP server fetched the keys since a moment ago."""
    began = time.monotonic()
    while time.monotonic() - began < _NOTICED:
        if system.relays["aws"].documents.get("jwks.json", 0.0) > began - 2:
            return 1
        await asyncio.sleep(0.1)
    return 0
