"""The bench of the notebook on tokens: present a token, judge it at any time, set up a second server.

Everything stays on this machine. Tokens can be forged because the embedded user pool's private key lies in the state
folder; of a pool on AWS nobody has it.
"""

import json
import secrets
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from conformance.issuer import TestIssuer, decode, encode
from conformance.mutants.matrix import MUTANTS
from conformance.mutants.reference import Lab, Loopback
from conformance.stack import issuer_of
from mcp_demo import cognito
from mcp_demo.client import mcp
from mcp_demo.client.browser import HeadlessBrowser
from mcp_demo.client.discovery import challenge_of
from mcp_demo.client.drive import from_httpx, to_httpx
from mcp_demo.client.events import Step
from mcp_demo.exchange.model import Exchange, Request
from mcp_demo.lab.asking import ask
from mcp_demo.local.browser import require
from mcp_demo.local.state import Run
from mcp_demo.oauth import access_token, pkce, unverified_token
from mcp_demo.oauth.access_token import AccessToken, Rules
from mcp_demo.oauth.token import TokenResponse, read_response
from mcp_demo.oauth.unverified_token import TokenRejected
from mcp_demo.server.app import create_app
from mcp_demo.server.keys import read_keys
from mcp_demo.settings import ServerSettings


def present(url: str, token: str, what: str = "a token", tool: str | None = None, **arguments: Any) -> Exchange:
    """Show a token to an MCP server: list its tools, or call one."""
    step = mcp.call_tool(url, tool, arguments) if tool else mcp.list_tools(url)
    named = replace(step.with_token(token), name=f"Present {what}", why="The same request as ever, with this token.")
    return _sent(named)


def answer(url: str, token: str, tool: str | None = None, **arguments: Any) -> str:
    """What an MCP server says to a token, in short."""
    response = present(url, token, "a token", tool, **arguments).response
    if response is None or response.status < 400:
        return f"{response.status if response else ''} with the {'data' if tool else 'list of tools'}"
    bearer = challenge_of(response)
    if bearer is None:
        return str(response.status)
    return f"{response.status} {bearer.parameters.get('error', '')} · {bearer.parameters.get('error_description', '')}"


def answers(url: str, tokens: Mapping[str, str]) -> dict[str, str]:
    """What an MCP server says to each of these tokens."""
    return {what: answer(url, token) for what, token in tokens.items()}


def edited(token: str, **claims: Any) -> str:
    """A token with other claims under the signature it had."""
    header, payload, signature = token.split(".")
    changed = {**json.loads(decode(payload)), **claims}
    return f"{header}.{encode(json.dumps(changed).encode()).decode()}.{signature}"


def published_keys(run: Run) -> Exchange:
    """Fetch the keys that the user pool publishes."""
    request = Request("GET", run.jwks_uri, (("accept", "application/json"),))
    why = "Everybody may read these keys: they can check a signature, and make none."
    return ask(run, Step("Fetch the public keys", why, "RFC 7517 §5", "MCP server", "user pool", "discovery", request))


def verify(run: Run, token: str, now: float | None = None) -> AccessToken:
    """What a token says, if the MCP server's rules allow to believe it; the server itself is not asked.

    Args:
        run: The running system.
        token: The token.
        now: When to look at it, in seconds since the epoch; now by default.

    Raises:
        TokenRejected: A rule is broken.
    """
    taken_apart = unverified_token.read(token)
    response = published_keys(run).response
    key = read_keys(response.body if response else b"").get(taken_apart.key_id)
    if key is None:
        raise TokenRejected("key")
    rules = Rules(run.issuer, run.server, frozenset(cognito.scopes(run.server)), run.audience)
    return access_token.verify(taken_apart, key, rules, time.time() if now is None else now)


def verdict(run: Run, token: str, now: float | None = None) -> str:
    """`verify` in words."""
    try:
        verify(run, token, now)
    except TokenRejected as error:
        return f"refused: {error.description}"
    return "accepted"


class Neighbour:
    """A second MCP server on this machine, with the same code and the same user pool, but an address of its own.

    Args:
        run: The running system, whose user pool it trusts.
        bugs: Names of planted bugs of the conformance suite to serve it with.

    Attributes:
        url: Its endpoint, which is its resource identifier.
        issuer: Makes tokens for it.
    """

    def __init__(self, run: Run, *bugs: str) -> None:
        planted = {mutant.name: mutant for mutant in MUTANTS}
        self._life = ExitStack()
        network = Loopback()
        port = self._life.enter_context(network.port())
        self.url = f"http://localhost:{port}/mcp"
        self.issuer: TestIssuer = replace(issuer_of(run), resource=self.url, scopes=cognito.scopes(self.url))
        app: Any = create_app(
            ServerSettings(
                mcp_url=self.url,
                authorization_servers=[run.bridge],
                issuer=run.issuer,
                jwks_uri=run.jwks_uri,
                audience=run.audience,
            )
        )
        for name in bugs:
            app = planted[name].wrap(app, Lab(self.url, self.issuer))
        self._life.enter_context(network.serving(port, app))

    def stop(self) -> str:
        """End it."""
        self._life.close()
        return f"{self.url} is gone."


def sign_in_at_the_pool(run: Run) -> TokenResponse:
    """Sign the demo user in at the user pool itself, without MCP or bridge, as an app that wants to know who comes."""
    back, verifier = f"{run.clients['static']}/callback", secrets.token_urlsafe(48)
    ask = {"response_type": "code", "client_id": run.client_id, "redirect_uri": back, "scope": "openid profile"}
    proof = {"code_challenge": pkce.challenge(verifier), "code_challenge_method": "S256", "state": "notebook"}
    browser = HeadlessBrowser(run.user.username, run.user.password, origins=[run.domain], executable=require())
    with ThreadPoolExecutor(1) as thread:  # a notebook has an event loop, beside which this browser cannot run
        address = f"{run.domain}/oauth2/authorize?{urlencode(ask | proof)}"
        returned = parse_qs(urlsplit(thread.submit(browser, address, back).result()).query)
    form = {"grant_type": "authorization_code", "code": returned["code"][0], "code_verifier": verifier}
    form |= {"client_id": run.client_id, "redirect_uri": back}
    response = httpx.post(f"{run.domain}/oauth2/token", data=form, trust_env=False, timeout=10)
    return read_response(response.status_code, response.json())


def _sent(step: Step) -> Exchange:
    with httpx.Client(timeout=10, trust_env=False) as http:
        return step.exchange(from_httpx(http.send(to_httpx(step.request))))
