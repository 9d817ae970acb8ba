"""Signing keys of a user pool that can be rotated: MiniStack reads a key file once, and publishes one key for each use.

Here a key file that was replaced counts from its replacement on. The key before stays published, for tokens that it
signed are still alive (OpenID Connect Core 1.0 §10.1.1).
"""

import json
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from typing import Any

Which = tuple[str, str]
"""A user pool, and `access` or `id`."""
Key = tuple[object, dict[str, str]]
"""The private key, and the public one as a JWK."""


class KeyFiles(dict[Which, Key]):
    """MiniStack's memory of the keys it has read; it forgets a key whose file is another one now.

    Args:
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._read: dict[Which, int] = {}
        self.former: dict[str, list[dict[str, str]]] = defaultdict(list)

    def get(self, key: Which, default: Any = None) -> Any:
        """The key, as long as it is the one in the file."""
        kept = super().get(key)
        if kept is not None and self._changed(key) != self._read.get(key):
            self.former[key[0]].append(kept[1])
            del self[key]
            return default
        return kept or default

    def __setitem__(self, key: Which, value: Key) -> None:
        """Keep a key that was just read, or made and written."""
        self._read[key] = self._changed(key)
        super().__setitem__(key, value)

    def _changed(self, key: Which) -> int:
        try:
            return (self._folder / f"{key[0]}-{key[1]}.pem").stat().st_mtime_ns
        except OSError:
            return 0


def let_keys_rotate() -> None:
    """Teach the MiniStack of this process that key files change."""
    cognito: Any = import_module("ministack.services.cognito")  # its modules have no types
    files = cognito._pool_keys = KeyFiles(Path(cognito._POOL_KEYS_DIR))
    current = cognito.well_known_jwks

    def with_former(pool: str) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = current(pool)
        keys = [*json.loads(body)["keys"], *files.former[pool]]
        return status, headers, json.dumps({"keys": keys}).encode()

    cognito.well_known_jwks = with_former
