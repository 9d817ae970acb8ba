"""The embedded AWS as a child process: it starts, answers, and never outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest

from mcp_demo.errors import SetupError
from mcp_demo.local.ministack import ACCESS_KEY, SECRET_KEY, MiniStack, free_port, running_ministack

PARENT = """
import sys, time
from pathlib import Path
from mcp_demo.local.ministack import MiniStack
ministack = MiniStack(Path(sys.argv[1]), int(sys.argv[2]))
ministack.start()
print(ministack.pid, flush=True)
time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie still has a pid until init collects it.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_until_gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if not is_alive(pid):
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_it_answers_makes_pools_and_leaves_no_process_behind(tmp_path: Path) -> None:
    with running_ministack(tmp_path, free_port(), region="eu-west-1") as ministack:
        pid = ministack.pid
        cognito = boto3.client(  # pyright: ignore[reportUnknownMemberType]
            "cognito-idp",
            endpoint_url=ministack.endpoint,
            region_name="eu-west-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )
        pool = cognito.create_user_pool(PoolName="p")["UserPool"]
        assert pool.get("Id", "").startswith("eu-west-1_")
    assert pid is not None
    assert wait_until_gone(pid, 5)
    assert not ministack.is_running()


def test_it_can_start_again_on_the_same_port_and_folder(tmp_path: Path) -> None:
    ministack = MiniStack(tmp_path, free_port())
    for _ in range(2):
        ministack.start()
        assert ministack.is_running()
        ministack.stop()


def test_it_dies_with_a_parent_that_is_killed_hard(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), str(free_port())], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert wait_until_gone(pid, 8)


def test_a_taken_port_is_one_clear_problem_with_a_cure(tmp_path: Path) -> None:
    with running_ministack(tmp_path / "first", free_port()) as first:
        with pytest.raises(SetupError, match=f"Port {first.port} cannot be used") as refused:
            MiniStack(tmp_path / "second", first.port).start()
        assert refused.value.cure


def test_a_folder_that_cannot_be_written_is_one_clear_problem_with_a_cure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SetupError, match="cannot be written") as refused:
        MiniStack(tmp_path / "file", free_port()).start()
    assert "MCP_DEMO_STATE" in refused.value.cure
