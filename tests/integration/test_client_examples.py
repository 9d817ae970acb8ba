"""The examples run as a reader would run them."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from mcp_demo.deploy.profile import Profile
from mcp_demo.local.browser import require
from mcp_demo.local.ports import Ports
from mcp_demo.local.state import Run

EXAMPLES = Path(__file__).parents[2] / "examples"
# Stands in for the system's browser: signs in, then makes sure that the listener has heard of it.
PERSON = """
import os, sys, urllib.request
from contextlib import suppress
from mcp_demo.client.browser import HeadlessBrowser
url = sys.argv[1]
redirect = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["redirect_uri"][0]
known = {"origins": [os.environ["DEMO_DOMAIN"]], "executable": os.environ["DEMO_CHROMIUM"]}
person = HeadlessBrowser(os.environ["DEMO_USER"], os.environ["DEMO_PASSWORD"], **known)
answer = person(url, redirect)
with suppress(OSError):
    urllib.request.urlopen(answer, timeout=5).close()
"""


@pytest.mark.parametrize("name", ["script.py", "async_call.py", "sdk.py"])
def test_an_example_gets_in_through_the_systems_browser(name: str, stack: Run, tmp_path: Path) -> None:
    person = tmp_path / "person.py"
    person.write_text("import urllib.parse\n" + PERSON)
    environment = {
        **os.environ,
        "BROWSER": f"{sys.executable} {person} %s &",
        "DEMO_USER": stack.user.username,
        "DEMO_PASSWORD": stack.user.password,
        "DEMO_CHROMIUM": str(require()),
        "DEMO_DOMAIN": stack.domain,
    }
    command = [sys.executable, EXAMPLES / name, stack.server, stack.client_id]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    assert stack.user.username in done.stdout


@contextmanager
def published(run: Run) -> Generator[str]:
    """Metadata of the user pool's token endpoint under an issuer on this machine; that of the pool itself is on AWS."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = {"issuer": issuer, "token_endpoint": f"{run.domain}/oauth2/token"}
            body = json.dumps({**document, "response_types_supported": ["code"]}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    front = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = f"http://localhost:{front.server_port}"
    thread = threading.Thread(target=front.serve_forever, daemon=True)
    thread.start()
    yield issuer
    front.shutdown()
    front.server_close()
    thread.join()


@contextmanager
def served(run: Run, issuer: str, folder: Path) -> Generator[str]:
    """An MCP server that machines may use: it tells by scope that a token is meant for it."""
    port = Ports.free().server
    url = f"http://localhost:{port}/mcp"
    settings = {
        "MCP_URL": url,
        "AUTHORIZATION_SERVERS": json.dumps([issuer]),
        "ISSUER": run.issuer,
        "JWKS_URI": run.jwks_uri,
        "AUDIENCE": "scope",
    }
    env_file = folder / "server.env"
    env_file.write_text("".join(f"MCP_DEMO_{name}={value}\n" for name, value in settings.items()))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MCP_DEMO_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "mcp_demo.local.run", "mcp_demo.server.app:create_app", "--port", str(port)],
        env=environment | {"MCP_DEMO_ENV_FILE": str(env_file)},
        stdin=subprocess.PIPE,
    )
    try:
        wait_until_healthy(f"http://localhost:{port}/health", process)
        yield url
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)


def wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the server did not come up: {process.poll()}")


def test_a_machine_gets_in_with_credentials_of_its_own_and_nobody_signs_in(stack: Run, tmp_path: Path) -> None:
    cognito = Profile.local(stack.aws).cognito()
    pool = stack.issuer.rpartition("/")[2]
    with published(stack) as issuer, served(stack, issuer, tmp_path) as url:
        cognito.create_resource_server(
            UserPoolId=pool,
            Identifier=url,
            Name="machines",
            Scopes=[{"ScopeName": name, "ScopeDescription": name} for name in ("read", "write")],
        )
        made = cognito.create_user_pool_client(
            UserPoolId=pool,
            ClientName="machine",
            GenerateSecret=True,
            AllowedOAuthFlows=["client_credentials"],
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthScopes=[f"{url}/read"],
        )["UserPoolClient"]
        client_id, secret = made.get("ClientId", ""), made.get("ClientSecret", "")
        environment = {**os.environ, "CLIENT_SECRET": secret}
        command = [sys.executable, EXAMPLES / "machine.py", url, client_id]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "whoami" in done.stdout
        words = ["call", "whoami", "--url", url, "--client-id", client_id, "--sign-in", "machine", "--store", "memory"]
        environment = {**os.environ, "MCP_DEMO_CLIENT_SECRET": secret, "MCP_DEMO_STATE": str(tmp_path)}
        called = subprocess.run(
            [sys.executable, "-m", "mcp_demo.cli", *words], env=environment, capture_output=True, text=True, timeout=60
        )
        assert called.returncode == 0, called.stderr
        assert json.loads(called.stdout)["scopes"] == [f"{url}/read"]
        assert secret not in done.stdout + done.stderr + called.stdout + called.stderr
