"""One request, sent as it is, for the cells in which every byte is chosen by hand."""

from dataclasses import replace
from urllib.parse import urlsplit

import httpx

from mcp_demo.client.drive import from_httpx, to_httpx
from mcp_demo.client.events import Step
from mcp_demo.exchange.model import Exchange, Request
from mcp_demo.local.state import Run


def ask(run: Run, what: Step | Request | str, *, why: str = "", spec: str = "", **headers: str) -> Exchange:
    """Send a request and keep what came back.

    Args:
        run: The running system.
        what: A step of the client, a request, or a URL to get.
        why: A sentence for the card; a step has its own.
        spec: Where it is written; a step has its own.
        **headers: Header fields, `_` for `-`, in place of those of the same name.
    """
    step = what if isinstance(what, Step) else _step(what, why, spec)
    if headers:
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = (pair for pair in step.request.headers if pair[0].lower() not in changed)
        step = replace(step, request=replace(step.request, headers=(*kept, *changed.items())))
    with connect(run) as http:
        return step.exchange(from_httpx(http.send(to_httpx(step.request), auth=None, follow_redirects=False)))


def connect(run: Run) -> httpx.Client:
    """A client for which the user pool's issuer, whose address is one of AWS, is where this run has it."""
    return httpx.Client(transport=_Homeward(run) if run.aws else None, timeout=30)


class _Homeward(httpx.HTTPTransport):
    def __init__(self, run: Run) -> None:
        super().__init__()
        self._issuer, self._aws = urlsplit(run.issuer).hostname, httpx.URL(run.aws)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == self._issuer:
            parts = {"scheme": self._aws.scheme, "host": self._aws.host, "port": self._aws.port}
            request.url = request.url.copy_with(**parts)
            request.headers["host"] = self._aws.netloc.decode("ascii")
        return super().handle_request(request)


def _step(what: Request | str, why: str, spec: str) -> Step:
    request = Request("GET", what, (("accept", "application/json"),)) if isinstance(what, str) else what
    parts = urlsplit(request.url)
    return Step(f"{request.method} {parts.path or '/'}", why, spec, "client", parts.netloc, "discovery", request)
