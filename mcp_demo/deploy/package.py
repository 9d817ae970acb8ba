"""The zips that Lambda functions run from: our own modules that they reach, and the wheels those need.

The same sources give the same bytes on every machine, so the name of the zip, the hash of its content, changes exactly
when the code does. The registration functions need no wheel: boto3 comes with the runtime.
"""

import ast
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import resolve_name
from pathlib import Path
from typing import Literal

from mcp_demo.errors import SetupError

Architecture = Literal["arm64", "x86_64"]

_SOURCE = Path(__file__).resolve().parent.parent.parent
_REGISTRATION = ("mcp_demo.dcr.handlers", "mcp_demo.dcr.initial_access")
_MESSAGES = ("mcp_demo.serverless.messages",)
_SERVING = ("mcp_demo.serverless.server", "mcp_demo.serverless.bridge", "mcp_demo.serverless.envelope_keys")
REQUIREMENTS = _SOURCE / "mcp_demo" / "serverless" / "requirements.txt"
"""The wheels of the serving functions, each with its hashes."""
RUNTIME = "3.13"
"""The Python of the functions."""

_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can name


@dataclass(frozen=True, slots=True)
class Package:
    """A zip and the name it goes by."""

    content: bytes
    key: str


def registration_package() -> Package:
    """The zip of the registration functions."""
    return _package("registration", _modules(_REGISTRATION))


def messages_package() -> Package:
    """The zip of the function that words the user pool's messages."""
    return _package("messages", _modules(_MESSAGES))


def serving_package(architecture: Architecture | None = None, python: str = RUNTIME) -> Package:
    """The zip of server and bridge.

    Args:
        architecture: Of the wheels; None leaves them out, for the embedded AWS, whose functions see what is installed.
        python: The version of Python that the wheels are for.

    Raises:
        SetupError: The wheels cannot be had.
    """
    modules = _modules(_SERVING)
    if architecture is None:
        return _package("serving", modules)
    with tempfile.TemporaryDirectory() as folder:
        _install(Path(folder), architecture, python)
        wheels = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in Path(folder).rglob("*")
            if path.is_file() and path.suffix != ".pyc" and "bin" not in path.relative_to(folder).parts[:1]
        }
    return _package(f"serving-{architecture}", wheels | modules)


def _install(folder: Path, architecture: Architecture, python: str) -> None:
    machine = _MACHINES[architecture]
    platforms = [f"manylinux{version}_{machine}" for version in ("2014", "_2_17", "_2_28")]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--no-deps", "--require-hashes", "--only-binary=:all:", "--implementation=cp"]
    command += [f"--python-version={python}", *(f"--platform={platform}" for platform in platforms)]
    command += [f"--target={folder}", f"--requirement={REQUIREMENTS}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "pip gives no reason")
        raise SetupError(
            f"The wheels for {architecture} cannot be had: {reason.strip()}",
            "Check that `python -m pip` works here and reaches a package index, then deploy again.",
        )


def _modules(entries: tuple[str, ...]) -> dict[str, bytes]:
    """Our own files: modules that the entries reach, and the templates and models beside them."""
    files = {path for entry in entries for path in reachable(entry)}
    folders = {path.parent / name for path in files for name in ("templates", "models")}
    files |= {file for folder in folders for file in folder.rglob("*") if file.is_file()}
    return {path.relative_to(_SOURCE).as_posix(): path.read_bytes() for path in files}


def _package(name: str, files: Mapping[str, bytes]) -> Package:
    buffer = io.BytesIO()
    # Stored, not compressed: what zlib makes of the same bytes differs between its versions.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, data in sorted(files.items()):
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.create_system = 3  # Unix, wherever it is made: otherwise the permissions are lost
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    content = buffer.getvalue()
    return Package(content, f"{name}-{hashlib.sha256(content).hexdigest()[:32]}.zip")


def reachable(entry: str) -> set[Path]:
    """The files of this project that a module imports, directly or not, and the packages around them."""
    found: set[Path] = set()
    todo = [entry]
    while todo:
        path = _file(todo.pop())
        if path is None or path in found:
            continue
        found.add(path)
        name = _module(path)
        todo += _imports(ast.parse(path.read_bytes()), name, is_package=path.name == "__init__.py")
        todo.append(name.rpartition(".")[0])
    return found


def _imports(tree: ast.AST, module: str, *, is_package: bool) -> list[str]:
    package = module if is_package else module.rpartition(".")[0]
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return names


def _file(module: str) -> Path | None:
    """The source of a module of this project; None for anything else."""
    if module.partition(".")[0] != "mcp_demo":
        return None
    path = _SOURCE.joinpath(*module.split("."))
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _module(path: Path) -> str:
    parts = path.relative_to(_SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
