"""Schemathesis over the OpenAPI of bridge and registration, against the running system: no crash, no surprise.

Its packages are pinned by hash in a folder of their own: nothing else needs them, and its pytest plugin would load
whenever pytest does.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from mcp_demo.local.state import Run

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture(scope="session")
def libraries() -> Path:
    pinned = _HERE / "schemathesis.txt"
    folder = Path(sys.prefix) / f"schemathesis-{hashlib.sha256(pinned.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        making = folder.with_name(f"{folder.name}.{os.getpid()}")
        install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(making)]
        subprocess.run([*install, "--require-hashes", "-r", str(pinned)], check=True, timeout=300)
        try:
            making.rename(folder)
        except OSError:  # somebody else was faster
            assert folder.exists()
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bridge", "registration"])
def test_what_is_answered_is_what_is_written(name: str, stack: Run, libraries: Path, tmp_path: Path) -> None:
    url = stack.bridge
    if name == "registration":
        metadata = httpx.get(f"{stack.bridge}/.well-known/oauth-authorization-server", trust_env=False).json()
        url = metadata["registration_endpoint"].removesuffix("/register")
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(_ROOT / "docs" / "openapi" / f"{name}.yaml")]
    command += ["--url", url, "--checks", _CHECKS, "--phases", "examples,coverage,fuzzing", "--mode", "all"]
    command += ["--max-examples", "8", "--seed", "8", "--generation-deterministic"]
    command += ["--request-timeout", "20", "--no-color", "--max-failures", "8", "--max-time", "20"]
    command += ["--suppress-health-check", "all"]
    environment = {**os.environ, "PYTHONPATH": str(libraries), "NO_PROXY": "*"}
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=240, check=False, env=environment, cwd=tmp_path
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
