"""One request, sent as it is, for the cells in which every byte is chosen by hand."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx

from mcp_demo.client.drive import from_httpx, to_httpx
from mcp_demo.client.events import Step
from mcp_demo.exchange.model import Exchange, Request
from mcp_demo.local.state import Run


def ask(
    run: Run,
    what: Step | Request | str,
    *,
    body: Mapping[str, Any] | None = None,
    why: str = "",
    spec: str = "",
    network: httpx.BaseTransport | None = None,
    **headers: str,
) -> Exchange:
    """Send a request and keep what came back.

    Args:
        run: The running system.
        what: A step of the client, a request, or a URL.
        body: Is posted to the URL as JSON; without it, the URL is read.
        why: A sentence for the card; a step has its own.
        spec: Where it is written; a step has its own.
        network: How to get there, if not as this run does.
        **headers: Header fields, `_` for `-`, in place of those of the same name.
    """
    step = what if isinstance(what, Step) else _step(what, body, why, spec)
    if headers:
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = (pair for pair in step.request.headers if pair[0].lower() not in changed)
        step = replace(step, request=replace(step.request, headers=(*kept, *changed.items())))
    with connect(run) if network is None else httpx.Client(transport=network, timeout=30) as http:
        return step.exchange(from_httpx(http.send(to_httpx(step.request), auth=None, follow_redirects=False)))


def connect(run: Run, forged: Mapping[str, Mapping[str, Any]] | None = None) -> httpx.Client:
    """A client for which the user pool's issuer, whose address is one of AWS, is where this run has it.

    Args:
        run: The running system.
        forged: Documents that this client finds at some URLs, whatever is there for others.
    """
    return httpx.Client(transport=_Network(run, forged or {}), timeout=30)


class _Network(httpx.HTTPTransport):
    def __init__(self, run: Run, forged: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        self._issuer, self._aws = urlsplit(run.issuer).hostname, httpx.URL(run.aws)
        self._forged = forged

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if (document := self._forged.get(str(request.url))) is not None:
            return httpx.Response(200, json=document)
        if self._aws.host and request.url.host == self._issuer:
            parts = {"scheme": self._aws.scheme, "host": self._aws.host, "port": self._aws.port}
            request.url = request.url.copy_with(**parts)
            request.headers["host"] = self._aws.netloc.decode("ascii")
        return super().handle_request(request)


def _step(what: Request | str, body: Mapping[str, Any] | None, why: str, spec: str) -> Step:
    request = what if isinstance(what, Request) else _request(what, body)
    parts = urlsplit(request.url)
    phase = "discovery" if body is None else "registration"
    return Step(f"{request.method} {parts.path or '/'}", why, spec, "client", parts.netloc, phase, request)


def _request(url: str, body: Mapping[str, Any] | None) -> Request:
    accept = ("accept", "application/json")
    if body is None:
        return Request("GET", url, (accept,))
    return Request("POST", url, (("content-type", "application/json"), accept), json.dumps(body).encode())
