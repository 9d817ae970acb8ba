from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from registration_harness import CALLBACK, Deployed, deployed

from mcp_demo.registry.composition import FixedRegistry, Registries
from mcp_demo.registry.dynamodb import COUNTER, TTL_TRAILS
from mcp_demo.registry.families import Rotation
from mcp_demo.registry.model import DAY, Client, ClientExists, RegistryFull, hash_secret

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Generator[Deployed]:
    with deployed(tmp_path_factory.mktemp("registry")) as running:
        yield running


def _client(**members: Any) -> Client:
    return Client(client_id=f"dcr_{uuid4().hex}", redirect_uris=(CALLBACK,), **members)


def test_a_client_comes_back_as_it_was_stored(aws: Deployed) -> None:
    full = _client(
        client_name="Näme",
        client_uri="https://client.example/",
        scopes=("a", "b"),
        token_endpoint_auth_method="private_key_jwt",
        grant_types=("authorization_code",),
        application_type="native",
        secret_hash=hash_secret("x"),
        jwks={"keys": [{"kty": "RSA"}]},
        jwks_uri="https://client.example/jwks",
        source="dcr",
        status="pending",
        created=NOW,
        last_used=NOW + 1,
        lifetime=DAY,
        expires=NOW + DAY,
        registration_access_token_hash=hash_secret("y"),
        upstream_client_id="upstream",
    )
    bare = _client()
    for client in (full, bare):
        aws.store.add(client)
        assert aws.store.get(client.client_id) == client


def test_the_table_forgets_a_client_a_week_after_it_expired(aws: Deployed) -> None:
    client = _client(expires=NOW)
    aws.store.add(client)
    row = next(row for row in aws.rows() if row["client_id"]["S"] == client.client_id)
    assert row["ttl"]["N"] == str(int(NOW) + TTL_TRAILS)


def test_the_row_that_counts_is_no_client(aws: Deployed) -> None:
    aws.store.add(_client(source="dcr"))
    assert any(row["client_id"]["S"] == COUNTER for row in aws.rows())
    assert aws.store.get(COUNTER) is None
    for name in ("", "x" * 2048, "x" * 2049, "é" * 1025):
        assert aws.store.get(name) is None
    assert COUNTER not in {client.client_id for client in aws.store.list(limit=1000).clients}


def test_a_client_id_is_given_once(aws: Deployed) -> None:
    client = _client(client_name="first")
    aws.store.add(client)
    with pytest.raises(ClientExists):
        aws.store.add(replace(client, client_name="second"))
    assert aws.store.get(client.client_id) == client


def test_a_full_registry_takes_nobody_until_one_leaves(aws: Deployed) -> None:
    aws.store.recount(0)
    first, second = _client(source="dcr"), _client(source="dcr")
    aws.store.add(first, limit=1)
    with pytest.raises(RegistryFull):
        aws.store.add(second, limit=1)
    assert aws.store.get(second.client_id) is None
    aws.store.delete(first)
    aws.store.add(second, limit=1)


def test_a_deleted_client_does_not_come_back_by_update_or_use(aws: Deployed) -> None:
    client = _client(created=NOW, lifetime=DAY, expires=NOW + DAY)
    aws.store.add(client)
    assert aws.store.delete(client)
    assert not aws.store.delete(client)
    assert not aws.store.replace(replace(client, client_name="new"), was=client)
    aws.store.touch(client, NOW + 10 * DAY)
    assert aws.store.get(client.client_id) is None


def test_an_update_does_not_undo_an_administrators_decision(aws: Deployed) -> None:
    client = _client()
    aws.store.add(client)
    assert aws.store.replace(replace(client, status="denied"), was=client)
    assert not aws.store.replace(replace(client, client_name="new"), was=client)
    found = aws.store.get(client.client_id)
    assert found is not None
    assert found.status == "denied"


@pytest.mark.parametrize(("seconds", "writes"), [(DAY - 1, False), (DAY, True), (DAY + 1, True)])
def test_use_is_written_down_at_most_once_a_day(aws: Deployed, seconds: int, writes: bool) -> None:
    client = _client(created=NOW, last_used=NOW, lifetime=30 * DAY, expires=NOW + 30 * DAY)
    aws.store.add(client)
    aws.store.touch(client, NOW + seconds)
    used = replace(client, last_used=NOW + seconds, expires=NOW + seconds + 30 * DAY)
    assert aws.store.get(client.client_id) == (used if writes else client)


def test_pages_hold_every_client_once(aws: Deployed) -> None:
    added = {client.client_id for client in (_client() for _ in range(25))}
    for client_id in added:
        aws.store.add(Client(client_id=client_id, redirect_uris=(CALLBACK,)))
    registry = Registries([FixedRegistry([Client(client_id="fixed", redirect_uris=(CALLBACK,))]), aws.store])
    seen: list[str] = []
    after: str | None = None
    while True:
        page = registry.list(after=after, limit=7)
        assert len(page.clients) <= 7
        seen += [client.client_id for client in page.clients]
        after = page.after
        if after is None:
            break
    assert len(seen) == len(set(seen))
    assert added | {"fixed"} <= set(seen)


def test_a_refresh_moves_the_family_on(aws: Deployed) -> None:
    family, until = uuid4().hex, NOW + 30 * DAY
    outcomes = [aws.families.rotate(family, turn, now=NOW + 60 * turn, expires=until) for turn in range(3)]
    assert outcomes == [Rotation("rotated", 1), Rotation("rotated", 2), Rotation("rotated", 3)]


@pytest.mark.parametrize(("seconds", "outcome"), [(9, "parallel"), (10, "parallel"), (11, "reused")])
def test_a_token_works_twice_within_the_grace_only(aws: Deployed, seconds: int, outcome: str) -> None:
    family, until = uuid4().hex, NOW + 30 * DAY
    aws.families.rotate(family, 0, now=NOW, expires=until)
    assert aws.families.rotate(family, 0, now=NOW + seconds, expires=until).outcome == outcome


def test_reuse_ends_the_whole_family(aws: Deployed) -> None:
    family, until = uuid4().hex, NOW + 30 * DAY
    aws.families.rotate(family, 0, now=NOW, expires=until)
    aws.families.rotate(family, 1, now=NOW + 1, expires=until)
    # Two generations old is a replay, however soon it comes.
    assert aws.families.rotate(family, 0, now=NOW + 2, expires=until) == Rotation("reused")
    assert aws.families.rotate(family, 2, now=NOW + 3, expires=until) == Rotation("ended")


def test_a_family_can_be_ended_before_its_first_refresh(aws: Deployed) -> None:
    family, until = uuid4().hex, NOW + 30 * DAY
    aws.families.end(family, expires=until)
    assert aws.families.rotate(family, 0, now=NOW, expires=until) == Rotation("ended")


def test_a_later_token_of_an_unknown_family_is_dead(aws: Deployed) -> None:
    assert aws.families.rotate(uuid4().hex, 3, now=NOW, expires=NOW + DAY) == Rotation("ended")


def test_of_fifty_parallel_refreshes_one_rotates_and_none_is_a_replay(aws: Deployed) -> None:
    family, families = uuid4().hex, aws.families

    def rotate(_: int) -> Rotation:
        return families.rotate(family, 0, now=NOW, expires=NOW + DAY)

    with ThreadPoolExecutor(max_workers=10) as pool:
        outcomes = list(pool.map(rotate, range(50)))
    assert sorted({outcome.outcome for outcome in outcomes}) == ["parallel", "rotated"]
    assert [outcome.outcome for outcome in outcomes].count("rotated") == 1
    assert {outcome.generation for outcome in outcomes} == {1}


def test_an_assertion_counts_once_until_it_is_dead(aws: Deployed) -> None:
    identifier = uuid4().hex
    uses = [aws.families.is_first_use(identifier, now=NOW + after, expires=NOW + 60) for after in (0, 59, 61, 62)]
    assert uses == [True, False, False, True]
