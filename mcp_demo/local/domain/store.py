"""What the domain must remember for a while: bounded, expiring, and still there after a restart.

Secrets (codes, refresh tokens, cookies) are keys, and only their digests are kept.
"""

import hashlib
import json
import sqlite3
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mcp_demo.errors import SetupError

_CAPACITY = 20_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS kept (
    kind TEXT, digest TEXT, expires REAL NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, digest)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_expiry ON kept (kind, expires);
"""


class Store:
    """Values by kind and secret key, in the SQLite file of `folder`, or in memory without one.

    Args:
        folder: Where the file goes; made if need be.
        clock: Seconds since the epoch.
    """

    def __init__(self, folder: Path | None, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = ":memory:" if folder is None else folder / "domain.sqlite"
            self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            weakref.finalize(self, self._database.close)
            self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _SCHEMA)
            if isinstance(path, Path):
                path.chmod(0o600)
        except (OSError, sqlite3.Error) as error:
            raise SetupError(
                f"The folder {folder} cannot be written: {error}.", "Choose another one with MCP_DEMO_STATE."
            ) from None

    def put(self, kind: str, key: str, body: Mapping[str, Any], *, expires: float) -> None:
        """Keep a value until `expires`; when there are too many of a kind, the next to expire make room."""
        with self._lock:
            self._database.execute("DELETE FROM kept WHERE expires <= ?", (self._clock(),))
            self._database.execute(
                "INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)", (kind, _digest(key), expires, json.dumps(body))
            )
            self._database.execute(
                "DELETE FROM kept WHERE kind = ?1 AND digest IN (SELECT digest FROM kept WHERE kind = ?1"
                " ORDER BY expires DESC LIMIT -1 OFFSET ?2)",
                (kind, _CAPACITY),
            )

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """The value, while it lives."""
        return self._one(
            "SELECT body FROM kept WHERE kind = ? AND digest = ? AND expires > ?", (kind, _digest(key), self._clock())
        )

    def take(self, kind: str, key: str) -> dict[str, Any] | None:
        """The value, while it lives, to one caller only: it is gone afterwards."""
        return self._one(
            "DELETE FROM kept WHERE kind = ? AND digest = ? AND expires > ? RETURNING body",
            (kind, _digest(key), self._clock()),
        )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _one(self, statement: str, values: tuple[str | float, ...]) -> dict[str, Any] | None:
        with self._lock:
            rows = self._database.execute(statement, values).fetchall()
        return json.loads(rows[0][0]) if rows else None


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
