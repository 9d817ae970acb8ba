"""A company whose people sign in with an OpenID Connect provider of its own."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from joserfc import jwt
from joserfc.jwk import RSAKey
from on_a_port import serving

from mcp_demo.oauth import pkce

SECRET = "s3cret"
"""What the pool shows to the provider."""


class Company:
    """An OpenID Connect provider whose people are always signed in. It checks what a provider has to."""

    def __init__(self) -> None:
        self.url, self.key = "", RSAKey.generate_key(2048, {"kid": "k"})
        self._codes = dict[str, dict[str, str]]()
        self.app = FastAPI()
        self.app.get("/.well-known/openid-configuration")(self.metadata)
        self.app.get("/authorize")(self.authorize)
        self.app.post("/token")(self.token)
        self.app.get("/keys")(lambda: {"keys": [self.key.as_dict(private=False)]})

    def metadata(self) -> dict[str, str]:
        ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return {"issuer": self.url, **{name: f"{self.url}/{path}" for name, path in ends.items()}}

    def authorize(self, request: Request) -> RedirectResponse:
        asked, code = dict(request.query_params), uuid4().hex
        self._codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?code={code}&state={asked['state']}", status_code=302)

    async def token(self, request: Request) -> dict[str, str]:
        form = {name: str(value) for name, value in (await request.form()).items()}
        asked = self._codes.pop(form["code"])
        assert (form["client_id"], form["client_secret"]) == ("the-pool", SECRET)
        assert pkce.challenge(form["code_verifier"]) == asked["code_challenge"]
        now = int(time.time())
        claims = {"iss": self.url, "aud": "the-pool", "sub": "ada-42", "exp": now + 300, "nonce": asked["nonce"]}
        claims |= {"email": "ada@company.example", "email_verified": True, "name": "Ada"}
        return {"id_token": jwt.encode({"alg": "RS256", "kid": "k"}, claims, self.key)}


@contextmanager
def working_company() -> Generator[Company]:
    """The provider at work, for the length of a `with` block."""
    made = Company()
    with serving(made.app) as made.url:
        yield made
