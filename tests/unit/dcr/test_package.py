"""The zip, run by an interpreter that has the standard library, boto3 and nothing else: what Lambda offers."""

import importlib.util
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mcp_demo.deploy import package
from mcp_demo.deploy.package import Package, registration_package

# boto3 and what it stands on; Lambda's Python runtime brings these.
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")

PROGRAM = """
import json, sys
archive, runtime = sys.argv[1:]
sys.path[:] = [path for path in sys.path if "site-packages" not in path] + [archive, runtime]
before = set(sys.modules)
from mcp_demo.dcr import handlers, initial_access
event = {"headers": {"content-type": "application/json"}, "body": "[]", "pathParameters": None}
answer = handlers.register(event, None)
origins = {}
for name, module in list(sys.modules.items()):
    if name not in before and getattr(module, "__file__", None):
        origins[name] = module.__file__
json.dump({"answer": answer, "origins": origins}, sys.stdout)
"""


@pytest.fixture(scope="module")
def built() -> Package:
    return registration_package()


@pytest.fixture
def archive(tmp_path: Path, built: Package) -> Path:
    path = tmp_path / "code.zip"
    path.write_bytes(built.content)
    return path


def _runtime(folder: Path) -> Path:
    folder.mkdir()
    for name in RUNTIME:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)
    return folder


def _names(content: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        return zipped.namelist()


def test_the_zip_runs_with_the_standard_library_and_boto3_alone(tmp_path: Path, archive: Path) -> None:
    environment = {
        "CLIENTS_TABLE": "clients",
        "SCOPES": "read",
        "MCP_URL": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PATH": "/nowhere",
    }
    runtime = _runtime(tmp_path / "runtime")
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, str(archive), str(runtime)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert result["answer"]["statusCode"] == 400
    assert json.loads(result["answer"]["body"])["error"] == "invalid_client_metadata"
    allowed = (str(archive), str(runtime), sys.base_prefix)
    strangers = {name: origin for name, origin in result["origins"].items() if not origin.startswith(allowed)}
    assert strangers == {}
    assert result["origins"]["mcp_demo.dcr.handlers"].startswith(str(archive))
    assert result["origins"]["boto3"].startswith(str(runtime))


def test_the_zip_holds_our_own_sources_and_nothing_else(built: Package) -> None:
    names = _names(built.content)
    assert "mcp_demo/dcr/handlers.py" in names
    others = [name for name in names if not name.endswith(".py")]
    assert all(name.startswith("mcp_demo/") for name in names)
    assert all(name.startswith("mcp_demo/web/templates/") for name in others)
    assert not any(name.startswith(("mcp_demo/bridge", "mcp_demo/deploy", "mcp_demo/local")) for name in names)
    assert names == sorted(names)


def test_the_same_sources_make_the_same_zip(built: Package) -> None:
    again = registration_package()
    assert again.content == built.content
    assert again.key == built.key


def test_other_code_makes_another_name(built: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(io.BytesIO(built.content)) as zipped:
        zipped.extractall(tmp_path)
    monkeypatch.setattr(package, "_SOURCE", tmp_path)
    assert registration_package().key == built.key
    handlers = tmp_path / "mcp_demo/dcr/handlers.py"
    handlers.write_text(handlers.read_text() + "# changed\n")
    assert registration_package().key != built.key


def test_every_file_in_the_zip_is_readable_and_dateless(built: Package) -> None:
    with zipfile.ZipFile(io.BytesIO(built.content)) as zipped:
        for entry in zipped.infolist():
            assert entry.external_attr >> 16 == 0o644
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
