"""An issuer for the servers under load: one key, its JWKS URL, and as many tokens as a run needs."""

import json
import threading
import time
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jws
from joserfc.jwk import RSAKey

ISSUER = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Benchmark"
RESOURCE = "https://mcp.example.com/mcp"
"""Every server has this one resource identifier, so that all of them get the same tokens and the same requests."""

METADATA_PATH = "/.well-known/oauth-protected-resource/mcp"
SUBJECT = "5f0c7a3e-0000-4000-8000-00000000beef"


class Issuer:
    """Signs access tokens such as Cognito's."""

    def __init__(self) -> None:
        self._key = RSAKey.generate_key(2048, {"kid": "benchmark"}, private=True)
        self._issued_at = int(time.time())

    @property
    def jwks(self) -> dict[str, Any]:
        """The document at its JWKS URL."""
        return {"keys": [self._key.as_dict(private=False) | {"use": "sig", "alg": "RS256"}]}

    def token(self, number: int = 0) -> str:
        """A token of its own for each number."""
        return _sign(self._key.as_dict(private=True), self._issued_at, number)

    def tokens(self, count: int) -> list[str]:
        """Many tokens, none like another. Signing one takes half a millisecond, so both cores do it."""
        with ProcessPoolExecutor(2) as pool:
            sign = partial(_sign, self._key.as_dict(private=True), self._issued_at)
            return list(pool.map(sign, range(1, count + 1), chunksize=500))


def _sign(key: dict[str, Any], issued_at: int, number: int) -> str:
    claims = {
        "sub": SUBJECT,
        "token_use": "access",
        "scope": f"{RESOURCE}/read",
        "auth_time": issued_at,
        "iss": ISSUER,
        "exp": issued_at + 3600,
        "iat": issued_at,
        "version": 2,
        "jti": f"00000000-0000-4000-8000-{number:012d}",
        "client_id": "1example23456789abcdefghij",
        "username": "demo",
        "aud": RESOURCE,
    }
    return jws.serialize_compact({"alg": "RS256", "kid": "benchmark"}, json.dumps(claims), _key(json.dumps(key)))


_KEYS: dict[str, RSAKey] = {}


def _key(serialized: str) -> RSAKey:
    if serialized not in _KEYS:
        _KEYS[serialized] = RSAKey.import_key(json.loads(serialized))
    return _KEYS[serialized]


@contextmanager
def published(issuer: Issuer) -> Generator[str]:
    """The issuer's JWKS URL, while the context lasts."""
    document = json.dumps(issuer.jwks).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/jwks.json"
        server.shutdown()
