"""What people store on the MCP server: short texts, each person's own."""

import logging
import secrets
import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

MAX_PER_OWNER: Final = 100
MAX_IN_ALL: Final = 100_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a context belongs to: a subject means something only together with its issuer (RFC 7519 §4.1.2)."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class Context:
    """One stored text."""

    id: str
    name: str
    text: str
    created: float


class StoreFull(Exception):
    """There is no room for another context."""


class StoreUnavailable(Exception):
    """The store cannot be asked now; nothing was stored."""


class ContextStore(Protocol):
    """What a store of contexts has to do. Its methods may block; the tools call them in a thread."""

    def add(self, owner: Owner, name: str, text: str, now: float) -> Context:
        """Store a text. Raises StoreFull when there is no room."""
        ...

    def list(self, owner: Owner) -> list[Context]:
        """The owner's contexts, oldest first."""
        ...

    def close(self) -> None:
        """Let go of what the store holds."""
        ...


class SqliteContexts:
    """A store in a SQLite file, or in memory.

    Args:
        file: Where; None keeps everything in memory, until the process ends.
    """

    def __init__(self, file: Path | None = None) -> None:
        # Tools run in worker threads: one connection, one call at a time.
        self._lock = threading.Lock()
        self._database = sqlite3.connect(file or ":memory:", check_same_thread=False)
        with self._lock, self._database:
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS contexts (id TEXT PRIMARY KEY, issuer TEXT NOT NULL, subject TEXT NOT NULL,"
                " name TEXT NOT NULL, text TEXT NOT NULL, created REAL NOT NULL)"
            )
            self._database.execute("CREATE INDEX IF NOT EXISTS by_owner ON contexts (issuer, subject, created)")

    def add(self, owner: Owner, name: str, text: str, now: float) -> Context:
        """Store a text.

        Raises:
            StoreFull: The owner, or everybody together, has stored as much as may be.
            StoreUnavailable: The file cannot be written, as on a full disk; the text is not in it.
        """
        context = Context(secrets.token_hex(8), name, text, now)
        with self._lock, _named(), self._database:
            own = self._count("SELECT count(*) FROM contexts WHERE issuer = ? AND subject = ?", owner)
            if own >= MAX_PER_OWNER or self._count("SELECT count(*) FROM contexts") >= MAX_IN_ALL:
                raise StoreFull
            self._database.execute(
                "INSERT INTO contexts VALUES (?, ?, ?, ?, ?, ?)",
                (context.id, owner.issuer, owner.subject, name, text, now),
            )
        return context

    def list(self, owner: Owner) -> list[Context]:
        """The owner's contexts, oldest first.

        Raises:
            StoreUnavailable: The file cannot be read.
        """
        with self._lock, _named(), closing(self._database.cursor()) as cursor:
            rows = cursor.execute(
                "SELECT id, name, text, created FROM contexts WHERE issuer = ? AND subject = ? ORDER BY created, rowid",
                (owner.issuer, owner.subject),
            )
            return [Context(*row) for row in rows]

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

    def _count(self, query: str, owner: Owner | None = None) -> int:
        parameters = (owner.issuer, owner.subject) if owner else ()
        return int(self._database.execute(query, parameters).fetchone()[0])


@contextmanager
def _named() -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        logger.error("The file of contexts cannot be used: %s", error)
        raise StoreUnavailable from error
