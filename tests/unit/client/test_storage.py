"""Grants and registrations are kept apart, and out of other people's sight."""

import stat
import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail

from mcp_demo.client.errors import StoreUnavailable
from mcp_demo.client.grant import Grant
from mcp_demo.client.registration import Registration
from mcp_demo.client.storage import FileStore, KeyringStore, MemoryStore, Vault

CANARY = "canary-token-canary-token"
SERVER = "https://rs.example/mcp"
GRANT = Grant("https://as.example", SERVER, "id", "https://as.example/token", CANARY, CANARY, 9.5, ("a",), ("a", "b"))
REGISTRATION = Registration("https://as.example", "id", "dynamic", "none", ("http://localhost/cb",), CANARY)


def test_what_is_kept_comes_back_as_it_was(tmp_path: Path) -> None:
    for store in (MemoryStore(), FileStore(tmp_path / "deep" / "grants.json")):
        vault = Vault(store)
        assert vault.grant(SERVER) is None
        vault.keep_grant(SERVER, GRANT)
        vault.keep_registration(REGISTRATION)
        assert vault.grant(SERVER) == GRANT
        assert vault.registration("https://as.example") == REGISTRATION
        assert vault.registration("https://other.example") is None
        vault.forget_grant(SERVER)
        vault.forget_registration("https://as.example")
        assert vault.grant(SERVER) is None
        assert vault.registration("https://as.example") is None


def test_grants_of_two_authorization_servers_do_not_overwrite_each_other() -> None:
    store = MemoryStore()
    vault = Vault(store)
    vault.keep_grant(SERVER, GRANT)
    vault.keep_grant(SERVER, replace(GRANT, issuer="https://other.example"))
    grant = vault.grant(SERVER)
    assert grant is not None
    assert grant.issuer == "https://other.example"
    assert store.get(f"grant https://as.example {SERVER}") is not None


def test_the_file_is_for_its_owner_only_even_if_it_was_not_before(tmp_path: Path) -> None:
    path = tmp_path / "grants.json"
    path.write_text("{}")
    path.chmod(0o644)
    Vault(FileStore(path)).keep_grant(SERVER, GRANT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["grants.json"]


def test_secrets_stay_out_of_a_repr() -> None:
    assert CANARY not in repr(GRANT) + repr(REGISTRATION)


class _Keyring(KeyringBackend):
    """A keyring in memory, for the `keyring` package to find."""

    priority = 1.0  # pyright: ignore[reportAssignmentType] - as the package documents it

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


@pytest.fixture
def own_keyring() -> Generator[_Keyring]:
    usual, ours = keyring.get_keyring(), _Keyring()
    keyring.set_keyring(ours)
    yield ours
    keyring.set_keyring(usual)


def test_the_keyring_keeps_and_forgets(own_keyring: _Keyring) -> None:
    vault = Vault(KeyringStore())
    vault.keep_grant(SERVER, GRANT)
    vault.keep_registration(REGISTRATION)
    assert Vault(KeyringStore()).grant(SERVER) == GRANT
    assert Vault(KeyringStore()).registration("https://as.example") == REGISTRATION
    assert {service for service, _ in own_keyring.entries} == {"mcp-demo"}
    assert Vault(KeyringStore("another")).grant(SERVER) is None
    vault.forget_grant(SERVER)
    vault.forget_grant(SERVER)
    assert vault.grant(SERVER) is None
    assert CANARY not in "".join(value for (_, name), value in own_keyring.entries.items() if "grant" in name)


def test_without_a_keyring_it_is_said_so_at_once(own_keyring: _Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring.set_keyring(fail.Keyring())
    with pytest.raises(StoreUnavailable, match="does not open"):
        KeyringStore()
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(StoreUnavailable, match="not installed"):
        KeyringStore()
