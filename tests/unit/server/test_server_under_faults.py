"""The MCP server on a full disk, and with a clock that is off by five minutes."""

import sqlite3
from pathlib import Path

import pytest
from server_kit import ISSUER, NOW, READ, WRITE, running

from mcp_demo.server.contexts import Owner, SqliteContexts, StoreUnavailable

ALICE = Owner(ISSUER, "alice")
FIVE_MINUTES = 300


def full(store: SqliteContexts) -> None:
    """Let SQLite refuse to grow the file, as it does on a full disk."""
    database: sqlite3.Connection = store._database  # pyright: ignore[reportPrivateUsage]
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")


def test_on_a_full_disk_nothing_half_written_stays_and_reading_goes_on(tmp_path: Path) -> None:
    store = SqliteContexts(tmp_path / "contexts.sqlite")
    kept = store.add(ALICE, "kept", "text", 0)
    full(store)
    with pytest.raises(StoreUnavailable):
        store.add(ALICE, "lost", "x" * 100_000, 1)
    assert store.list(ALICE) == [kept]
    store.close()


async def test_who_writes_to_a_full_disk_is_told_that_nothing_was_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteContexts(tmp_path / "contexts.sqlite")

    def open_store(file: Path | None) -> SqliteContexts:
        return store

    monkeypatch.setattr("mcp_demo.server.app.SqliteContexts", open_store)
    async with running() as server:
        full(store)
        token = server.issuer.token(scope=f"{READ} {WRITE}")
        said: list[dict[str, object]] = []
        for number in range(12):  # the first few fit into the pages there are
            params = {"name": "add_context", "arguments": {"name": str(number), "text": "x" * 1500}}
            response = await server.call("tools/call", params, token=token)
            said.append(response.json()["result"])
        refused = [result for result in said if result.get("isError")]
        assert "nothing was changed" in str(refused[-1]["content"])
        kept = (await server.use("list_contexts", token))["contexts"]
        assert len(kept) == len(said) - len(refused)


@pytest.mark.parametrize(
    ("off", "since", "left", "status"),
    [
        (-FIVE_MINUTES, 0, 3600, 401),  # to this server the token is from the future
        (-FIVE_MINUTES, FIVE_MINUTES, 3300, 200),
        (FIVE_MINUTES, 0, 3600, 200),
        (FIVE_MINUTES, 3400, 200, 401),  # to this server it has ended already: a refresh gives a new one
    ],
)
async def test_a_server_whose_clock_is_off_refuses_what_it_cannot_place(
    off: int, since: int, left: int, status: int
) -> None:
    async with running() as server:
        server.now = NOW + off
        token = server.issuer.token(iat=int(NOW - since), nbf=None, exp=int(NOW + left))
        response = await server.call("tools/list", {}, token=token)
    assert response.status_code == status
    if status == 401:
        assert response.json()["error_description"].endswith(("has expired.", "issued in the future."))


async def test_a_leeway_of_five_minutes_makes_up_for_such_a_clock() -> None:
    async with running(leeway=FIVE_MINUTES) as server:
        for off in (-FIVE_MINUTES, FIVE_MINUTES - 1):
            server.now = NOW + off
            token = server.issuer.token(iat=int(NOW), nbf=None, exp=int(NOW + 1))
            assert (await server.call("tools/list", {}, token=token)).status_code == 200
