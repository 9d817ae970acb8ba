"""Embedded AWS: MiniStack as a supervised child process on 127.0.0.1 (design D1).

Parent side: `MiniStack`, or `running_ministack` as a context manager. Child side: this module run by `python -m`, which
is MiniStack in a process group of its own that ends when the parent does.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from mcp_demo.errors import SetupError
from mcp_demo.local.lifeline import watch_parent

ACCESS_KEY = SECRET_KEY = "test"  # noqa: S105  # the emulator's published root credentials
HOST = "127.0.0.1"
_START_DEADLINE = 30.0
_STOP_DEADLINE = 1.6
_POLL = 0.05


class MiniStack:
    """One MiniStack process.

    Args:
        state: Folder of the run; MiniStack gets `aws/` (its STATE_DIR) and `tmp/aws/` in it, its log goes to `logs/`.
        port: Port on 127.0.0.1.
        region: The AWS Region it plays.
    """

    def __init__(self, state: Path, port: int, *, region: str = "us-east-1") -> None:
        self.state = state.resolve()
        self.port = port
        self.region = region
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """The `endpoint_url` for boto3."""
        return f"http://{HOST}:{self.port}"

    @property
    def key_dir(self) -> Path:
        """Where the signing keys of its user pools are, `<pool>-access.pem` and `<pool>-id.pem`."""
        return self.state / "aws" / "cognito-pool-keys"

    @property
    def log(self) -> Path:
        """What the process wrote."""
        return self.state / "logs" / "aws.log"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self.is_running() and self._process else None

    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process and wait until it is healthy.

        Raises:
            SetupError: The port is taken, the folder cannot be written, or MiniStack does not start.
        """
        _require_free(self.port)
        environment = self._prepare()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mcp_demo.local.ministack"],
                env=environment,
                cwd=self.state,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that the Lambda workers it starts end with it
            )
        try:
            self._wait_until_healthy()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the process and everything it started; does nothing when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_DEADLINE)
        with suppress(ProcessLookupError):  # its children may outlive it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin:
            process.stdin.close()

    def _prepare(self) -> dict[str, str]:
        folders = {"STATE_DIR": self.state / "aws", "S3_DATA_DIR": self.state / "aws" / "s3"}
        folders["TMPDIR"] = self.state / "tmp" / "aws"
        try:
            for folder in (*folders.values(), self.log.parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.log.touch(mode=0o600)
        except OSError as error:
            raise SetupError(
                f"The state folder {self.state} cannot be written: {error.strerror}.",
                "Choose another one with MCP_DEMO_STATE.",
            ) from None
        # A clean environment: nothing of the person's AWS profile, proxies or Docker reaches the emulator.
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
        return {
            **inherited,
            **{name: str(folder) for name, folder in folders.items()},
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": HOST,
            "AUTH": "true",
            "MINISTACK_REGION": self.region,
            "MINISTACK_COGNITO_PRETOKEN_STRICT": "1",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            # At its start MiniStack removes containers of other MiniStacks. There is no Docker daemon behind this one.
            "DOCKER_HOST": f"unix://{self.state}/no-docker.sock",
            "PYTHONUNBUFFERED": "1",
        }

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + _START_DEADLINE
        while time.monotonic() < deadline:
            if not self.is_running():
                raise SetupError(
                    "The embedded AWS ended while starting.", f"The reason is at the end of its log, {self.log}."
                )
            if _is_healthy(self.port):
                return
            time.sleep(_POLL)
        raise SetupError(
            f"The embedded AWS was not ready within {_START_DEADLINE:.0f} seconds.", f"Look at its log, {self.log}."
        )


@contextmanager
def running_ministack(state: Path, port: int, *, region: str = "us-east-1") -> Generator[MiniStack]:
    """MiniStack for the length of a `with` block; arguments and errors as of `MiniStack`."""
    ministack = MiniStack(state, port, region=region)
    ministack.start()
    try:
        yield ministack
    finally:
        ministack.stop()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise SetupError(
                f"Port {port} cannot be used for the embedded AWS: {error.strerror}.",
                "Stop the program that uses it, or choose another port.",
            ) from None


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=1)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end_group() -> None:
    os.killpg(0, signal.SIGTERM)
    time.sleep(_STOP_DEADLINE)
    os.killpg(0, signal.SIGKILL)


def _serve() -> None:
    if os.getpgrp() != os.getpid():  # started by hand: do not take the shell down with us
        os.setpgrp()
    watch_parent(_end_group)
    from ministack import app  # pyright: ignore[reportMissingTypeStubs]  # here: importing it takes half a second

    from mcp_demo.local.aws_guard import guarded
    from mcp_demo.local.aws_keys import let_keys_rotate
    from mcp_demo.local.aws_types import add_types

    add_types()
    let_keys_rotate()
    sys.argv = ["ministack"]
    app.app = guarded(app.app)  # pyright: ignore[reportArgumentType, reportUnknownMemberType, reportUnknownArgumentType]
    app.main()


if __name__ == "__main__":
    _serve()
