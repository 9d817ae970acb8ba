"""A real web server on this machine that serves client metadata documents, well or badly."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

DOCUMENT: dict[str, Any] = {
    "client_name": "Document client",
    "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback", "https://app.example/cb"],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "none",
}


class DocumentServer:
    """Answers every request with `status`, `headers` and `body`; counts them."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://localhost:{port}/client.json"
        self.requests: list[str] = []
        self.status = 200
        self.headers = {"Content-Type": "application/json"}
        self.body = json.dumps({**DOCUMENT, "client_id": self.url}).encode()
        self.drip = False

    def document(self, **changes: Any) -> None:
        """Serve the document with changes; None takes a member out."""
        members = {**DOCUMENT, "client_id": self.url, **changes}
        self.body = json.dumps({name: value for name, value in members.items() if value is not None}).encode()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
            fields = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
            writer.write(f"HTTP/1.1 {self.status} X\r\n{fields}Connection: close\r\n\r\n".encode())
            if self.drip:
                while True:
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.01)
            writer.write(self.body)
            await writer.drain()


@asynccontextmanager
async def serving_documents() -> AsyncGenerator[DocumentServer]:
    """A server for the length of a `with` block."""
    held: list[DocumentServer] = []
    answering: set[asyncio.Task[object]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        answering.add(task)
        try:
            await held[0].answer(reader, writer)
        finally:
            writer.transport.abort() if task.cancelling() else writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    held.append(DocumentServer(server.sockets[0].getsockname()[1]))
    try:
        yield held[0]
    finally:
        server.close()
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)
        await server.wait_closed()
