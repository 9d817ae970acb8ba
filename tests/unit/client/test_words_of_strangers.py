"""What a server nobody knows says of itself ends up in a terminal, and commands nothing there."""

import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mcp_demo.access import AccessFailed, finish
from mcp_demo.cli import app
from mcp_demo.client.api import call_tool
from mcp_demo.client.engine import Policy
from mcp_demo.client.storage import MemoryStore

HOSTILE = "\x1b]0;title\x07\x1b[2J\u202e\x9b1A"
ANSWERS: dict[str, dict[str, Any]] = {
    "initialize": {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}},
    "tools/list": {
        "tools": [{"name": f"tool{HOSTILE}", "description": f"Of use{HOSTILE}.", "inputSchema": {"type": "object"}}]
    },
}


class _Server(BaseHTTPRequestHandler):
    """An MCP server without protection, as much of it as it takes to list tools."""

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        result = ANSWERS.get(message["method"])
        body = json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "result": result}).encode() if result else b""
        if message["method"] == "tools/call":
            body = message["params"]["arguments"]["answer"].replace("ID", str(message["id"])).encode()
        self.send_response(200 if "id" in message else 202)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture(scope="module")
def url() -> Generator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}/mcp"
        server.shutdown()
        thread.join()


def call(url: str, answer: str) -> str:
    """Have the server answer so; what is said about it."""

    async def nobody(url: str, redirect_uri: str) -> str:
        raise AssertionError("Nobody has to sign in.")

    policy = Policy(revision="2025-11-25")
    with pytest.raises(AccessFailed) as failed:
        finish(lambda: call_tool(url, "t", {"answer": answer}, sign_in=nobody, store=MemoryStore(), policy=policy))
    assert failed.value.problem.isprintable()
    return failed.value.problem


@pytest.mark.parametrize(
    "answer",
    [
        '{"jsonrpc":"2.0","id":ID,"error":{"code":1,"message":"\\u001b[2J no \\n way"}}',
        '{"jsonrpc":"2.0","id":ID,"error":"no"}',
        '{"jsonrpc":"2.0","id":ID,"result":[]}',
        '{"jsonrpc":"2.0","id":ID,"result":{"content":"no"}}',
        '{"jsonrpc":"2.0","id":ID,"result":' + "[" * 10_000 + "}",
        "<html>",
        "",
    ],
)
def test_an_answer_that_is_none_is_the_servers_failure_and_not_ours(url: str, answer: str) -> None:
    assert call(url, answer).startswith("MCP server: ")


def test_a_call_that_is_never_answered_comes_to_an_end(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_demo.client.api.READ_SECONDS", 0.2)
    assert "imed out" in call(url, '{"jsonrpc":"2.0","id":999,"result":{}}')


def test_a_list_of_tools_commands_no_terminal(url: str, tmp_path: Path) -> None:
    options = ["--sign-in", "url", "--store", "memory", "--revision", "2025-11-25", "--state", str(tmp_path)]
    done = CliRunner().invoke(app, ["connect", url, *options])
    assert done.exit_code == 0, done.output
    assert "Of use" in done.stdout
    assert all(line.isprintable() for line in done.output.split("\n"))
