"""The way of the suite's browser to the network: no further inside than the target itself stands.

The pages of a sign-in are the target's words as much as its metadata is. A browser follows their links, forms, pictures
and redirects with the network of whoever runs the suite, and Playwright shows redirects only once they are followed. So
the browser has no network of its own: it asks a SOCKS proxy (RFC 1928) on this machine for every connection, which
resolves the name, looks at its addresses, and connects to one of these.

Spec: MCP 2026-07-28 Security Best Practices › Server-Side Request Forgery.
"""

import ipaddress
import selectors
import socket
import struct
import threading
from contextlib import suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer

import httpcore

from conformance.reach import OutOfReach, Reach

_VERSION, _NO_PASSWORD, _CONNECT = 5, 0, 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_GRANTED, _NOT_ALLOWED, _UNREACHABLE = 0, 2, 4
_PATIENCE = 30.0
_POLL = 0.02


class Gate:
    """A SOCKS proxy that lives while it is open.

    Attributes:
        refused: Why a connection was not made, for each that a target had no right to.
    """

    def __init__(self, target: str) -> None:
        self.refused: list[str] = []
        self._server = _Server(("127.0.0.1", 0), _Connection)
        self._server.reach, self._server.refused = Reach(target), self.refused
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """What to tell a browser."""
        return f"socks5://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Take no more connections."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    reach: Reach
    refused: list[str]


class _Connection(StreamRequestHandler):
    timeout = _PATIENCE
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def handle(self) -> None:
        with suppress(OSError, struct.error, ValueError):
            place = self._asked()
            if place is None:
                return
            try:
                other = self._connect(*place)
            except OutOfReach as error:
                self.server.refused.append(str(error))
                self._answer(_NOT_ALLOWED)
            except (OSError, httpcore.ConnectError):
                self._answer(_UNREACHABLE)
            else:
                with other:
                    self._answer(_GRANTED)
                    _exchange(self.connection, other)

    def _asked(self) -> tuple[str, int] | None:
        """Host and port of the connection that is wanted; None for anything else."""
        version, count = self._read("!BB")
        self.rfile.read(count)
        self.wfile.write(bytes((_VERSION, _NO_PASSWORD)))
        if version != _VERSION:
            return None
        _, command, _, kind = self._read("!BBBB")
        if kind == _NAME:
            (length,) = self._read("!B")
            host = self.rfile.read(length).decode("ascii")
        elif kind in (_IPV4, _IPV6):
            host = str(ipaddress.ip_address(self.rfile.read(4 if kind == _IPV4 else 16)))
        else:
            return None
        (port,) = self._read("!H")
        return (host, port) if command == _CONNECT else None

    def _read(self, form: str) -> tuple[int, ...]:
        return struct.unpack(form, self.rfile.read(struct.calcsize(form)))

    def _connect(self, host: str, port: int) -> socket.socket:
        *others, last = self.server.reach.addresses(host, port)
        for address in others:
            with suppress(OSError):
                return socket.create_connection((address, port), _PATIENCE)
        return socket.create_connection((last, port), _PATIENCE)

    def _answer(self, code: int) -> None:
        self.wfile.write(struct.pack("!BBBB4sH", _VERSION, code, 0, _IPV4, bytes(4), 0))


def _exchange(one: socket.socket, other: socket.socket) -> None:
    """Hand on what each of the two says until one has no more to say."""
    with selectors.DefaultSelector() as ready:
        ready.register(one, selectors.EVENT_READ, other)
        ready.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in ready.select():
                said = key.fileobj.recv(65536)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownMemberType]
                if not said:
                    return
                key.data.sendall(said)
