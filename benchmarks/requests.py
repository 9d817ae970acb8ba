"""What is asked of the servers, in both eras of the protocol, and how a right answer is told from a wrong one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY

from benchmarks.issuer import ISSUER, METADATA_PATH, RESOURCE, SUBJECT
from benchmarks.load import Request, WrongAnswer

Era = Literal["2026-07-28", "2025-11-25"]
ERAS: tuple[Era, ...] = ("2026-07-28", "2025-11-25")
_HOST = {"Host": "mcp.example.com"}
_TOOLS = ["add_context", "list_contexts", "whoami"]


@dataclass(frozen=True, slots=True)
class Question:
    """One row's request.

    Args:
        name: As the table names it.
        request: Without Authorization.
        open: Whether it is asked without a token.
    """

    name: str
    request: Request
    open: bool = False


def questions() -> list[Question]:
    """All requests."""
    challenge = _call("tools/list", ERAS[0], status=401)
    metadata = Request("GET", METADATA_PATH, _HOST, "", 200)
    calls = [Question(f"{method} {era}", _call(method, era)) for method in ("tools/list", "tools/call") for era in ERAS]
    return [Question("401 challenge", challenge, open=True), Question("resource metadata", metadata, open=True), *calls]


def _call(method: str, era: Era, status: int = 200) -> Request:
    params: dict[str, Any] = {"name": "whoami", "arguments": {}} if method == "tools/call" else {}
    headers: Mapping[str, str] = {
        **_HOST,
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": era,
    }
    if era == "2026-07-28":
        params["_meta"] = {
            PROTOCOL_VERSION_META_KEY: era,
            CLIENT_INFO_META_KEY: {"name": "bench", "version": "1"},
            CLIENT_CAPABILITIES_META_KEY: {},
        }
        headers = {**headers, "Mcp-Method": method, **({"Mcp-Name": "whoami"} if method == "tools/call" else {})}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return Request("POST", "/mcp", headers, json.dumps(body), status)


def right_answer(port: int, question: Question, token: str | None) -> bytes:
    """Ask once, look whether the answer is right, and return its body: from then on every answer must equal it.

    Raises:
        WrongAnswer: It is not right.
    """
    request = question.request
    headers = dict(request.headers) | ({"Authorization": f"Bearer {token}"} if token else {})
    response = httpx.request(
        request.method, f"http://127.0.0.1:{port}{request.path}", headers=headers, content=request.body, timeout=10
    )
    try:
        right = response.status_code == request.status and _is_right(question, response)
    except (KeyError, TypeError, ValueError):
        right = False
    if not right:
        raise WrongAnswer(f"port {port}, {question.name}: {response.status_code} {response.text[:200]}")
    return response.content


def _is_right(question: Question, response: httpx.Response) -> bool:
    if response.status_code == 401:
        challenge = response.headers["www-authenticate"]
        return challenge.startswith("Bearer ") and "resource_metadata=" in challenge
    document = response.json()
    if question.open:
        return document["resource"] == RESOURCE
    result = document["result"]
    if question.name.startswith("tools/list"):
        return sorted(tool["name"] for tool in result["tools"]) == _TOOLS
    content = result["structuredContent"]
    return (content["subject"], content["issuer"]) == (SUBJECT, ISSUER) and not result.get("isError")
