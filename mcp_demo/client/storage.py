"""Where grants and registrations are kept: in memory, in a file that only its owner can read, or in the OS keyring.

Grants are keyed by issuer and resource, registrations by issuer: what one authorization server gave out is never shown
to another (SEP-2352; MCP 2026-07-28 Client Registration › Authorization Server Binding).
"""

import json
import os
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter

from mcp_demo.client.errors import StoreUnavailable
from mcp_demo.client.grant import Grant
from mcp_demo.client.registration import Registration

_GRANT = TypeAdapter(Grant)
_REGISTRATION = TypeAdapter(Registration)


class Store(Protocol):
    """A map of strings. Its values are secrets."""

    def get(self, key: str) -> str | None:
        """The value, or None."""
        ...

    def put(self, key: str, value: str | None) -> None:
        """Keep a value; None removes it."""
        ...


class MemoryStore:
    """A store that ends with the process."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        """The value, or None."""
        return self._values.get(key)

    def put(self, key: str, value: str | None) -> None:
        """Keep a value; None removes it."""
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value


class FileStore:
    """A JSON file that nobody but its owner may read (mode 0600), replaced as a whole on every change.

    Raises:
        StoreUnavailable: It cannot be read or written; what it held, it still holds.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str) -> str | None:
        """The value, or None."""
        return self._read().get(key)

    def put(self, key: str, value: str | None) -> None:
        """Keep a value; None removes it."""
        values = {name: kept for name, kept in self._read().items() if name != key}
        if value is not None:
            values[key] = value
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _replace(self._path, json.dumps(values))
        except OSError as error:
            raise StoreUnavailable(f"The file {self._path} cannot be written: {error.strerror}.") from None

    def _read(self) -> dict[str, str]:
        try:
            return json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        except OSError as error:
            raise StoreUnavailable(f"The file {self._path} cannot be read: {error.strerror}.") from None


def _replace(path: Path, text: str) -> None:
    """Put a file in place as a whole. If that fails, the old one stays, and nothing of the new one does."""
    # mkstemp creates with mode 0600, so there is no moment at which somebody else could read it.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class KeyringStore:
    """The keyring of the operating system, by the `keyring` package (`pip install "mcp-demo[keyring]"`).

    Args:
        service: Under what name the keyring lists the entries.

    Raises:
        StoreUnavailable: The package is not there, or finds no keyring.
    """

    def __init__(self, service: str = "mcp-demo") -> None:
        self._service = service
        try:
            self._keyring: Any = import_module("keyring")
            self._errors: Any = import_module("keyring.errors")
        except ImportError:
            raise StoreUnavailable("The package `keyring` is not installed.") from None
        self.get("")

    def get(self, key: str) -> str | None:
        """The value, or None."""
        try:
            return self._keyring.get_password(self._service, key)
        except self._errors.KeyringError as error:
            raise StoreUnavailable(f"The keyring does not open: {type(error).__name__}.") from None

    def put(self, key: str, value: str | None) -> None:
        """Keep a value; None removes it."""
        try:
            if value is not None:
                self._keyring.set_password(self._service, key, value)
            elif self.get(key) is not None:
                self._keyring.delete_password(self._service, key)
        except self._errors.KeyringError as error:
            raise StoreUnavailable(f"The keyring does not take it: {type(error).__name__}.") from None


class Vault:
    """Grants and registrations in their stores.

    Args:
        grants: Where grants go; one person's.
        registrations: Where registrations go, if they are to be shared by several people, as in a web client.
    """

    def __init__(self, grants: Store | None = None, registrations: Store | None = None) -> None:
        self._grants = grants or MemoryStore()
        self._registrations = registrations or self._grants

    @property
    def is_shared(self) -> bool:
        """Whether others use the registrations too: then they say nothing about what this person wants."""
        return self._registrations is not self._grants

    def grant(self, server_url: str) -> Grant | None:
        """The grant for a server: that of the authorization server which the server named last."""
        place = self._grants.get(f"server {server_url}")
        document = self._grants.get(place) if place else None
        return None if document is None else _GRANT.validate_json(document)

    def keep_grant(self, server_url: str, grant: Grant) -> None:
        """Remember a grant, and that it is the one to use for this server."""
        place = f"grant {grant.issuer} {grant.resource}"
        self._grants.put(place, _GRANT.dump_json(grant).decode())
        self._grants.put(f"server {server_url}", place)

    def forget_grant(self, server_url: str) -> None:
        """Forget the grant for a server."""
        if place := self._grants.get(f"server {server_url}"):
            self._grants.put(place, None)
            self._grants.put(f"server {server_url}", None)

    def registration(self, issuer: str) -> Registration | None:
        """How an authorization server knows us."""
        document = self._registrations.get(f"client {issuer}")
        return None if document is None else _REGISTRATION.validate_json(document)

    def newest_registration(self) -> Registration | None:
        """The registration that was made last, while it is kept."""
        issuer = self._registrations.get("newest client")
        return self.registration(issuer) if issuer else None

    def keep_registration(self, registration: Registration) -> None:
        """Remember a registration."""
        self._registrations.put("newest client", registration.issuer)
        self._registrations.put(f"client {registration.issuer}", _REGISTRATION.dump_json(registration).decode())

    def forget_registration(self, issuer: str) -> None:
        """Forget a registration."""
        self._registrations.put(f"client {issuer}", None)
