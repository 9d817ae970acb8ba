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

import httpx

from conformance import catalogue, reference_client
from conformance.catalogue import Selection
from conformance.client_command import exposed
from conformance.client_run import judge_client
from conformance.mutants.planted import Planted
from conformance.mutants.planted import red as turned_red
from conformance.personas import Play, Scenario, World
from conformance.personas.play import Ended
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
        return _Stage(self._mutant, self._folder, scenario, revision).play()


class _Stage:
    """One run: its world, its time, and what the client does besides sending requests."""

    def __init__(self, mutant: Mutant, folder: Path, scenario: Scenario, revision: str) -> None:
        self._mutant, self._scenario = mutant, scenario
        self._now, self._opened, self._output = time.time(), list[str](), io.StringIO()
        self._home, self._canary = folder / scenario.name, folder / "canary"
        self._home.mkdir()
        self._world = World(_PORTS, revision, self._wait, lambda port: mutant.listening, str(self._canary))
        scenario.prepare(self._world)

    def play(self) -> Play:
        """Run it to its end."""
        with _replaced(self._mutant.rules), contextlib.redirect_stdout(self._output):
            ended, status = self._use()
        ran = self._canary.exists()
        self._canary.unlink(missing_ok=True)
        world = self._world
        files = exposed(self._home, world.secrets)
        return Play(self._scenario, world, ended, status, self._output.getvalue(), tuple(self._opened), files, ran)

    def _use(self) -> tuple[Ended, int]:
        world = self._world
        try:
            with self._http() as http:
                reference_client.use(
                    world.server.url,
                    http,
                    self._sign_in,
                    self._mutant.redirect_uri,
                    context=self._scenario.told(world),
                    revision=cast("Revision", world.revision),
                    clock=lambda: self._now,
                )
        except TooMuch:
            return "too slow", 1
        except Exception as error:
            self._output.write(" ".join(explain(error)))
            return "exited", 1
        return "exited", 0

    def _wait(self, seconds: float) -> None:
        self._now += seconds

    def _http(self) -> httpx.Client:
        world, mutant = self._world, self._mutant

        def handle(request: httpx.Request) -> httpx.Response:
            asked = Request(request.method, str(request.url), tuple(request.headers.multi_items()), request.content)
            response = _answer(world, mutant.sends(asked), trusting=mutant.trusting)
            if mutant.forwards and response.status == 307:
                response = _answer(world, replace(asked, url=response.header("location") or ""))
            return httpx.Response(response.status, headers=list(response.headers), content=response.body)

        return httpx.Client(transport=httpx.MockTransport(handle), trust_env=False)

    def _sign_in(self, url: str, redirect: str) -> str:
        """What browser and person do: open the page, and come back from it."""
        del redirect
        asked = self._mutant.asks(url)
        self._opened.append(asked)
        self._mutant.opens(asked, self._home)
        page = Request("GET", asked)
        location = _answer(self._world, page).header("location") if asked.startswith("http") else None
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
