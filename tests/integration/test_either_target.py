"""What holds for a deployment wherever it is: `pytest tests/integration/test_either_target.py --target aws`."""

import os
import secrets
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from aws_target import deployed

from mcp_demo.deploy.cleanup import remove, take_inventory
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import Event
from mcp_demo.deploy.system import deploy_system
from mcp_demo.errors import SetupError
from mcp_demo.local.ministack import running_ministack
from mcp_demo.local.ports import Ports
from mcp_demo.local.state import Run

_ROOT = Path(__file__).resolve().parents[2]
_NOBODY = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")


def _silent(event: Event) -> None: ...


@pytest.mark.aws
def test_the_server_conforms(stack: Run, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    # Here all of it is another test's business, see test_conformance_stack.py; on AWS it is this one's.
    short = ["--select", "rs.challenge", "--select", "rs.metadata"]
    whole = ["--sign-in", stack.user.username, "--sign-in-at", stack.domain, "--allow-registration"]
    words = whole if pytestconfig.getoption("--target") == "aws" else short
    done = subprocess.run(
        [sys.executable, "-m", "mcp_demo.cli", "conformance", "run", stack.server, *words],
        cwd=tmp_path, env={**os.environ, "MCP_PASSWORD": stack.user.password}, capture_output=True, text=True,
        timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.aws
def test_a_client_registers_itself_and_leaves(stack: Run) -> None:
    with httpx.Client(timeout=30, trust_env=False) as http:
        metadata = http.get(f"{stack.bridge}/.well-known/oauth-authorization-server").raise_for_status().json()
        wish = {"redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none"}
        answer = http.post(metadata["registration_endpoint"], json=wish)
        assert answer.status_code == 201, answer.text
        client = answer.json()
        own = {"Authorization": f"Bearer {client['registration_access_token']}"}
        assert http.get(client["registration_client_uri"], headers=own).json()["client_id"] == client["client_id"]
        assert http.delete(client["registration_client_uri"], headers=own).status_code == 204
        assert http.get(client["registration_client_uri"], headers=own).status_code == 401


@pytest.mark.aws
def test_a_deployment_comes_and_goes(stack: Run, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    on_aws = pytestconfig.getoption("--target") == "aws"
    profile = Profile.aws() if on_aws else Profile.local(stack.aws)
    endpoints = Endpoints() if on_aws else stack.endpoints()
    name = f"mcp-demo-t{secrets.token_hex(3)}"
    # The account's one role for logs of API Gateway belongs to the system that is there already.
    choices = {"registration": {"ApiLogRole": "existing"}}
    try:
        first = deploy_system(profile, endpoints, tmp_path, _silent, name, choices=choices, serverless=True)
        again = deploy_system(profile, endpoints, tmp_path, _silent, name, choices=choices, serverless=True)
        assert (first.changed, again.changed) == (True, False)
    finally:
        remove(profile, name, take_inventory(profile, name, tmp_path), _silent)
    assert take_inventory(profile, name, tmp_path).is_empty


def test_without_credentials_the_tests_refuse_to_run_on_aws_in_one_line(tmp_path: Path) -> None:
    kept = {key: value for key, value in os.environ.items() if key not in _NOBODY}
    nowhere = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"), "AWS_CONFIG_FILE": str(tmp_path / "none")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--target", "aws", __file__],
        cwd=_ROOT, env={**kept, **nowhere, "AWS_EC2_METADATA_DISABLED": "true"}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if line]
    assert line.startswith("ERROR: There are no AWS credentials.")
    assert "aws sso login" in line


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Generator[Profile]:
    with running_ministack(tmp_path_factory.mktemp("either"), Ports.free().aws) as ministack:
        yield Profile.local(ministack.endpoint)


def test_the_tests_bring_a_user_of_their_own_to_a_deployment_and_take_it_away(profile: Profile, tmp_path: Path) -> None:
    with (
        pytest.raises(SetupError, match="Not deployed: mcp-demo-endpoints, mcp-demo-identity"),
        deployed(profile, tmp_path),
    ):
        pass
    endpoints = Endpoints(domain="http://localhost:1", aws=profile.endpoint, key_dir=tmp_path)
    outputs = deploy_system(profile, endpoints, tmp_path / "env", _silent, serverless=True).outputs
    cognito, pool = profile.cognito(), outputs["UserPoolId"]
    with deployed(profile, tmp_path) as run:
        users = [user.get("Username") for user in cognito.list_users(UserPoolId=pool)["Users"]]
        assert users == [run.user.username]
        assert (run.server, run.bridge) == (outputs["McpUrl"], outputs["BridgeUrl"])
    assert cognito.list_users(UserPoolId=pool)["Users"] == []
