"""The wheel: the same bytes from the same sources, nothing in it that does not belong, usable without extras."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", ".gitignore", "mcp_demo", "conformance", "infrastructure")
_USE = """
import asyncio, importlib, pkgutil, httpx
import mcp_demo, conformance
extras = {"mcp_demo.serverless", "mcp_demo.lab", "mcp_demo.local"}
others = {"conformance.pytest_plugin", "conformance.conftest", "conformance.targets", "conformance.test_conformance"}
for top in (mcp_demo, conformance):
    for found in pkgutil.walk_packages(top.__path__, top.__name__ + ".", onerror=print):
        if not found.name.startswith(tuple(extras | others)) and not found.name.endswith("__main__"):
            importlib.import_module(found.name)
from mcp_demo.server.app import create_app
from mcp_demo.settings import ServerSettings
app = create_app(ServerSettings.model_validate({
    "mcp_url": "http://localhost:1/mcp", "issuer": "https://i.example", "jwks_uri": "https://i.example/jwks",
    "authorization_servers": ["http://localhost:2"], "contexts_file": "contexts.sqlite"}))
async def ask():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:1") as http:
        return (await http.get("/health")).status_code, (await http.post("/mcp")).status_code
print(asyncio.run(ask()))
"""


def _build(folder: Path, when: int) -> Path:
    """A wheel of a copy of the sources, all of it touched at some time."""
    copy = folder / f"copy-{when}"
    copy.mkdir()
    skip = shutil.ignore_patterns("node_modules", "__pycache__", "results")
    for name in _SOURCES:
        source = _ROOT / name
        _ = shutil.copytree(source, copy / name, ignore=skip) if source.is_dir() else shutil.copy(source, copy / name)
    for file in copy.rglob("*"):
        os.utime(file, (when, when))
    out = folder / f"wheel-{when}"
    command = [sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--out-dir", str(out), str(copy)]
    subprocess.run(command, check=True, timeout=200, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("wheels")
    return [_build(folder, when) for when in (1_600_000_000, 1_800_000_000)]


@pytest.mark.slow
def test_the_same_sources_make_the_same_bytes(wheels: list[Path]) -> None:
    assert len({hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels}) == 1


@pytest.mark.slow
def test_the_wheel_holds_the_packages_and_nothing_else(wheels: list[Path]) -> None:
    names = zipfile.ZipFile(wheels[0]).namelist()
    assert {name.partition("/")[0] for name in names} == {"mcp_demo", "conformance", "mcp_demo-0.1.0.dist-info"}
    assert "mcp_demo/infrastructure/identity.yaml" in names
    assert "mcp_demo/py.typed" in names
    strange = [name for name in names if any(part in name for part in ("node_modules", ".env", ".pem", "__pycache__"))]
    assert strange == []


@pytest.mark.slow
def test_server_client_and_suite_work_without_any_extra(wheels: list[Path], tmp_path: Path) -> None:
    python = tmp_path / "plain" / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "plain")], check=True)
    install = [*uv, "pip", "install", "--quiet", "--python", str(python)]
    subprocess.run(
        [*install, "--constraint", str(_ROOT / "requirements.lock"), str(wheels[0])], check=True, timeout=300
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MCP_", "PYTHON"))}
    run = subprocess.run(
        [str(python), "-c", _USE],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "(200, 401)"
    absent = subprocess.run([str(python), "-c", "import playwright"], capture_output=True, check=False)
    assert absent.returncode == 1
