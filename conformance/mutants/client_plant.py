"""How a bug is planted in the client, and who finds it.

The client is the reference client, in this process and without sockets; between it and the servers a planted bug may
change what is sent, what is opened and what comes back, or it replaces rules of the client itself.
"""

import contextlib
import io
import json
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypedDict, Unpack, cast
from unittest.mock import patch
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from conformance import catalogue, reference_client
from conformance.catalogue import Selection
from conformance.client_command import exposed
from conformance.client_run import judge_client
from conformance.mutants.planted import Planted
from conformance.mutants.planted import red as turned_red
from conformance.personas import Play, Scenario, World
from conformance.requirements import LATEST
from conformance.result import Report
from conformance.target import Target
from mcp_demo.client.errors import SignInFailed, explain
from mcp_demo.client.revision import Revision
from mcp_demo.exchange.model import Request, Response

REDIRECT_URI = "http://localhost:50009/callback"
_MOST_REQUESTS = 120
_PORTS = (50001, 50002, 50003, 50004)

Rules = Mapping[str, Any]
Change = Callable[[Request], Request]


class TooMuch(BaseException):
    """The client comes to no end."""


@dataclass(frozen=True, slots=True)
class Mutant(Planted):
    """A planted bug of the client.

    Args:
        name: What it is called.
        bug: What is wrong, in a sentence.
        check: The check that claims to find it.
        also: Other checks that rightly turn red with it.
        rules: What is replaced in the client, by its path.
        sends: Changes what the client sends.
        asks: Changes the authorization URL before it is opened.
        opens: What opens it, besides the person who approves; is told the folder that is the client's home.
        hears: Changes the URL that the browser comes back to; is told the authorization URL as well.
        trusting: Whether the HTTP library takes any certificate.
        forwards: Whether the HTTP library follows redirects with all headers.
        redirect_uri: Where the browser is to come back to.
        listening: The addresses at which the client listens there.
        document: Members of the client's metadata document that are different.
    """

    rules: Rules = field(default_factory=dict[str, Any])
    sends: Change = lambda request: request
    asks: Callable[[str], str] = lambda url: url
    opens: Callable[[str, Path], object] = lambda url, home: None
    hears: Callable[[str, str], str] = lambda url, asked: url
    trusting: bool = False
    forwards: bool = False
    redirect_uri: str = REDIRECT_URI
    listening: tuple[str, ...] = ("0100007F",)
    document: Mapping[str, Any] = field(default_factory=dict[str, Any])


MUTANTS: list[Mutant] = []


class _Members(TypedDict, total=False):
    rules: Rules
    sends: Change
    asks: Callable[[str], str]
    opens: Callable[[str, Path], object]
    hears: Callable[[str, str], str]
    trusting: bool
    forwards: bool
    redirect_uri: str
    listening: tuple[str, ...]
    document: Mapping[str, Any]


def planted(name: str, bug: str, check: str, *also: str, **members: Unpack[_Members]) -> None:
    """Plant a bug; the members are those of `Mutant`."""
    MUTANTS.append(Mutant(name, bug, f"client.{check}", frozenset(f"client.{name}" for name in also), **members))


class Changed:
    """A module with some members replaced, for one importer of it and nobody else.

    Args:
        module: The module.
        members: Its members that are different.
    """

    def __init__(self, module: ModuleType, **members: Any) -> None:
        self.__dict__.update(vars(module))
        self.__dict__.update(members)


class Rehearsal:
    """The reference client with a bug, run in this process.

    Args:
        mutant: The bug.
        folder: A folder for what it writes.
    """

    def __init__(self, mutant: Mutant, folder: Path) -> None:
        self._mutant, self._folder = mutant, folder

    def __call__(self, scenario: Scenario, revision: str) -> Play:
        """Run the client in a scenario."""
        now, opened = [time.time()], list[str]()
        home = self._folder / scenario.name
        home.mkdir()

        def wait(seconds: float) -> None:
            now[0] += seconds

        world = World(
            _PORTS, revision, wait, lambda port: self._mutant.listening, canary_file=str(self._folder / "canary")
        )
        scenario.prepare(world)
        output = io.StringIO()
        status, ended = 0, "exited"
        with _replaced(self._mutant.rules), contextlib.redirect_stdout(output), self._http(world) as http:
            try:
                reference_client.use(
                    world.server.url,
                    http,
                    lambda url, redirect: self._sign_in(world, url, redirect, opened, home),
                    self._mutant.redirect_uri,
                    context=scenario.told(world),
                    revision=cast("Revision", revision),
                    clock=lambda: now[0],
                )
            except TooMuch:
                ended = "too slow"
            except Exception as error:
                status = 1
                output.write(" ".join(explain(error)))
        canary = Path(world.canary_file)
        ran = canary.exists()
        canary.unlink(missing_ok=True)
        return Play(
            scenario,
            world,
            cast("Any", ended),
            status,
            output.getvalue(),
            tuple(opened),
            exposed(home, world.secrets),
            ran,
        )

    def _http(self, world: World) -> httpx.Client:
        def handle(request: httpx.Request) -> httpx.Response:
            asked = Request(request.method, str(request.url), tuple(request.headers.multi_items()), request.content)
            response = _answer(world, self._mutant.sends(asked), trusting=self._mutant.trusting)
            if self._mutant.forwards and response.status == 307:
                response = _answer(world, replace(asked, url=response.header("location") or ""))
            return httpx.Response(response.status, headers=list(response.headers), content=response.body)

        return httpx.Client(transport=httpx.MockTransport(handle), trust_env=False)

    def _sign_in(self, world: World, url: str, redirect: str, opened: list[str], home: Path) -> str:
        """What browser and person do: open the page, and come back from it."""
        asked = self._mutant.asks(url)
        opened.append(asked)
        self._mutant.opens(asked, home)
        location = _answer(world, Request("GET", asked)).header("location") if asked.startswith("http") else None
        if location is None:
            raise SignInFailed("The page leads nowhere.")
        return self._mutant.hears(location, url)


def _answer(world: World, request: Request, *, trusting: bool = False) -> Response:
    if len(world.hits) >= _MOST_REQUESTS:
        raise TooMuch
    if request.url.startswith("https:"):
        world.answer(Request("CONNECT", request.url))
        if not trusting:
            raise httpx.ConnectError("nobody vouches for this certificate")
    return world.answer(request)


@contextmanager
def _replaced(rules: Rules) -> Generator[None]:
    with ExitStack() as stack:
        for path, value in rules.items():
            stack.enter_context(patch(path, value))
        yield


def registers(**members: Any) -> Callable[[Request], Request]:
    """Changes members of registrations; None takes them out."""

    def change(request: Request) -> Request:
        if not request.url.endswith("/register"):
            return request
        asked = {**json.loads(request.body), **members}
        body = json.dumps({name: value for name, value in asked.items() if value is not None}).encode()
        return replace(request, body=body)

    return change


def with_query(url: str, **members: str | None) -> str:
    """A URL with parameters replaced, or with None taken out."""
    base, _, query = url.partition("?")
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in members]
    added = [(name, value) for name, value in members.items() if value is not None]
    return f"{base}?{urlencode([*kept, *added])}"


def query(url: str) -> Mapping[str, str]:
    """The parameters of a URL."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def judged(mutant: Mutant | None = None, *, revision: str = LATEST) -> Report:
    """The report on the reference client, with a bug or without."""
    mutant = mutant or Mutant("reference", "", "", frozenset())
    document = json.dumps({**reference_client.document(), **mutant.document}).encode()
    with tempfile.TemporaryDirectory(prefix="mcp-mutant-") as folder:
        target = Target("reference client", revision, subject=Rehearsal(mutant, Path(folder)), client_document=document)
        return judge_client(target, Selection(revision, roles=("client",)).of(catalogue.load()))


def red(mutant: Mutant) -> Mapping[str, str]:
    """The checks that turn red with a bug, and what they say."""
    return turned_red(judged(mutant))
