"""Server and bridge as Lambda functions: the zips, the way in through their APIs, their logs, the rotation of keys."""

import json
import platform
import re
import subprocess
import sys
import uuid
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
from typer.testing import CliRunner

from mcp_demo import cli
from mcp_demo.access import call, fetch_token
from mcp_demo.deploy.package import serving_package
from mcp_demo.deploy.profile import Profile
from mcp_demo.local.ports import Ports
from mcp_demo.local.stack import running_stack
from mcp_demo.local.state import Run
from mcp_demo.oauth import pkce
from mcp_demo.serverless.envelope_keys import usable

CALLBACK = "https://elsewhere.example/callback"
RUNTIME_SHIPS = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
ISOLATED = """
import sys
sys.path = [path for path in sys.path if "site-packages" not in path] + sys.argv[1:]
import mcp_demo.serverless.asgi, mcp_demo.server.app, mcp_demo.bridge.app, mcp_demo.serverless.envelope_keys
from jinja2 import PackageLoader
names = [name for package in ("bridge", "web") for name in PackageLoader(f"mcp_demo.{package}").list_templates()]
assert {"base.html", "consent.html"} <= set(names)
print(mcp_demo.__file__, mcp_demo.serverless.asgi.Mangum.__module__)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Generator[Run]:
    with running_stack(tmp_path_factory.mktemp("serverless"), Ports.free(), served_by="lambda") as run:
        yield run


@pytest.fixture(scope="module")
def aws(run: Run) -> Profile:
    return Profile.local(run.aws)


@pytest.mark.slow
def test_somebody_signs_in_and_writes_through_functions_only(run: Run, aws: Profile) -> None:
    stored = json.loads(call(run, "add_context", {"name": "on", "text": "Lambda"}, headless=True))
    listed = json.loads(call(run, "list_contexts", {}, headless=True))
    assert [item["id"] for item in listed["contexts"]] == [stored["id"]]
    table = aws.client("lambda").get_function_configuration(FunctionName="mcp-demo-server")["Environment"]["Variables"]
    kept = aws.client("dynamodb").scan(TableName=table["MCP_DEMO_CONTEXTS_TABLE"])["Items"]
    assert [item["text"]["S"] for item in kept] == ["Lambda"]


@pytest.mark.slow
def test_the_function_calls_an_api_for_people_with_a_token_of_its_own(run: Run, aws: Profile) -> None:
    seen = json.loads(call(run, "whoami_downstream", {}, headless=True))
    table = aws.client("lambda").get_function_configuration(FunctionName="mcp-demo-server")["Environment"]["Variables"]
    assert (seen["audience"], seen["actors"]) == (run.downstream, [table["ACTING_CLIENT_ID"]])
    assert seen["subject"] == json.loads(call(run, "whoami", {}, headless=True))["subject"]


@pytest.mark.slow
def test_the_challenge_comes_through_the_api_unchanged(run: Run) -> None:
    answer = httpx.post(run.server, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, timeout=30)
    assert answer.status_code == 401
    assert "resource_metadata=" in answer.headers["www-authenticate"]
    assert answer.headers["x-request-id"]


@pytest.mark.slow
def test_the_log_of_a_function_names_requests_and_no_secret(run: Run, aws: Profile) -> None:
    token = fetch_token(run, [], headless=True)
    refused = httpx.get(run.server, headers={"Authorization": f"Bearer {token}x"}, timeout=30)
    lines = [line for part in ("server", "bridge") for line in _log(aws, f"/aws/lambda/mcp-demo-{part}")]
    requests = [json.loads(line) for line in lines if line.startswith('{"event"')]
    named = next(line for line in requests if line["request_id"] == refused.headers["x-request-id"])
    assert (named["status"], named["error"], named["part"]) == (401, "invalid_token", "server")
    assert {"/authorize", "/callback", "/token"} <= {line["path"] for line in requests}
    assert not any("eyJ" in line or "code=" in line or "state=" in line for line in lines)


@pytest.mark.slow
def test_envelope_keys_rotate_and_a_refresh_token_of_before_still_opens(run: Run, aws: Profile) -> None:
    secrets, functions = aws.client("secretsmanager"), aws.client("lambda")
    before = secrets.get_secret_value(SecretId="mcp-demo/envelope-keys")["SecretString"]
    event = {"SecretId": "mcp-demo/envelope-keys", "ClientRequestToken": str(uuid.uuid4())}
    for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
        done = functions.invoke(FunctionName="mcp-demo-rotation", Payload=json.dumps(event | {"Step": step}))
        assert "FunctionError" not in done, done["Payload"].read()
    after = secrets.get_secret_value(SecretId="mcp-demo/envelope-keys")["SecretString"]
    assert usable(after)[0] == json.loads(before)["next"]
    assert json.loads(after)["next"] not in before


@pytest.mark.slow
def test_a_bridge_function_asks_listed_hosts_only_and_serves_what_is_pinned(run: Run, tmp_path: Path) -> None:
    there = f"{run.clients['cimd']}/client.json"
    pinned = "https://elsewhere.example/client.json"
    more = [f"{CALLBACK}/{number:060}" for number in range(100)]  # than the settings of a function can hold
    document = {"client_id": pinned, "client_name": "Pinned", "redirect_uris": [CALLBACK, *more]}
    (tmp_path / "client.json").write_text(json.dumps(document))
    _mcp_demo(run, "clients", "pin", str(tmp_path / "client.json"))
    assert _opened(run, there)[0] == 200
    listed = ("deploy", "--set", "server.DocumentHosts=demo.example,*.demo.example")
    assert re.search(r"change +BridgeFunction", _mcp_demo(run, *listed, "--dry-run"))
    assert _opened(run, there)[0] == 200
    _mcp_demo(run, *listed)
    status, page = _opened(run, there)
    assert (status, "Applications of localhost are not accepted here" in page) == (400, True)
    status, page = _opened(run, pinned)
    assert (status, "Pinned" in page) == (200, True)
    _mcp_demo(run, "clients", "deny", pinned)
    assert _opened(run, pinned)[0] == 400
    _mcp_demo(run, "clients", "remove", pinned)
    assert "Applications of elsewhere.example are not accepted here" in _opened(run, pinned)[1]
    _mcp_demo(run, "deploy", "--set", "server.DocumentHosts=*.demo.example,localhost")
    assert _opened(run, there)[0] == 200


@pytest.mark.slow
def test_a_zip_runs_with_nothing_but_itself_and_the_runtime(tmp_path: Path) -> None:
    major, minor, _ = platform.python_version_tuple()
    package = serving_package("x86_64" if platform.machine() == "x86_64" else "arm64", f"{major}.{minor}")
    archive, runtime = tmp_path / "code.zip", tmp_path / "runtime"
    archive.write_bytes(package.content)
    ZipFile(archive).extractall(tmp_path / "code")
    runtime.mkdir()
    for name in RUNTIME_SHIPS:
        origin = Path(str((find_spec(name) or pytest.fail(name)).origin))
        source = origin.parent if origin.name == "__init__.py" else origin
        (runtime / source.name).symlink_to(source)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ISOLATED, str(tmp_path / "code"), str(runtime)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "code") in done.stdout


@pytest.mark.slow
def test_the_same_sources_make_the_same_zip() -> None:
    assert serving_package("arm64") == serving_package("arm64")


def _log(aws: Profile, group: str) -> list[str]:
    logs: Any = aws.client("logs")
    events = [
        event
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        for event in page["events"]
    ]
    return [line for event in events for line in event["message"].splitlines()]


def _mcp_demo(run: Run, *words: str) -> str:
    done = CliRunner().invoke(cli.app, [*words, "--state", str(run.state)])
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done.stdout


def _opened(run: Run, client_id: str) -> tuple[int, str]:
    """The bridge's page for somebody whom a client sends to sign in."""
    asked = {
        "response_type": "code", "client_id": client_id, "resource": run.server, "state": "s",
        "redirect_uri": f"{run.clients['cimd']}/callback" if client_id.startswith(run.clients["cimd"]) else CALLBACK,
        "code_challenge": pkce.challenge(pkce.new_verifier()), "code_challenge_method": "S256",
    }  # fmt: skip
    page = httpx.get(f"{run.bridge}/authorize", params=asked, timeout=60)
    return page.status_code, page.text
