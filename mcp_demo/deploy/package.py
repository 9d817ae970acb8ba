"""The zip that the registration functions run from: our own modules that they reach, and nothing else.

The same sources give the same bytes on every machine, so the name of the zip, the hash of its content, changes exactly
when the code does.
"""

import ast
import hashlib
import io
import zipfile
from dataclasses import dataclass
from importlib.util import resolve_name
from pathlib import Path

_SOURCE = Path(__file__).resolve().parent.parent.parent
_ENTRY = "mcp_demo.dcr.handlers"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can name


@dataclass(frozen=True, slots=True)
class Package:
    """A zip and the name it goes by."""

    content: bytes
    key: str


def registration_package() -> Package:
    """The zip of the registration functions."""
    buffer = io.BytesIO()
    # Stored, not compressed: what zlib makes of the same bytes differs between its versions.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(reachable(_ENTRY)):
            entry = zipfile.ZipInfo(path.relative_to(_SOURCE).as_posix(), _EPOCH)
            entry.create_system = 3  # Unix, wherever it is made: otherwise the permissions are lost
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    content = buffer.getvalue()
    return Package(content, f"registration-{hashlib.sha256(content).hexdigest()[:32]}.zip")


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
