"""What the registry costs at a hundred, ten thousand and a hundred thousand clients: requests, rows read, milliseconds.

    python -m benchmarks scale

Requests and rows are what DynamoDB counts, so they say the same on AWS; the time is that of the embedded DynamoDB.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import boto3
import httpx

from benchmarks.pages import write
from benchmarks.report import machine
from mcp_demo.bridge.app import create_app
from mcp_demo.dcr.registration import Registrations
from mcp_demo.dcr.sweep import Swept, sweep
from mcp_demo.local.ministack import ACCESS_KEY, SECRET_KEY, free_port, running_ministack
from mcp_demo.oauth import pkce
from mcp_demo.registry.composition import Registries
from mcp_demo.registry.dynamodb import DynamoDBRegistry, item_of
from mcp_demo.registry.model import DAY, Client
from mcp_demo.registry.policy import Policy
from mcp_demo.settings import BridgeSettings

SIZES = (100, 10_000, 100_000)
_BRIDGE, _MCP = "http://localhost:3004", "http://localhost:3001/mcp"
_CALLBACK = "https://client.example/callback"
_PER_BATCH = 25
_EXPIRED = 1000.0  # long ago


@dataclass
class Counted:
    """A table whose requests and rows are counted.

    Args:
        client: The DynamoDB client.
        table: Its name.
    """

    client: Any
    table: str
    requests: int = 0
    rows: int = 0
    waited: float = 0.0
    asked: float = 0.0

    def __post_init__(self) -> None:
        self.client.meta.events.register("before-call.dynamodb", self._ask)
        self.client.meta.events.register("after-call.dynamodb", self._count)

    def _ask(self, **_: Any) -> None:
        self.asked = time.perf_counter()

    def _count(self, parsed: dict[str, Any], **_: Any) -> None:
        self.waited += time.perf_counter() - self.asked
        self.requests += 1
        self.rows += int(parsed.get("ScannedCount", "Item" in parsed))

    @property
    def registry(self) -> DynamoDBRegistry:
        """The registry over it."""
        return DynamoDBRegistry(self.client, self.table)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one operation costs: requests and rows, the milliseconds they take, and those that we take besides."""

    requests: float
    rows: float
    dynamodb: float
    ours: float


@dataclass
class Measured:
    """The costs at one size."""

    clients: int
    costs: dict[str, Cost] = field(default_factory=dict[str, Cost])


def measure(dynamodb: Any, sizes: Sequence[int], repeat: int = 30) -> list[Measured]:
    """Fill a table of its own for each size, and measure."""
    return [_at(Counted(dynamodb, f"clients-{size}"), size, repeat) for size in sizes]


def _at(table: Counted, size: int, repeat: int) -> Measured:
    _fill(table, size)
    found, registry = Measured(size), table.registry
    policy = Policy(scopes=(f"{_MCP}/read",), max_clients=10 * size + 10 * repeat)
    registrations = Registrations(registry, time.time, _BRIDGE, policy)
    made = [registrations.register({"redirect_uris": [_CALLBACK]}) for _ in range(repeat)]
    turn = iter(made)
    ids = [f"dcr_{size * step // repeat:032x}" for step in range(repeat)]
    names = iter(ids)

    def read() -> None:
        one = next(turn)
        registrations.read(one["client_id"], one["registration_access_token"])

    found.costs["register"] = _cost(table, repeat, lambda: registrations.register({"redirect_uris": [_CALLBACK]}))
    found.costs["read a registration"] = _cost(table, repeat, read)
    with _visiting(registry) as visit:
        found.costs["open the consent page"] = _cost(table, repeat, lambda: visit(next(names)))
    found.costs["list a page of 100"] = _cost(table, repeat, lambda: registry.list(limit=100))
    swept: list[Swept] = []
    whole = _cost(table, 1, lambda: swept.append(sweep(registry, None, _EXPIRED)))
    found.costs["sweep, for each client"] = _each(whole, swept[0].kept)
    return found


def _cost(table: Counted, repeat: int, act: Callable[[], object]) -> Cost:
    requests, rows = table.requests, table.rows
    waits, ours = list[float](), list[float]()
    for _ in range(repeat):
        began, waited = time.perf_counter(), table.waited
        act()
        waits.append(table.waited - waited)
        ours.append(time.perf_counter() - began - waits[-1])
    counted = ((table.requests - requests) / repeat, (table.rows - rows) / repeat)
    return Cost(*counted, median(waits) * 1000, median(ours) * 1000)


def _each(cost: Cost, clients: int) -> Cost:
    return Cost(cost.requests / clients, cost.rows / clients, cost.dynamodb / clients, cost.ours / clients)


def _fill(table: Counted, size: int) -> None:
    table.client.create_table(
        TableName=table.table,
        KeySchema=[{"AttributeName": "client_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "client_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    model = Client(
        client_id="",
        client_name="A client as they are",
        redirect_uris=(_CALLBACK, "http://localhost:33418/callback"),
        scopes=(f"{_MCP}/read", f"{_MCP}/write"),
        source="dcr",
        created=time.time(),
        last_used=time.time(),
        lifetime=30 * DAY,
        expires=time.time() + 30 * DAY,
        registration_access_token_hash="0" * 64,
    )
    for first in range(0, size, _PER_BATCH):
        clients = (replace(model, client_id=f"dcr_{n:032x}") for n in range(first, min(size, first + _PER_BATCH)))
        rows = [{"PutRequest": {"Item": item_of(client)}} for client in clients]
        table.client.batch_write_item(RequestItems={table.table: rows})
    table.registry.recount(size)


@contextmanager
def _visiting(registry: DynamoDBRegistry) -> Generator[Callable[[str], object]]:
    """Opens the consent page of a client at a bridge in this process."""
    settings = BridgeSettings(
        bridge_url=_BRIDGE,
        mcp_url=_MCP,
        domain="http://localhost:4567",
        bridge_client_id="bridge",
        bridge_client_secret="unused",  # pyright: ignore[reportArgumentType]  # noqa: S106 - nobody is asked for it
        envelope_keys=["A" * 43],  # pyright: ignore[reportArgumentType]
    )
    app = create_app(settings, registry=Registries([registry]))
    query = {
        "response_type": "code",
        "redirect_uri": _CALLBACK,
        "code_challenge": pkce.challenge(pkce.new_verifier()),
        "code_challenge_method": "S256",
        "scope": f"{_MCP}/read",
    }
    with asyncio.Runner() as runner:
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=_BRIDGE)

        def visit(client_id: str) -> None:
            page = runner.run(http.get("/authorize", params={**query, "client_id": client_id}))
            if page.status_code != 200:
                raise AssertionError(page.text)

        yield visit
        runner.run(http.aclose())


@contextmanager
def embedded_dynamodb() -> Generator[Any]:
    """A DynamoDB client on an embedded AWS of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="mcp-demo-scale-") as folder,
        running_ministack(Path(folder), free_port()) as aws,
    ):
        yield boto3.client(  # pyright: ignore[reportUnknownMemberType]
            "dynamodb",
            endpoint_url=aws.endpoint,
            region_name=aws.region,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )


def table(measured: Sequence[Measured]) -> list[str]:
    """The table, in Markdown."""
    lines = [
        "| Operation | Clients | Requests | Rows read | DynamoDB, ms | Ours, ms |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for operation in measured[0].costs:
        for found in measured:
            cost = found.costs[operation]
            counted = f"{cost.requests:.4g} | {cost.rows:.4g} | {cost.dynamodb:.2f} | {cost.ours:.2f}"
            lines.append(f"| {operation} | {found.clients:,} | {counted} |")
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale", description="What the registry costs by size.")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of clients, with commas between")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="also put the table into this page")
    options = parser.parse_args(arguments)
    with embedded_dynamodb() as dynamodb:
        lines = table(measure(dynamodb, [int(size) for size in options.sizes.split(",")]))
    told = "\n".join([*lines, "", f"On {machine()}."])
    sys.stdout.write(told + "\n")
    if options.write:
        write(options.write, "python -m benchmarks scale", told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
