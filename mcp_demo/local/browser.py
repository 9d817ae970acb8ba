"""A Chromium to sign in with: one that is there, else one that `python -m mcp_demo.local.browser` installs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from mcp_demo.errors import SetupError

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_APPLICATIONS = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
)
_PLAYWRIGHT_CACHES = (Path("~/.cache/ms-playwright"), Path("~/Library/Caches/ms-playwright"))
_PLAYWRIGHT_PROGRAMS = (
    "chromium-*/chrome-linux*/chrome",
    "chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
    "chromium_headless_shell-*/chrome-*/*headless*shell",
)
_ANSWER_DEADLINE = 20
_INSTALL_DEADLINE = 600


@cache
def find() -> Path | None:
    """A Chromium that runs here, or `None`. `$MCP_DEMO_BROWSER` names one to prefer."""
    return next((path for path in _candidates() if _runs(path)), None)


def require() -> Path:
    """A Chromium that runs here.

    Raises:
        SetupError: There is none.
    """
    path = find()
    if path is None:
        raise SetupError(
            "There is no Chromium or Chrome on this machine.",
            "Run `python -m mcp_demo.local.browser` to install one, or set MCP_DEMO_BROWSER to its path.",
        )
    return path


def ensure() -> str:
    """Find a Chromium, else install one: Playwright's, else the distribution's. Returns a line that says which.

    Raises:
        SetupError: None is there and none can be installed.
    """
    found = find()
    if found:
        return f"Browser: {found} (was there)"
    reasons: list[str] = []
    for source, commands in _installations():
        reason = _first_failure(commands)
        find.cache_clear()
        found = find()
        if found:
            return f"Browser: {found} (installed from {source})"
        reasons.append(f"{source}: {reason or 'installed nothing that runs'}")
    raise SetupError(
        f"No Chromium is here and none could be installed ({'; '.join(reasons)}).",
        "Install Chromium or Chrome yourself, or set MCP_DEMO_BROWSER to its path.",
    )


def _candidates() -> Iterator[Path]:
    chosen = os.environ.get("MCP_DEMO_BROWSER")
    if chosen:
        yield Path(chosen)
    for program in _PROGRAMS:
        path = shutil.which(program)
        if path:
            yield Path(path)
    yield from _APPLICATIONS
    own = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    for folder in [Path(own)] if own else _PLAYWRIGHT_CACHES:
        for pattern in _PLAYWRIGHT_PROGRAMS:
            yield from sorted(folder.expanduser().glob(pattern), reverse=True)  # the newest first


def _runs(path: Path) -> bool:
    """Whether a program really is a browser: Ubuntu's `chromium-browser` only tells to install a snap."""
    if not os.access(path, os.X_OK) or not path.is_file():
        return False
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_ANSWER_DEADLINE)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and any(name in answer.stdout for name in ("Chrom", "HeadlessShell"))


def _installations() -> Iterator[tuple[str, list[list[str]]]]:
    yield "Playwright", [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if shutil.which("apt-get"):
        root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        quiet = [*root, "apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
        yield "the distribution", [[*quiet, "update"], [*quiet, "install", "-y", "--no-install-recommends", "chromium"]]


def _first_failure(commands: list[list[str]]) -> str | None:
    for command in commands:
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_INSTALL_DEADLINE, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return type(error).__name__
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()
            return next((line.strip() for line in lines if "rror" in line or line.startswith("E:")), "failed")
    return None


def main() -> int:
    """Say which browser there is; returns the exit code."""
    try:
        sys.stdout.write(f"{ensure()}\n")
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
