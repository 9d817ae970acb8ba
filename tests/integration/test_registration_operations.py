"""The operations over the real store and the real user pool, with a failure planted at each step."""

import time
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from registration_harness import CALLBACK, Deployed, deployed, failing

from mcp_demo.dcr.app_clients import AppClients
from mcp_demo.dcr.registration import Registrations
from mcp_demo.dcr.sweep import Swept, sweep
from mcp_demo.oauth.errors import InvalidClientMetadata, InvalidRedirectUri, InvalidToken, TemporarilyUnavailable
from mcp_demo.registry.dynamodb import COUNTER
from mcp_demo.registry.model import DAY, Client, hash_secret
from mcp_demo.registry.policy import Policy

POLICY = Policy(scopes=("http://localhost:3001/mcp/read",), lifetime=30 * DAY)
HOUR = 3600


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Generator[Deployed]:
    with deployed(tmp_path_factory.mktemp("operations")) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_registered(aws: Deployed) -> None:  # pyright: ignore[reportUnusedFunction]
    for row in aws.rows():
        aws.dynamodb.delete_item(TableName=aws.outputs["ClientsTable"], Key={"client_id": row["client_id"]})
    for app_client_id in dict(_app_clients(aws).list()):
        aws.cognito.delete_user_pool_client(UserPoolId=aws.pool, ClientId=app_client_id)


def _app_clients(aws: Deployed, *, style: bool = False) -> AppClients:
    return AppClients(aws.cognito, aws.pool, callback="http://localhost:3004/callback", style=style)


def _operations(aws: Deployed, now: float | None = None, **members: Any) -> Registrations:
    given: dict[str, Any] = {"endpoint": "https://api.example/register", "policy": POLICY} | members
    return Registrations(store=aws.store, clock=time.time if now is None else lambda: now, **given)


def _per_client(aws: Deployed, now: float | None = None) -> Registrations:
    return _operations(aws, now, app_clients=_app_clients(aws))


def _document(**members: Any) -> dict[str, Any]:
    return {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none", **members}


def _clients(aws: Deployed) -> list[str]:
    return [row["client_id"]["S"] for row in aws.rows() if row["client_id"]["S"] != COUNTER]


def test_no_secret_is_in_the_table_and_its_hash_is(aws: Deployed) -> None:
    answer = _operations(aws).register(_document(token_endpoint_auth_method="client_secret_basic"))
    stored = repr(aws.rows())
    for secret in (answer["client_secret"], answer["registration_access_token"]):
        assert secret not in stored
        assert hash_secret(secret) in stored


def test_clients_that_share_cost_no_call_of_cognito(aws: Deployed) -> None:
    with failing(aws.cognito, "*") as calls:
        operations = _operations(aws)
        answer = operations.register(_document())
        operations.delete(answer["client_id"], answer["registration_access_token"])
    assert calls == []


def test_a_client_of_its_own_has_the_bridges_callback_and_no_secret(aws: Deployed) -> None:
    answer = _per_client(aws).register(_document(redirect_uris=["http://localhost:1/cb"]))
    client = aws.store.get(answer["client_id"])
    assert client is not None
    assert client.upstream_client_id
    made = aws.cognito.describe_user_pool_client(UserPoolId=aws.pool, ClientId=client.upstream_client_id)
    assert made["UserPoolClient"].get("CallbackURLs") == ["http://localhost:3004/callback"]
    assert "ClientSecret" not in made["UserPoolClient"]
    assert made["UserPoolClient"].get("AllowedOAuthScopes") == list(POLICY.scopes)
    assert client.upstream_client_id not in repr(answer)


def test_secrets_follow_the_method_through_updates(aws: Deployed) -> None:
    operations = _operations(aws)
    answer = operations.register(_document())
    identity = answer["client_id"], answer["registration_access_token"]
    assert "client_secret" not in answer
    update = _document(client_id=answer["client_id"], token_endpoint_auth_method="client_secret_post")
    confidential = operations.update(*identity, update)
    assert confidential["client_secret_expires_at"] == 0
    assert "client_secret" not in operations.update(*identity, update)  # it keeps the one it has
    stored = aws.store.get(answer["client_id"])
    assert stored is not None
    assert stored.proves(confidential["client_secret"])
    operations.update(*identity, _document(client_id=answer["client_id"]))
    stored = aws.store.get(answer["client_id"])
    assert stored is not None
    assert stored.secret_hash is None


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"redirect_uris": ["http://evil.example/cb"]}, InvalidRedirectUri),
        ({"client_id": "dcr_of_somebody_else"}, InvalidClientMetadata),
        ({"client_id": None}, InvalidClientMetadata),
        ({"client_secret": "guessed"}, InvalidClientMetadata),
        ({"registration_access_token": "x"}, InvalidClientMetadata),
        ({"client_id_issued_at": 0}, InvalidClientMetadata),
    ],
)
def test_an_update_is_checked_like_a_registration(
    aws: Deployed, change: dict[str, Any], refusal: type[Exception]
) -> None:
    operations = _operations(aws)
    answer = operations.register(_document())
    before = aws.store.get(answer["client_id"])
    with pytest.raises(refusal):
        operations.update(
            answer["client_id"],
            answer["registration_access_token"],
            _document(client_id=answer["client_id"]) | change,
        )
    assert aws.store.get(answer["client_id"]) == before


def test_a_registration_is_open_to_its_own_token_only(aws: Deployed) -> None:
    operations = _operations(aws)
    mine, other = operations.register(_document()), operations.register(_document())
    for token in (None, "", "garbage", other["registration_access_token"], mine["client_id"]):
        with pytest.raises(InvalidToken):
            operations.read(mine["client_id"], token)
        with pytest.raises(InvalidToken):
            operations.update(mine["client_id"], token, _document(client_id=mine["client_id"]))
        with pytest.raises(InvalidToken):
            operations.delete(mine["client_id"], token)
    assert operations.read(mine["client_id"], mine["registration_access_token"])["client_id"] == mine["client_id"]


@pytest.mark.parametrize("moment", ["expired", "denied", "deleted"])
def test_the_token_of_a_client_that_is_gone_is_dead(aws: Deployed, moment: str) -> None:
    answer = _operations(aws).register(_document())
    client = aws.store.get(answer["client_id"])
    assert client is not None
    now = time.time()
    if moment == "expired":
        now = client.expires or 0.0
    elif moment == "denied":
        aws.store.replace(replace(client, status="denied"), was=client)
    else:
        _operations(aws).delete(answer["client_id"], answer["registration_access_token"])
    with pytest.raises(InvalidToken):
        _operations(aws, now).read(answer["client_id"], answer["registration_access_token"])


def test_with_approval_a_client_waits(aws: Deployed) -> None:
    answer = _operations(aws, policy=replace(POLICY, approval=True)).register(_document())
    client = aws.store.get(answer["client_id"])
    assert client is not None
    assert client.status == "pending"
    assert not client.is_usable(time.time())


def _gone(_: Client) -> None:
    raise EndpointConnectionError(endpoint_url="http://gone.invalid")


def test_a_client_of_which_nobody_can_be_told_leaves_nothing(aws: Deployed) -> None:
    policy = replace(POLICY, approval=True)
    with pytest.raises(TemporarilyUnavailable):
        _operations(aws, policy=policy, announce=_gone, app_clients=_app_clients(aws)).register(_document())
    assert _clients(aws) == aws.app_clients() == []


def test_an_update_of_which_nobody_could_be_told_is_told_when_it_is_repeated(aws: Deployed) -> None:
    told: list[Client] = []
    approval: dict[str, Any] = {"policy": replace(POLICY, approval=True)}
    operations = _operations(aws, **approval, announce=told.append)
    answer = operations.register(_document())
    identity = answer["client_id"], answer["registration_access_token"]
    update = _document(client_id=answer["client_id"], client_name="new")
    with pytest.raises(TemporarilyUnavailable):
        _operations(aws, **approval, announce=_gone).update(*identity, update)
    operations.update(*identity, update)
    stored = aws.store.get(answer["client_id"])
    assert stored is not None
    assert (stored.status, stored.client_name) == ("pending", "new")
    assert len({client.review for client in told}) == 2
    assert told[-1].review == stored.review


def test_a_full_registry_leaves_no_app_client_behind(aws: Deployed) -> None:
    operations = _operations(aws, app_clients=_app_clients(aws), policy=replace(POLICY, max_clients=1))
    operations.register(_document())
    with pytest.raises(TemporarilyUnavailable):
        operations.register(_document())
    assert len(aws.app_clients()) == len(_clients(aws)) == 1


@pytest.mark.parametrize(
    ("service", "operation", "after"),
    [
        ("cognito", "CreateUserPoolClient", False),
        ("dynamodb", "UpdateItem", False),
        ("dynamodb", "UpdateItem", True),
        ("dynamodb", "PutItem", False),
        ("dynamodb", "PutItem", True),
    ],
)
def test_a_registration_that_fails_halfway_leaves_nothing(
    aws: Deployed, service: str, operation: str, after: bool
) -> None:
    with failing(getattr(aws, service), operation, after=after) as calls, pytest.raises(Exception, match="gone"):
        _per_client(aws).register(_document())
    assert calls
    assert aws.app_clients() == []
    assert _clients(aws) == []


def test_an_app_client_without_its_style_is_taken_back(aws: Deployed) -> None:
    # The emulator knows no managed-login styles: it refuses, which is the failure this is about.
    operations = _operations(aws, app_clients=_app_clients(aws, style=True))
    with pytest.raises(Exception, match="CreateManagedLoginBranding"):
        operations.register(_document())
    assert aws.app_clients() == []
    assert _clients(aws) == []


@pytest.mark.parametrize(
    ("service", "operation"),
    [("cognito", "CreateUserPoolClient"), ("dynamodb", "PutItem")],
)
def test_what_a_crash_leaves_behind_the_sweep_removes(aws: Deployed, service: str, operation: str) -> None:
    """The answer is lost and so is every attempt to clean up: the process died."""
    with (
        failing(aws.cognito, "DeleteUserPoolClient"),
        failing(aws.dynamodb, "DeleteItem"),
        failing(getattr(aws, service), operation, after=True),
        pytest.raises(Exception, match="gone"),
    ):
        _per_client(aws).register(_document())
    assert aws.app_clients()
    now = time.time()
    assert sweep(aws.store, _app_clients(aws), now).orphans == 0  # it may be a registration under way
    if service == "cognito":
        assert sweep(aws.store, _app_clients(aws), now + HOUR).orphans == 1
        assert aws.app_clients() == []
    else:  # both halves are there: nobody knows the client's id, so it expires
        sweep(aws.store, _app_clients(aws), now + POLICY.lifetime + 1)
        assert aws.app_clients() == []
        assert _clients(aws) == []


@pytest.mark.parametrize(
    ("service", "operation"),
    [("cognito", "DeleteUserPoolClient"), ("dynamodb", "DeleteItem")],
)
def test_a_removal_that_fails_halfway_still_ends_the_client_and_is_finished_by_the_sweep(
    aws: Deployed, service: str, operation: str
) -> None:
    answer = _per_client(aws).register(_document())
    with failing(getattr(aws, service), operation):
        _per_client(aws).delete(answer["client_id"], answer["registration_access_token"])
    client = aws.store.get(answer["client_id"])
    assert client is not None
    assert not client.is_usable(time.time())
    with pytest.raises(InvalidToken):
        _per_client(aws).read(answer["client_id"], answer["registration_access_token"])
    sweep(aws.store, _app_clients(aws), time.time() + 1)
    assert aws.app_clients() == []
    assert _clients(aws) == []


def test_a_removal_that_cannot_begin_changes_nothing(aws: Deployed) -> None:
    answer = _per_client(aws).register(_document())
    with failing(aws.dynamodb, "PutItem"), pytest.raises(Exception, match="gone"):
        _per_client(aws).delete(answer["client_id"], answer["registration_access_token"])
    assert _per_client(aws).read(answer["client_id"], answer["registration_access_token"])
    assert len(aws.app_clients()) == 1


def test_the_sweep_removes_unused_clients_at_the_very_second_and_keeps_the_rest(aws: Deployed) -> None:
    start = 1_800_000_000.0
    operations = _per_client(aws, start)
    unused, used = operations.register(_document()), operations.register(_document())
    client = aws.store.get(used["client_id"])
    assert client is not None
    aws.store.touch(client, start + 2 * DAY)
    assert sweep(aws.store, _app_clients(aws), start + POLICY.lifetime - 1) == Swept(removed=0, kept=2, orphans=0)
    assert sweep(aws.store, _app_clients(aws), start + POLICY.lifetime) == Swept(removed=1, kept=1, orphans=0)
    assert _clients(aws) == [used["client_id"]] != [unused["client_id"]]
    assert len(aws.app_clients()) == 1


def test_the_sweep_removes_a_client_whose_app_client_was_deleted_by_hand(aws: Deployed) -> None:
    answer = _per_client(aws).register(_document())
    for app_client_id in dict(_app_clients(aws).list()):
        aws.cognito.delete_user_pool_client(UserPoolId=aws.pool, ClientId=app_client_id)
    sweep(aws.store, _app_clients(aws), time.time())
    assert _clients(aws) == [answer["client_id"]]
    sweep(aws.store, _app_clients(aws), time.time() + HOUR)
    assert _clients(aws) == []


def test_the_sweep_leaves_other_app_clients_of_the_pool_alone(aws: Deployed) -> None:
    aws.cognito.create_user_pool_client(UserPoolId=aws.pool, ClientName="bridge")
    sweep(aws.store, _app_clients(aws), time.time() + HOUR)
    assert aws.app_clients() == ["bridge"]


def test_the_sweep_counts_again(aws: Deployed) -> None:
    _operations(aws).register(_document())
    aws.store.recount(99)
    sweep(aws.store, None, time.time())
    counter = next(row for row in aws.rows() if row["client_id"]["S"] == COUNTER)
    assert counter["n"]["N"] == "1"
