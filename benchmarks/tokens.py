"""Tokens that the load needs and nobody would issue now: one that ends soon, one with a key id that does not exist."""

import base64
import hashlib
import json
import secrets
import time
from functools import lru_cache
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import RSAKey

from benchmarks.visitor import claims_of
from mcp_demo.local.state import Run

_SINCE, _LEFT = 3400, 200


def aged(token: str, run: Run) -> str:
    """The token as if it had been issued almost an hour ago: good for some minutes, signed by the issuer's key."""
    path = run.state / "aws" / "cognito-pool-keys" / f"{run.issuer.rpartition('/')[2]}-access.pem"
    key = _read(path, path.stat().st_mtime_ns)
    now = int(time.time())
    times = {"iat": now - _SINCE, "auth_time": now - _SINCE, "exp": now + _LEFT, "jti": secrets.token_hex(16)}
    return jwt.encode({"alg": "RS256", "kid": key.kid}, {**claims_of(token), **times}, key, algorithms=["RS256"])


def with_strange_key(token: str) -> str:
    """The token with a made-up key id: nobody can tell whether it is good without looking for that key."""
    header = json.dumps({"alg": "RS256", "kid": secrets.token_urlsafe(32)}).encode()
    return ".".join([base64.urlsafe_b64encode(header).decode().rstrip("="), *token.split(".")[1:]])


@lru_cache(maxsize=2)
def _read(path: Path, changed: int) -> RSAKey:
    key = RSAKey.import_key(path.read_bytes())
    kid = base64.b64encode(hashlib.sha256(key.as_der(private=False)).digest()).decode("ascii")
    return RSAKey.import_key(path.read_bytes(), {"kid": kid})
