"""Serve one ASGI part on this machine: `python -m mcp_demo.local.run MODULE:FACTORY --port N`.

Loopback only. Ends on SIGTERM and SIGINT within three seconds, and when standard input ends, so that no orphan survives
a killed supervisor. Exit codes: 0 ended as asked, 2 usage, 4 a taken port, missing settings and the like.
"""

import argparse
import gc
import importlib
import ipaddress
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import uvicorn

from mcp_demo.errors import SetupError
from mcp_demo.local.bounded_http import BoundedHttp
from mcp_demo.local.lifeline import watch_parent

_GRACE = 2
_CONNECTIONS = 4096


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; returns the exit code."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    try:
        options = _read(arguments)
        with _bind(options.host, options.port) as listener:
            _serve(options.factory, listener)
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 4
    return 0


def _leave(signum: int, frame: object) -> NoReturn:
    raise SystemExit(0)


def _read(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mcp_demo.local.run", description="Serve one part on this machine.")
    parser.add_argument("factory", metavar="MODULE:FACTORY", help="a function without arguments that returns the app")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1", type=_loopback, help="a loopback address (default 127.0.0.1)")
    return parser.parse_args(arguments)


def _loopback(value: str) -> str:
    host = "127.0.0.1" if value == "localhost" else value
    try:
        if ipaddress.ip_address(host).is_loopback:
            return host
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{value} is not a loopback address; this serves this machine only")


def _bind(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else "no such port"
        raise SetupError(
            f"Port {port} of {host} cannot be used: {reason}.", "Stop the program that uses it, or choose another port."
        ) from None
    return listener


def _factory(path: str) -> Callable[[], Any]:
    module, colon, name = path.partition(":")
    try:
        if colon:
            return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name and not f"{module}.".startswith(f"{error.name}."):
            raise  # a dependency of the part is missing, not the part
    except AttributeError:
        pass
    raise SetupError(f"There is no factory {path}.", "Name it as MODULE:FACTORY.")


def configured(app: Any) -> uvicorn.Config:
    """How a part is served: no word of what runs, no log of requests, and an end to what a connection may cost."""
    return uvicorn.Config(
        app,
        http=BoundedHttp,
        ws="none",  # no part speaks it
        limit_concurrency=_CONNECTIONS,
        log_level="warning",
        access_log=False,  # request lines carry codes and states
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )


def _serve(path: str, listener: socket.socket) -> None:
    server = uvicorn.Server(configured(_factory(path)()))

    def stop() -> None:
        server.should_exit = True

    watch_parent(stop)
    # What was made until now stays: without this, each full collection walks all of it, and requests wait meanwhile.
    gc.collect()
    gc.freeze()
    server.run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())
