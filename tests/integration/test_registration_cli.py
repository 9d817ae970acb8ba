"""`mcp-demo clients` over a deployed registry."""

import json
from collections.abc import Generator
from dataclasses import replace
from types import SimpleNamespace

import pytest
from registration_harness import CALLBACK, Deployed, deployed, register
from typer.testing import CliRunner

from mcp_demo import registry_cli
from mcp_demo.registry.model import hash_secret

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Generator[Deployed]:
    with deployed(tmp_path_factory.mktemp("cli")) as running:
        yield running


@pytest.fixture(autouse=True)
def _on_this_registry(aws: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    run = SimpleNamespace(aws=aws.ministack.endpoint)
    monkeypatch.setattr(registry_cli, "running_in", lambda _: run)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]


def _run(*arguments: str, code: int = 0) -> str:
    result = RUNNER.invoke(registry_cli.app, arguments)
    assert result.exit_code == code, result.output
    return result.stdout


def test_an_added_client_is_kept_with_the_hash_of_its_secret(aws: Deployed) -> None:
    added = json.loads(_run("add", "--redirect-uri", CALLBACK, "--method", "client_secret_basic", "--client-name", "A"))
    stored = aws.store.get(added["client_id"])
    assert stored is not None
    assert stored.secret_hash == hash_secret(added["client_secret"])
    assert (stored.source, stored.client_name, stored.expires) == ("pre-registered", "A", None)
    shown = json.loads(_run("show", added["client_id"]))
    assert added["client_secret"] not in json.dumps(shown)
    assert shown["redirect_uris"] == [CALLBACK]


def test_a_bad_redirect_uri_is_a_usage_error(aws: Deployed) -> None:
    _run("add", "--redirect-uri", "javascript:alert(1)", code=2)


def test_a_name_is_printed_as_text_and_not_as_markup(aws: Deployed) -> None:
    client_id = register(aws, client_name="[red]x[/]")["client_id"]
    table = _run("list")
    assert client_id in table
    assert "[red]x[/]" in table


def test_a_waiting_client_is_approved(aws: Deployed) -> None:
    client = aws.store.get(register(aws)["client_id"])
    assert client is not None
    aws.store.replace(replace(client, status="pending"), was=client)
    _run("approve", client.client_id)
    assert aws.store.get(client.client_id) == client


def test_who_approves_is_told_what_the_client_says_at_that_moment(aws: Deployed) -> None:
    seen = aws.store.get(register(aws)["client_id"])
    assert seen is not None
    changed = replace(seen, status="pending", client_name="Other", redirect_uris=("https://other.example/cb",))
    assert aws.store.replace(changed, was=seen)  # between the look at it and the decision
    said = RUNNER.invoke(registry_cli.app, ["approve", seen.client_id]).stderr
    assert '"Other"' in said
    assert "https://other.example/cb" in said


def test_a_denied_client_may_not_be_used_until_it_is_approved(aws: Deployed) -> None:
    client = aws.store.get(register(aws)["client_id"])
    assert client is not None
    for _ in range(2):
        _run("deny", client.client_id)
        assert aws.store.get(client.client_id) == replace(client, status="denied")
    _run("approve", client.client_id)
    assert aws.store.get(client.client_id) == client


def test_removed_clients_are_gone(aws: Deployed) -> None:
    ids = [register(aws)["client_id"] for _ in range(3)]
    assert set(ids) <= set(_run("list", "--ids").split())
    _run("remove", *ids)
    assert not set(ids) & set(_run("list", "--ids").split())
    _run("show", ids[0], code=1)
