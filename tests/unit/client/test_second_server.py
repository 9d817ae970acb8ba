"""An MCP server that relies on several authorization servers: the client chooses, and mixes nothing."""

from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
from client_world import AS, REDIRECT, RS, World

from mcp_demo.client import mcp
from mcp_demo.client.choosing import ask_in_terminal, choose_issuer
from mcp_demo.client.drive import drive
from mcp_demo.client.engine import Engine, Policy
from mcp_demo.client.errors import DiscoveryFailed, IssuerChanged
from mcp_demo.client.registration import Identity
from mcp_demo.client.storage import MemoryStore, Vault

OTHER = "https://other.example"


class Worlds:
    """Two authorization servers behind one MCP server, which takes the tokens of both."""

    def __init__(self) -> None:
        self.first, self.second = World(), World(issuer=OTHER, serial=100)
        for world in (self.first, self.second):
            world.prm = {"authorization_servers": [AS, OTHER]}

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.first.tokens |= self.second.tokens
        ours = str(request.url).startswith(OTHER)
        return (self.second if ours else self.first).answer(request)

    def sign_in(self, url: str, redirect_uri: str) -> str:
        return (self.second if url.startswith(OTHER) else self.first).sign_in(url, redirect_uri)

    async def call(self, engine: Engine) -> int:
        async with httpx.AsyncClient(transport=httpx.MockTransport(self.answer)) as http:
            return (await drive(engine.send(mcp.list_tools(RS)), http, self.sign_in)).status

    def expire(self) -> None:
        self.first.expire()
        self.second.expire()


def engine(vault: Vault | None = None, identity: Identity | None = None, **policy: Any) -> Engine:
    return Engine(RS, identity or Identity(), REDIRECT, vault, Policy(**policy), clock=lambda: 1_000_000.0)


def issuer_of(subject: Engine) -> str:
    held = subject.vault.grant(RS)
    assert held
    return held.issuer


def answering(issuer: str, asked: list[Sequence[str]]) -> Callable[[Sequence[str]], str]:
    def choose(offered: Sequence[str]) -> str:
        asked.append(offered)
        return issuer

    return choose


def nobody(offered: Sequence[str]) -> str:
    raise AssertionError("Somebody was asked to choose.")


async def test_a_preference_decides_and_nothing_reaches_the_other_server() -> None:
    worlds, subject = Worlds(), engine(issuers=("https://absent.example", OTHER), choose=nobody)
    assert await worlds.call(subject) == 200
    assert issuer_of(subject) == OTHER
    assert not worlds.first.requests(AS)


async def test_existing_credentials_decide_where_there_is_no_preference() -> None:
    worlds, vault = Worlds(), Vault()
    await worlds.call(engine(vault, issuers=(OTHER,)))
    vault.forget_grant(RS)
    again = engine(vault, choose=nobody)
    assert await worlds.call(again) == 200
    assert issuer_of(again) == OTHER
    assert len(worlds.second.requests("/register")) == 1


async def test_the_person_is_asked_once_and_the_answer_is_kept() -> None:
    worlds, asked = Worlds(), list[Sequence[str]]()
    subject = engine(choose=answering(OTHER, asked))
    assert await worlds.call(subject) == 200
    worlds.expire()
    worlds.second.refreshes.clear()
    worlds.second.required = worlds.first.required = {"read", "write"}
    assert await worlds.call(subject) == 200
    assert asked == [(AS, OTHER)]
    assert issuer_of(subject) == OTHER
    assert not worlds.first.requests(AS)


async def test_without_anybody_to_ask_the_first_server_is_taken() -> None:
    worlds, subject = Worlds(), engine()
    assert await worlds.call(subject) == 200
    assert issuer_of(subject) == AS


async def test_an_answer_that_is_not_offered_leads_nowhere() -> None:
    worlds = Worlds()
    with pytest.raises(DiscoveryFailed):
        await worlds.call(engine(choose=answering("https://evil.example", [])))
    assert not worlds.first.requests("evil.example")


async def test_what_one_server_gave_out_is_never_shown_to_the_other() -> None:
    worlds, vault = Worlds(), Vault()
    await worlds.call(engine(vault, issuers=(AS,)))
    old, registered = vault.grant(RS), vault.registration(AS)
    assert old and old.refresh_token and registered
    worlds.expire()
    assert await worlds.call(engine(vault, issuers=(OTHER,))) == 200
    told = "".join(f"{one.url} {one.headers} {one.content!r}" for one in worlds.second.log)
    for secret in (old.access_token, old.refresh_token, registered.client_id):
        assert secret not in told
    fresh = vault.registration(OTHER)
    assert vault.registration(AS) == registered
    assert fresh and fresh.client_id != registered.client_id


async def test_credentials_of_one_server_lead_there_whatever_is_preferred() -> None:
    worlds = Worlds()
    mine = Identity(client_id="mine", client_secret="hidden", issuer=AS)
    subject = engine(identity=mine, issuers=(OTHER,), choose=nobody)
    assert await worlds.call(subject) == 200
    assert issuer_of(subject) == AS
    assert not worlds.second.log


async def test_credentials_of_one_server_are_not_tried_where_it_is_not_offered() -> None:
    worlds = Worlds()
    for world in (worlds.first, worlds.second):
        world.prm = {"authorization_servers": [OTHER]}
    with pytest.raises(IssuerChanged):
        await worlds.call(engine(identity=Identity(client_id="mine", issuer=AS)))
    assert "mine" not in str([one.url for one in worlds.second.log])


def test_credentials_at_several_servers_leave_the_choice_to_the_person() -> None:
    offered = (AS, OTHER)
    assert choose_issuer(offered, known=lambda issuer: True, ask=lambda them: them[1]) == OTHER
    assert choose_issuer(offered, known=lambda issuer: True) == AS
    assert choose_issuer(offered, held=[OTHER], known=lambda issuer: True, ask=nobody) == OTHER
    assert choose_issuer((AS,), ask=nobody) == AS


def test_the_terminal_asks_until_the_answer_is_a_number_of_the_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(["", "3", OTHER, "0", " 2 "])

    monkeypatch.setattr("builtins.input", lambda: next(answers))
    assert ask_in_terminal((AS, OTHER)) == OTHER
    said = capsys.readouterr()
    assert f"2. {OTHER}" in said.err
    assert said.out == ""  # it belongs to the result


@pytest.mark.parametrize(
    "hostile", [f"{OTHER}/\n  1. {AS}", f"{OTHER}/\x1b[2J", f"{OTHER}/\r  2. {AS}", f"{OTHER}/\u202e"]
)
def test_no_name_of_a_server_disguises_the_question(
    hostile: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("builtins.input", lambda: "2")
    assert ask_in_terminal((AS, hostile)) == hostile
    lines = capsys.readouterr().err.split("\n")
    assert lines[1] == f"  1. {AS}"
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)


async def test_a_client_of_one_server_goes_to_no_other() -> None:
    worlds = Worlds()
    assert await worlds.call(subject := engine(identity=Identity(issuer=OTHER))) == 200
    assert issuer_of(subject) == OTHER
    with pytest.raises(IssuerChanged):
        await worlds.call(engine(identity=Identity(issuer="https://absent.example")))
    assert not worlds.first.requests("/register")


async def test_registrations_that_others_use_too_do_not_decide_for_a_person() -> None:
    worlds, shared, asked = Worlds(), MemoryStore(), list[Sequence[str]]()
    await worlds.call(engine(Vault(MemoryStore(), shared), issuers=(AS,)))
    someone_else = engine(Vault(MemoryStore(), shared), choose=answering(OTHER, asked))
    await worlds.call(someone_else)
    assert (asked, issuer_of(someone_else)) == ([(AS, OTHER)], OTHER)
