"""What the suite needs: Node 22 or newer, and the pinned npm package.

The system's Node is used where it is new enough; else the one that npm has as a package, for Linux. Both packages are
pinned in `package-lock.json` and end up in `node_modules` beside it, which git ignores.
"""

import json
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OLDEST = 22
_INSTALL_DEADLINE = 300
_MODULES = HERE / "node_modules"
_SUITE = _MODULES / "@modelcontextprotocol" / "conformance"


class Unavailable(Exception):
    """The suite cannot be run here; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A Node and the suite, and which versions of them."""

    node: Path
    node_version: str
    suite: Path
    suite_version: str

    def command(self, *arguments: str) -> list[str]:
        """How to run the suite."""
        return [str(self.node), str(self.suite / "dist" / "index.js"), *arguments]


def toolchain(*, install: bool = True) -> Toolchain:
    """Find what the suite needs, and install what is missing.

    Args:
        install: Whether npm may be asked for it.

    Raises:
        Unavailable: There is no way to get it.
    """
    wanted = pinned()
    if _installed_version() != wanted or _node() is None:
        if not install:
            raise Unavailable("The official suite is not installed; `make official` installs it.")
        _install()
    node, installed = _node(), _installed_version()
    if installed != wanted or installed is None:
        raise Unavailable(f"npm did not install version {wanted} of the official suite.")
    if node is None:
        raise Unavailable(f"The official suite needs Node {OLDEST} or newer, and npm has none for this system.")
    return Toolchain(*node, _SUITE, installed)


def pinned() -> str:
    """The version of the suite that this project is measured with."""
    return _json(HERE / "package.json")["dependencies"]["@modelcontextprotocol/conformance"]


def _install() -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable(f"The official suite needs npm, with Node {OLDEST} or newer; there is no npm here.")
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(
            [npm, *arguments], cwd=HERE, capture_output=True, text=True, timeout=_INSTALL_DEADLINE, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"npm did not finish installing the official suite in {_INSTALL_DEADLINE} s.") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        reason = lines[0] if lines else f"exit status {done.returncode}"
        raise Unavailable(f"npm cannot install the official suite: {reason}")


def _node() -> tuple[Path, str] | None:
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    packaged = _MODULES / f"node-{platform.system().lower()}-{machine}" / "bin" / "node"
    found = shutil.which("node")
    for candidate in (Path(found) if found else None, packaged):
        version = _version(candidate) if candidate is not None and candidate.exists() else None
        if candidate is not None and version is not None and int(version.partition(".")[0]) >= OLDEST:
            return candidate, version
    return None


def _version(node: Path) -> str | None:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.fullmatch(r"v(\d+\.\d+\.\d+)\s*", said)
    return found[1] if found else None


def _installed_version() -> str | None:
    manifest = _SUITE / "package.json"
    return _json(manifest)["version"] if manifest.exists() else None


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
