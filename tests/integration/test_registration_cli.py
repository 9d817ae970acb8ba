"""`mcp-demo clients` over a deployed registry."""

import io
import json
import sys
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from registration_harness import CALLBACK, Deployed, deployed, register
from typer.testing import CliRunner

from mcp_demo import registry_access, registry_cli
from mcp_demo.registry.model import Client, hash_secret

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Generator[Deployed]:
    with deployed(tmp_path_factory.mktemp("cli")) as running:
        yield running


@pytest.fixture(autouse=True)
def _on_this_registry(aws: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    run = SimpleNamespace(aws=aws.ministack.endpoint)
    monkeypatch.setattr(registry_access, "running_in", lambda _: run)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]


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


def _waiting(aws: Deployed) -> Client:
    client = aws.store.get(register(aws)["client_id"])
    assert client is not None
    waits = replace(client, status="pending", review="first")
    assert aws.store.replace(waits, was=client)
    return waits


@pytest.mark.parametrize(
    "change",
    [
        lambda client: replace(client, redirect_uris=("https://other.example/cb",)),  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
        lambda client: replace(client, jwks_uri="https://other.example/keys"),  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
        lambda client: replace(client, review="second"),  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    ],
)
def test_by_its_digest_only_what_was_shown_is_approved(aws: Deployed, change: Callable[[Client], Client]) -> None:
    seen = _waiting(aws)
    digest = json.loads(_run("show", seen.client_id))["digest"]
    changed = change(seen)
    assert aws.store.replace(changed, was=seen)
    refused = RUNNER.invoke(registry_cli.app, ["approve", seen.client_id, "--digest", digest])
    cure = f"look at it again: mcp-demo clients show {seen.client_id}"
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == f"{seen.client_id} has changed since you looked; {cure}\n"
    assert aws.store.get(seen.client_id) == changed
    _run("approve", seen.client_id, "--digest", json.loads(_run("show", seen.client_id))["digest"])
    assert aws.store.get(seen.client_id) == replace(changed, status="active")


def test_a_digest_is_of_one_client(aws: Deployed) -> None:
    one, other = _waiting(aws), _waiting(aws)
    _run("approve", one.client_id, other.client_id, "--digest", "0" * 32, code=2)
    assert aws.store.get(one.client_id) == one


class _Terminal(io.StringIO):
    """Somebody in front of it; before the answer, `meanwhile` happens."""

    def __init__(self, answer: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__(f"{answer}\n")
        self.meanwhile = meanwhile

    def isatty(self) -> bool:
        return True

    def readline(self, size: int = -1, /) -> str:
        self.meanwhile()
        return super().readline(size)


def _in_a_terminal(monkeypatch: pytest.MonkeyPatch, terminal: _Terminal, *arguments: str) -> int:
    with monkeypatch.context() as patched, pytest.raises(SystemExit) as ended:
        patched.setattr(sys, "stdin", terminal)
        registry_cli.app(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(("answer", "code", "status"), [("y", 0, "active"), ("n", 1, "pending"), ("", 1, "pending")])
def test_in_a_terminal_the_client_is_shown_before_it_is_approved(
    aws: Deployed,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    code: int,
    status: str,
) -> None:
    client = _waiting(aws)
    assert _in_a_terminal(monkeypatch, _Terminal(answer), "approve", client.client_id) == code
    assert '"https://client.example/callback"' in capsys.readouterr().err
    assert aws.store.get(client.client_id) == replace(client, status=status)  # pyright: ignore[reportArgumentType]


def test_what_changes_while_somebody_looks_at_it_is_not_approved(
    aws: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = _waiting(aws)
    changed = replace(client, redirect_uris=("https://other.example/cb",), review="second")
    terminal = _Terminal("y", lambda: aws.store.replace(changed, was=client))
    assert _in_a_terminal(monkeypatch, terminal, "approve", client.client_id) == 1
    assert "has changed since you looked" in capsys.readouterr().err
    assert aws.store.get(client.client_id) == changed


def test_who_does_not_want_to_be_asked_says_so(aws: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    client = _waiting(aws)
    assert _in_a_terminal(monkeypatch, _Terminal("n"), "approve", client.client_id, "--yes") == 0
    assert aws.store.get(client.client_id) == replace(client, status="active")
    assert _in_a_terminal(monkeypatch, _Terminal("n"), "approve", client.client_id) == 0  # there is nothing to ask


DOCUMENT = {
    "client_id": "https://client.example/client.json",
    "client_name": "Document",
    "redirect_uris": ["http://127.0.0.1/callback"],
}


def test_a_document_is_pinned_pinned_anew_and_forgotten(aws: Deployed, tmp_path: Path) -> None:
    file, url = tmp_path / "client.json", DOCUMENT["client_id"]
    for name in ("Document", "Newer"):
        file.write_text(json.dumps({**DOCUMENT, "client_name": name, "scope": "one", "unknown": 1}))
        assert json.loads(_run("pin", str(file)))["client_name"] == name
        stored = aws.store.get(str(url))
        assert stored is not None
        assert (stored.client_name, stored.source, stored.status, stored.scopes) == (name, "cimd", "active", ())
        assert stored.expires is None
    assert aws.sweep()["removed"] == 0
    _run("remove", str(url))
    assert aws.store.get(str(url)) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "no JSON object"),
        ("[]", "no JSON object"),
        ("{}", "no JSON object"),
        (json.dumps({**DOCUMENT, "client_id": "https://client.example"}), "has no path"),
        (json.dumps({**DOCUMENT, "client_id": "app"}), "is not an https URL"),
        (json.dumps({**DOCUMENT, "client_secret": "s"}), "has a client secret"),
        (json.dumps({**DOCUMENT, "redirect_uris": []}), "redirect_uris"),
    ],
)
def test_what_is_no_metadata_document_is_a_usage_error(aws: Deployed, text: str, reason: str) -> None:
    refused = RUNNER.invoke(registry_cli.app, ["pin", "-"], input=text)
    assert refused.exit_code == 2
    assert reason in " ".join(refused.stderr.replace("│", " ").split())


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
