"""The reference MCP server on a free loopback port, in this process, with an issuer of our own."""

import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

import httpx
import uvicorn
from joserfc.jwk import RSAKey
from starlette.types import ASGIApp

from conformance.issuer import TestIssuer
from conformance.requirements import LATEST
from conformance.target import Operation, Target
from mcp_demo import cognito
from mcp_demo.server.app import create_app
from mcp_demo.settings import ServerSettings

ISSUER = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Conform"
PAGE = "http://localhost:6274"

Wrapper = Callable[[ASGIApp, "Lab"], ASGIApp]


@cache
def _key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": name}, private=True)


@dataclass
class Lab:
    """What a planted bug may know: the server's address, its issuer, and how often its keys were fetched."""

    url: str
    issuer: TestIssuer
    reachable: bool = True
    downloads: int = 0
    memory: dict[str, Any] = field(default_factory=dict[str, Any])

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Serve the keys, or fail to."""
        self.downloads += 1
        if not self.reachable:
            raise httpx.ConnectError("unreachable", request=request)
        return httpx.Response(200, json={"keys": [self.issuer.key.as_dict(private=False)]})


def unchanged(app: ASGIApp, lab: Lab) -> ASGIApp:
    """No defect at all."""
    del lab
    return app


@contextmanager
def served(
    wrapper: Wrapper = unchanged,
    *,
    revision: str = LATEST,
    host: str = "localhost",
    audience: str = "resource",
    network: "Network | None" = None,
) -> Generator[Target]:
    """The reference server behind a wrapper, as a target of which everything may be known.

    Args:
        wrapper: The planted bug.
        revision: The revision to judge by.
        host: The name clients call the server by.
        audience: How tokens show what they are for.
        network: Where it serves: by default on a free loopback port.
    """
    network = network or Loopback()
    with network.port() as port:
        url = f"http://{host}:{port}/mcp"
        lab = Lab(url, TestIssuer(ISSUER, _key("reference"), url, cognito.scopes(url), audience))
        with network.serving(port, wrapper(_app(lab), lab)):
            yield Target(
                url,
                revision,
                issuer=lab.issuer,
                operation=Operation("add_context", {"name": "conformance", "text": "planted by the suite"}),
                origin=PAGE,
                cold_start=lambda: _cold(wrapper, lab, network),
                key_downloads=lambda: lab.downloads,
            )


def _app(lab: Lab, *, hosts: tuple[str, ...] = ()) -> ASGIApp:
    settings = ServerSettings.model_validate(
        {
            "mcp_url": lab.url,
            "authorization_servers": [f"{lab.url.removesuffix('/mcp')}/as"],
            "issuer": ISSUER,
            "jwks_uri": f"{ISSUER}/.well-known/jwks.json",
            "audience": lab.issuer.audience,
            "allowed_origins": [PAGE],
            "allowed_hosts": list(hosts),
        }
    )
    return _with_authorization_server(create_app(settings, transport=httpx.MockTransport(lab.answer)), lab)


def _with_authorization_server(app: ASGIApp, lab: Lab) -> ASGIApp:
    """The metadata of the authorization server that the resource names, and nothing else of it."""
    from starlette.responses import JSONResponse

    issuer = f"{lab.url.removesuffix('/mcp')}/as"
    document = JSONResponse({"issuer": issuer, "jwks_uri": f"{issuer}/jwks"})
    keys = JSONResponse({"keys": [lab.issuer.key.as_dict(private=False)]})
    routes = {"/.well-known/oauth-authorization-server/as": document, "/as/jwks": keys}

    async def dispatch(scope: Any, receive: Any, send: Any) -> None:
        await routes.get(scope.get("path", ""), app)(scope, receive, send)

    return dispatch


@contextmanager
def _cold(wrapper: Wrapper, lab: Lab, network: "Network") -> Generator[str]:
    """A second server whose keys are out of reach from its first breath."""
    cold = Lab(lab.url, lab.issuer, reachable=False, memory=lab.memory)
    with network.port() as port:
        app = wrapper(_app(cold, hosts=(f"localhost:{port}",)), cold)
        with network.serving(port, app):
            yield f"http://localhost:{port}/mcp"


class Network(Protocol):
    """Where apps serve."""

    def port(self) -> AbstractContextManager[int]:
        """A port that is free."""
        ...

    def serving(self, port: int, app: ASGIApp) -> AbstractContextManager[None]:
        """Let an app answer there for the length of a `with` block."""
        ...


class Loopback:
    """Real sockets of this machine, each app in a thread of its own."""

    def __init__(self) -> None:
        self._listeners: dict[int, socket.socket] = {}

    @contextmanager
    def port(self) -> Generator[int]:
        """A free port, kept for us until the end of the `with` block."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            number: int = listener.getsockname()[1]
            self._listeners[number] = listener
            yield number

    @contextmanager
    def serving(self, port: int, app: ASGIApp) -> Generator[None]:
        """Serve with uvicorn."""
        config = uvicorn.Config(app, log_level="critical", access_log=False, server_header=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [self._listeners[port]]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started:
            if time.monotonic() > deadline or not thread.is_alive():
                raise TimeoutError("the reference server does not start")
            time.sleep(0.005)
        try:
            yield
        finally:
            server.should_exit = True
            thread.join()
