"""What a client does, and what its person reads, when servers are busy, clocks differ or the disk is full."""

import email.utils
import subprocess
import sys
from pathlib import Path

import anyio
import httpx
import pytest
from client_world import AS, PRM, REDIRECT, RS, World

from mcp_demo.client import mcp
from mcp_demo.client.auth import OAuth
from mcp_demo.client.drive import drive, drive_sync
from mcp_demo.client.engine import Engine
from mcp_demo.client.errors import DiscoveryFailed, RegistrationFailed, StoreUnavailable, explain
from mcp_demo.client.registration import Identity
from mcp_demo.client.storage import FileStore, Vault
from mcp_demo.oauth.errors import ErrorResponse


class Waits:
    """Counts how long somebody slept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds: list[float] = []
        monkeypatch.setattr(anyio, "sleep", self.sleep)
        monkeypatch.setattr("time.sleep", self.seconds.append)

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    return Waits(monkeypatch)


def busy(world: World, url: str, times: int, *, status: int = 429, after: str | None = "3") -> None:
    """Let an endpoint say that it is busy, so many times."""
    left = times
    headers = {} if after is None else {"retry-after": after}

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal left
        if not left:
            del world.override[url]
            return world.answer(request)
        left -= 1
        return httpx.Response(status, json={"error": "temporarily_unavailable"}, headers=headers)

    world.override[url] = answer


def engine(store: FileStore | None = None) -> Engine:
    return Engine(RS, Identity(), REDIRECT, Vault(store))


async def call(world: World, subject: Engine | None = None) -> int:
    async with world.http() as http:
        return (await drive((subject or engine()).send(mcp.list_tools(RS)), http, world.sign_in)).status


@pytest.mark.parametrize("url", [PRM, f"{AS}/register", f"{AS}/token", RS])
@pytest.mark.parametrize("status", [429, 503])
async def test_who_is_told_when_to_come_back_comes_back_then_and_not_before(
    url: str, status: int, waits: Waits
) -> None:
    world = World()
    busy(world, url, 2, status=status)
    assert await call(world) == 200
    assert waits.seconds == [3, 3]


@pytest.mark.parametrize(
    ("url", "party"), [(PRM, "MCP server"), (f"{AS}/.well-known/oauth-authorization-server", "authorization server")]
)
async def test_a_party_that_is_out_of_service_is_named_with_its_status(url: str, party: str, waits: Waits) -> None:
    world = World()
    world.override[url] = lambda _: httpx.Response(502, json={"message": "Internal Server Error"})
    with pytest.raises(DiscoveryFailed, match=f"{party}.* 502"):
        await call(world)


@pytest.mark.parametrize("body", [b'{"message":"Internal server error"}', b"", b"<h1>Sorry</h1>", b'{"error":""}'])
@pytest.mark.parametrize("status", [429, 502, 504])
async def test_a_registration_api_that_is_out_of_service_has_not_refused_anybody(
    status: int, body: bytes, waits: Waits
) -> None:
    world = World()
    world.override[f"{AS}/register"] = lambda _: httpx.Response(status, content=body)
    with pytest.raises(RegistrationFailed, match=f"{AS} cannot register clients now: it answers {status}"):
        await call(world)
    assert waits.seconds == []


async def test_a_busy_registration_api_is_called_busy_in_its_own_words(waits: Waits) -> None:
    world = World()
    said = {"error": "temporarily_unavailable", "error_description": "Too many requests. Wait a moment."}
    world.override[f"{AS}/register"] = lambda _: httpx.Response(429, json=said)
    with pytest.raises(RegistrationFailed) as failed:
        await call(world)
    words = "it answers 429, temporarily_unavailable Too many requests. Wait a moment."
    assert str(failed.value).startswith(f"{AS} cannot register clients now: {words}")
    assert ".." not in str(failed.value)


def test_without_an_event_loop_the_wait_is_the_same(waits: Waits) -> None:
    world = World()
    busy(world, f"{AS}/token", 1)
    with world.http_sync() as http:
        assert drive_sync(engine().send(mcp.list_tools(RS)), http, world.sign_in).status == 200
    assert waits.seconds == [3]


async def test_inside_httpx_the_wait_is_the_same(waits: Waits) -> None:
    world = World()
    busy(world, f"{AS}/register", 1)
    async with world.http() as http:
        step = mcp.list_tools(RS).request
        auth = OAuth(engine(), world.sign_in)
        answer = await http.post(RS, headers=list(step.headers), content=step.body, auth=auth)
    assert answer.status_code == 200
    assert waits.seconds == [3]


@pytest.mark.parametrize("after", [None, "11", "9" * 5000, "soon", "-1", email.utils.formatdate(4e9, usegmt=True)])
async def test_nobody_comes_back_uninvited_or_waits_longer_than_a_person_would(after: str | None, waits: Waits) -> None:
    world = World()
    busy(world, f"{AS}/register", 1, after=after)
    with pytest.raises(RegistrationFailed):
        await call(world)
    assert waits.seconds == []


async def test_a_server_that_stays_busy_is_left_alone_and_named(waits: Waits) -> None:
    world = World()
    busy(world, f"{AS}/token", 9)
    with pytest.raises(ErrorResponse) as refused:
        await call(world)
    assert waits.seconds == [3, 3]
    layer, what, cure = explain(refused.value)
    assert layer == "authorization server"
    assert "busy" in what
    assert cure


_FULL = """
import resource, sys
from pathlib import Path
from mcp_demo.client.errors import StoreUnavailable
from mcp_demo.client.storage import FileStore
store = FileStore(Path(sys.argv[1]))
store.put("a", "kept")
resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))  # no file grows beyond: as on a full disk
try:
    store.put("b", "x" * 4096)
except StoreUnavailable as error:
    print(error, error.cure)
"""


def test_on_a_full_disk_what_was_kept_stays_and_nothing_half_written_is_left(tmp_path: Path) -> None:
    file = tmp_path / "store" / "grants.json"
    said = subprocess.run(
        [sys.executable, "-c", _FULL, str(file)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "File too large" in said.stdout
    assert "Make room" in said.stdout
    assert FileStore(file).get("a") == "kept"
    assert list(file.parent.iterdir()) == [file]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="file/grants"):
        FileStore(tmp_path / "file" / "grants").put("a", "b")
