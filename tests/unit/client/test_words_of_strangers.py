"""What a server nobody knows says of itself ends up in a terminal, and commands nothing there."""

import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mcp_demo.cli import app

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
        self.send_response(200 if result else 202)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def url() -> Generator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}/mcp"
        server.shutdown()
        thread.join()


def test_a_list_of_tools_commands_no_terminal(url: str, tmp_path: Path) -> None:
    options = ["--sign-in", "url", "--store", "memory", "--revision", "2025-11-25", "--state", str(tmp_path)]
    done = CliRunner().invoke(app, ["connect", url, *options])
    assert done.exit_code == 0, done.output
    assert "Of use" in done.stdout
    assert all(line.isprintable() for line in done.output.split("\n"))
