"""Real clients, as they register and ask, from first request to a refreshed token over a real user pool.

What each sends is taken from its documentation and from traffic that others recorded (2026-11).
"""

import json
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from bridge_login import Person, another_bridge, claims, refused
from joserfc.jwk import ECKey

from mcp_demo.local.state import Run
from mcp_demo.oauth import client_assertion
from mcp_demo.oauth.errors import InvalidRedirectUri
from mcp_demo.registry.model import Client
from mcp_demo.registry.policy import Policy

BOTH = ["authorization_code", "refresh_token"]
KEY = ECKey.generate_key("P-256", {"kid": "k1"})


@dataclass(frozen=True)
class Persona:
    """A client: what it registers or publishes, where it wants the response, and what its request looks like.

    Args:
        name: As pytest shows it.
        metadata: The body of its registration, or its document.
        redirect_uri: The one it uses at run time.
        document: The URL of its document; None if it registers.
        request: What differs from the plain request; None leaves a parameter out.
        scope: What the token carries in the end: "read" or "both".
    """

    name: str
    metadata: dict[str, Any]
    redirect_uri: str
    document: str | None = None
    request: dict[str, str | None] = field(default_factory=dict[str, str | None])
    scope: str = "both"


CLAUDE_CODE = {
    "client_name": "Claude Code",
    "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
    "grant_types": BOTH,
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}
CLAUDE_AI = {
    "client_name": "Claude",
    "client_uri": "https://claude.ai",
    "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
    "grant_types": BOTH,
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}
CURSOR = {
    "client_name": "Cursor",
    "redirect_uris": [
        "http://localhost:8787/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback",
    ],
    "grant_types": BOTH,
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "application_type": "web",
}
VS_CODE = {
    "client_name": "Visual Studio Code",
    "client_uri": "https://code.visualstudio.com",
    "redirect_uris": ["http://127.0.0.1:33418/", "http://127.0.0.1/", "https://vscode.dev/redirect"],
    "grant_types": BOTH,
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "application_type": "native",
}
INSPECTOR = {
    "client_name": "MCP Inspector",
    "client_uri": "https://github.com/modelcontextprotocol/inspector",
    "redirect_uris": ["http://localhost:6274/oauth/callback", "http://localhost:6274/oauth/callback/debug"],
    "grant_types": BOTH,
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "scope": "",
}
CODEX = {**CLAUDE_CODE, "client_name": "Codex", "redirect_uris": ["http://127.0.0.1/callback"]}
CODE_DOCUMENT = "https://claude.ai/oauth/claude-code-client-metadata"
CHATGPT_DOCUMENT = "https://chatgpt.com/oauth/client.json"

PERSONAS = [
    Persona("claude-code-cimd", CLAUDE_CODE, "http://localhost:54321/callback", CODE_DOCUMENT),
    Persona(
        "claude-code-offline", CLAUDE_CODE, "http://127.0.0.1:54321/callback", CODE_DOCUMENT, {"scope": "+offline"}
    ),
    Persona("claude-code-no-scope", CLAUDE_CODE, "http://localhost:1024/callback", None, {"scope": None}, "read"),
    Persona("claude-ai-dcr", CLAUDE_AI, "https://claude.ai/api/mcp/auth_callback"),
    Persona("claude-ai-cimd", CLAUDE_AI, "https://claude.ai/api/mcp/auth_callback", "https://claude.ai/oauth/mcp.json"),
    Persona("vscode-loopback", VS_CODE, "http://127.0.0.1:49152/"),
    Persona("vscode-web", VS_CODE, "https://vscode.dev/redirect"),
    Persona("cursor-private-scheme", CURSOR, "cursor://anysphere.cursor-mcp/oauth/callback"),
    Persona("cursor-loopback", CURSOR, "http://localhost:8787/callback"),
    Persona("inspector", INSPECTOR, "http://localhost:6274/oauth/callback"),
    Persona("inspector-debug", INSPECTOR, "http://localhost:6274/oauth/callback/debug"),
    Persona("codex", CODEX, "http://127.0.0.1:1455/callback"),
    Persona("openid-habits", CLAUDE_AI, "https://claude.ai/api/mcp/auth_callback", None, {"scope": "+openid"}),
    Persona("no-resource", CODEX, "http://127.0.0.1:1455/callback", None, {"resource": None}),
]


@asynccontextmanager
async def person_with(run: Run, persona: Persona) -> AsyncGenerator[Person]:
    """A person whose client registered, or published, as this one does."""
    if persona.document:
        document = {**persona.metadata, "client_id": persona.document}
        pinned = json.dumps({persona.document: document})
        async with another_bridge(run, pinned_documents=pinned) as http:
            yield Person(run, persona.document, persona.redirect_uri, http=http)
        return
    policy = Policy(scopes=(f"{run.server}/read", f"{run.server}/write"), private_schemes=("cursor",))
    client = Client.from_metadata("dcr_1", policy.admit(persona.metadata), source="dcr")
    async with another_bridge(run, client) as http:
        yield Person(run, client.client_id, persona.redirect_uri, http=http)


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.name)
async def test_a_real_client_gets_in_and_stays_in(stack: Run, persona: Persona) -> None:
    async with person_with(stack, persona) as person:
        both = f"{person.read} {person.write}"
        habits = {"+offline": f"{both} offline_access", "+openid": f"openid profile email {both}"}
        request = {name: habits.get(value or "", value) for name, value in persona.request.items()}
        issued = await person.tokens(**request)
        assert set(issued["scope"].split()) == (
            {person.read} if persona.scope == "read" else {person.read, person.write}
        )
        assert claims(issued["access_token"])["aud"] == stack.server
        again = await person.refresh(issued["refresh_token"], resource=stack.server, scope=issued["scope"])
        assert again.status_code == 200, again.text


async def test_chatgpt_authenticates_by_key_and_compares_the_issuer_exactly(stack: Run) -> None:
    document: dict[str, Any] = {
        **CLAUDE_AI,
        "client_id": CHATGPT_DOCUMENT,
        "client_name": "ChatGPT",
        "redirect_uris": ["https://chatgpt.com/connector_platform_oauth_redirect"],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [KEY.as_dict(private=False)]},
    }
    async with another_bridge(stack, pinned_documents=json.dumps({CHATGPT_DOCUMENT: document})) as http:
        person = Person(stack, CHATGPT_DOCUMENT, document["redirect_uris"][0], http=http)
        metadata = (await http.get(f"{stack.bridge}/.well-known/oauth-authorization-server")).json()
        assert metadata["issuer"] == stack.bridge
        assert "private_key_jwt" in metadata["token_endpoint_auth_methods_supported"]
        code = await person.code()  # checks that `iss` equals the issuer to the letter
        signed = client_assertion.sign(
            KEY, client_id=CHATGPT_DOCUMENT, issuer=metadata["issuer"], token_id=secrets.token_hex(8), now=time.time()
        )
        refused(await person.exchange(code), "invalid_client", 401)
        assert (await person.exchange(code, **client_assertion.form(signed))).status_code == 200


async def test_a_dead_refresh_token_says_invalid_grant_so_that_claude_signs_in_again(stack: Run) -> None:
    async with person_with(stack, PERSONAS[3]) as person:
        issued = await person.tokens()
        await person.post({"token": issued["refresh_token"], "client_id": person.client_id}, "/revoke")
        for dead in (issued["refresh_token"], "not-even-ours", issued["access_token"]):
            refused(await person.refresh(dead))


def test_cursors_private_scheme_does_not_cost_it_the_other_addresses() -> None:
    policy = Policy(scopes=("s",))
    assert policy.admit(CURSOR).redirect_uris == (
        "http://localhost:8787/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
    )
    with pytest.raises(InvalidRedirectUri):
        policy.admit({**CURSOR, "redirect_uris": ["cursor://anysphere.cursor-mcp/oauth/callback"]})


async def test_the_inspector_reads_every_answer_from_its_own_origin(stack: Run) -> None:
    origin = {"origin": "http://localhost:6274"}
    async with person_with(stack, PERSONAS[9]) as person:
        code = await person.code()
        bad = await person.post({"grant_type": "authorization_code", "code": "x", "client_id": "dcr_1"}, headers=origin)
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": "dcr_1",
            "code_verifier": person.verifier,
        }
        good = await person.post(form, headers=origin)
    assert (bad.status_code, good.status_code) == (400, 200)
    for response in (bad, good):
        assert response.headers["access-control-allow-origin"] == "*"
