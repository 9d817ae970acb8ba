"""Cleanup on the embedded AWS: it finds what no stack owns, and it can be killed at any moment and run again."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from mcp_demo.deploy.cleanup import remove, take_inventory
from mcp_demo.deploy.code import code_bucket
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import DeployFailed, Event
from mcp_demo.deploy.system import Deployment, deploy_system
from mcp_demo.errors import SetupError
from mcp_demo.local.ministack import running_ministack
from mcp_demo.local.ports import Ports

# Says what CloudFormation does, and waits to be told to go on, so that it can be killed right there.
_CLEANUP = """
import sys
from pathlib import Path
from mcp_demo.deploy.cleanup import remove, take_inventory
from mcp_demo.deploy.profile import Profile

def tell(event):
    print(event.resource, event.status, flush=True)
    sys.stdin.readline()

profile, folder = Profile.local(sys.argv[1]), Path(sys.argv[3])
remove(profile, sys.argv[2], take_inventory(profile, sys.argv[2], folder), tell)
"""


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Generator[Profile]:
    with running_ministack(tmp_path_factory.mktemp("cleanup"), Ports.free().aws) as ministack:
        yield Profile.local(ministack.endpoint)


def _silent(event: Event) -> None: ...


def _deployed(profile: Profile, name: str, folder: Path) -> Deployment:
    endpoints = Endpoints(domain="http://localhost:1", aws=profile.endpoint, key_dir=folder)
    return deploy_system(profile, endpoints, folder, _silent, name, serverless=True)


@pytest.mark.parametrize("moment", ["server DELETE_IN_PROGRESS", "server DELETE_COMPLETE", "endpoints DELETE_COMPLETE"])
def test_a_cleanup_that_was_killed_is_finished_by_the_next_one(profile: Profile, tmp_path: Path, moment: str) -> None:
    name = f"killed-{moment.lower().replace(' ', '-').replace('_', '-')[:20]}"
    _deployed(profile, name, tmp_path)
    command = [sys.executable, "-c", _CLEANUP, str(profile.endpoint), name, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        for line in process.stdout:
            if line.strip() == f"{name}-{moment}":
                os.kill(process.pid, signal.SIGKILL)
                break
            process.stdin.write("\n")
            process.stdin.flush()
        assert process.wait() == -signal.SIGKILL
    left = take_inventory(profile, name, tmp_path)
    assert left.resources
    for _ in range(2):
        remove(profile, name, left, _silent)
        assert take_inventory(profile, name, tmp_path).is_empty


def test_what_was_made_outside_the_stacks_is_listed_and_removed(profile: Profile, tmp_path: Path) -> None:
    outputs = _deployed(profile, "outside", tmp_path).outputs
    cognito, logs, s3 = profile.cognito(), profile.client("logs"), profile.client("s3")
    cognito.create_user_pool_client(UserPoolId=outputs["UserPoolId"], ClientName="mcp-dcr.one")
    groups = ["/aws/lambda/outside-late", f"API-Gateway-Execution-Logs_{outputs['RegistrationApiId']}/v1"]
    for group in groups:
        logs.create_log_group(logGroupName=group)
    bucket = code_bucket(profile, "outside")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for text in (b"one", b"two"):
        s3.put_object(Bucket=bucket, Key="again", Body=text)
    s3.delete_object(Bucket=bucket, Key="again")
    _keep_table(profile, "outside-registration-Clients-KEPT")
    found = take_inventory(profile, "outside", tmp_path)
    expected = {"app client mcp-dcr.one", f"bucket {bucket}", "table outside-registration-Clients-KEPT"}
    assert expected | {f"log group {group}" for group in groups} <= set(found.resources)
    remove(profile, "outside", found, _silent)
    assert take_inventory(profile, "outside", tmp_path).is_empty
    assert logs.describe_log_groups(logGroupNamePrefix="API-Gateway-Execution-Logs_")["logGroups"] == []


def test_a_table_that_is_protected_stays_and_the_reason_is_one_line(profile: Profile, tmp_path: Path) -> None:
    _keep_table(profile, "safe-registration-Clients", DeletionProtectionEnabled=True)
    found = take_inventory(profile, "safe", tmp_path)
    with pytest.raises(SetupError, match="DeleteTable") as caught:
        remove(profile, "safe", found, _silent)
    assert not isinstance(caught.value, DeployFailed)
    assert "protect" in caught.value.problem
    assert take_inventory(profile, "safe", tmp_path).resources == ("table safe-registration-Clients",)


def _keep_table(profile: Profile, name: str, **more: bool) -> None:
    profile.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        **more,
    )
