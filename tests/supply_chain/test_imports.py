"""What is loaded when, and which package brings it: by name, not by the clock."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

_ROOT = Path(__file__).parents[2]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_HEAVY = {
    *("boto3", "botocore", "playwright", "ministack", "mcp", "fastapi", "starlette", "uvicorn", "httpx", "httpx2"),
    *("pydantic", "joserfc", "cryptography", "jinja2", "yaml", "IPython", "jupyterlab", "pytest", "hypothesis"),
}
_NEEDS_AN_EXTRA = {
    "mcp_demo/lab/browsers.py": "playwright",
    "mcp_demo/lab/hardening.py": "playwright",
    "mcp_demo/local/domain/qr.py": "segno",
    "mcp_demo/serverless/asgi.py": "mangum",
}
"""Modules that need more than a plain installation brings: what is imported when they are."""

_OF_SOMEBODY_ELSE = ("conformance/targets/", "conformance/pytest_plugin.py", "conformance/conftest.py")
"""Targets run in environments of their own; the plugin is loaded by pytest."""


@pytest.mark.parametrize(
    ("code", "welcome"),
    [
        ("import mcp_demo", set[str]()),
        ("from mcp_demo.cli import main; sys.argv = ['mcp-demo', '--help']; main()", {"typer", "rich"}),
        ("import mcp_demo.oauth.challenge, mcp_demo.oauth.redirect_uri", set[str]()),
    ],
)
def test_what_is_asked_for_little_loads_nothing_heavy(code: str, welcome: set[str]) -> None:
    program = (
        "import atexit, json, sys\n"
        "tops = lambda: sorted({name.partition('.')[0] for name in sys.modules})\n"
        "atexit.register(lambda: sys.stderr.write(json.dumps(tops())))\n"
        f"{code}\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(json.loads(run.stderr))
    assert "mcp_demo" in loaded
    assert loaded & _HEAVY == set()
    assert welcome <= loaded


def test_every_import_is_brought_by_a_plain_installation_or_listed_with_its_extra() -> None:
    plain = _closure(_PROJECT["dependencies"])
    owners = {name: {_norm(owner) for owner in found} for name, found in packages_distributions().items()}
    missing: dict[str, set[str]] = {}
    for file in _modules():
        for name in _imported(ast.parse(file.read_text(encoding="utf-8"))):
            if name not in sys.stdlib_module_names and not owners.get(name, {name}) & plain:
                missing.setdefault(str(file.relative_to(_ROOT)), set()).add(name)
    assert missing == {file: {name} for file, name in _NEEDS_AN_EXTRA.items()}


def test_every_extra_has_a_use() -> None:
    used = {
        name for file in _modules() for name in _imported(ast.parse(file.read_text(encoding="utf-8")), all_of_it=True)
    }
    owners = {_norm(owner) for name in used for owner in packages_distributions().get(name, ())}
    direct = {_norm(Requirement(text).name) for text in _PROJECT["dependencies"]}
    by_command = {"uvicorn", "python-multipart", "pyyaml"}  # started, or needed by what reads forms
    assert direct - owners - by_command == set()


def _modules() -> Iterator[Path]:
    for top in ("mcp_demo", "conformance"):
        for file in sorted((_ROOT / top).rglob("*.py")):
            name = str(file.relative_to(_ROOT))
            if "node_modules" not in name and not name.startswith(_OF_SOMEBODY_ELSE):
                yield file


def _imported(tree: ast.AST, *, all_of_it: bool = False) -> Iterator[str]:
    """The packages that are imported with a module; what is imported by its functions only if all is asked for."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names if not _own(alias.name))
        elif isinstance(node, ast.ImportFrom):
            if node.module and node.level == 0 and not _own(node.module):
                yield node.module.partition(".")[0]
        elif all_of_it or not (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _for_types(node)):
            yield from _imported(node, all_of_it=all_of_it)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def _own(name: str) -> bool:
    return name.partition(".")[0] in ("mcp_demo", "conformance")


def _closure(wanted: list[str]) -> set[str]:
    """All packages that an installation of these brings here, without their extras unless asked for."""
    found: set[tuple[str, str]] = set()
    todo = [Requirement(text) for text in wanted]
    while todo:
        requirement = todo.pop()
        for extra in ("", *requirement.extras):
            key = (_norm(requirement.name), extra)
            if key in found:
                continue
            found.add(key)
            try:
                texts = requires(requirement.name) or []
            except PackageNotFoundError:
                continue
            needed = [Requirement(text) for text in texts]
            todo += [item for item in needed if item.marker is None or item.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


def _norm(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
