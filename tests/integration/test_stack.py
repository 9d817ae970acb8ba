"""The system as a whole: it serves what it says, and leaves nothing behind."""

import json
import urllib.request
from urllib.error import HTTPError

from mcp_demo.local.state import Run


def _get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, response.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def test_every_part_serves_under_the_urls_of_the_run(stack: Run) -> None:
    assert _get(stack.server)[0] == 401
    status, body = _get(f"{stack.bridge}/.well-known/oauth-authorization-server")
    assert (status, json.loads(body)["issuer"]) == (200, stack.bridge)
    assert _get(f"{stack.domain}/health")[0] == 200
    assert len(json.loads(_get(stack.jwks_uri)[1])["keys"]) == 2
    assert all(_get(f"{url}/health")[0] == 200 for url in stack.clients.values())


def test_the_resource_metadata_names_server_and_bridge(stack: Run) -> None:
    base = stack.server.removesuffix("/mcp")
    document = json.loads(_get(f"{base}/.well-known/oauth-protected-resource/mcp")[1])
    assert document["resource"] == stack.server
    assert document["authorization_servers"] == [stack.bridge]


def test_ministack_can_serve_the_domain_itself(ministack_hosted_stack: Run) -> None:
    run = ministack_hosted_stack
    assert run.audience == "scope"
    assert run.domain == run.aws
    assert "domain" not in run.pids
    assert _get(f"{run.bridge}/health")[0] == 200
