"""Files of a deployment: written whole or not at all, readable by their owner only."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from mcp_demo.errors import SetupError


def private_folder(folder: Path) -> Path:
    """Make a folder that only its owner can enter; returns it.

    Raises:
        SetupError: It cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise SetupError(
            f"The folder {folder} cannot be written: {error.strerror}.", "Choose another one with `--state DIR`."
        ) from None
    return folder


def write_private(path: Path, text: str) -> None:
    """Put a file in place, mode 0600; who reads it meanwhile sees the old content or the new, never half of it."""
    private_folder(path.parent)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


def env_folder(state: Path, profile_name: str) -> Path:
    """Where the env files of a profile are: a deployment to AWS does not touch those of a local run."""
    return state / ("env" if profile_name == "local" else f"env-{profile_name}")
