"""Who signs in for the suite: a script, somebody at the browser, a name. And what the token of that is good for."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conformance import catalogue
from conformance.catalogue import Selection
from conformance.check import Blocked
from conformance.person import Person
from conformance.run import judge
from conformance.sign_in import load
from conformance.target import Capability, KnownClient, Target
from conformance.traveller import BrowserTraveller
from mcp_demo.client.browser import HeadlessBrowser
from mcp_demo.errors import SetupError
from mcp_demo.local.browser import find
from mcp_demo.local.state import Run

_EXAMPLE = Path(__file__).parents[2] / "examples" / "sign_in_script.py"
_LOGIN = Selection(select=("as.token.response", "as.token.audience", "rs.bearer.case")).of(catalogue.load())


def _verdicts(target: Target) -> dict[str, str]:
    return {result.check.id: result.verdict for result in judge(target, _LOGIN).results}


def test_the_example_script_signs_in_and_its_token_serves_the_other_checks(
    stack: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_USERNAME", stack.user.username)
    monkeypatch.setenv("MCP_PASSWORD", stack.user.password)
    by_script = BrowserTraveller(
        "", "", target=stack.server, executable=find, script=load(_EXAMPLE), origins=[stack.domain]
    )
    target = Target(stack.server, sign_in=by_script, may_register=True)
    assert Capability.TOKEN in target.capabilities
    assert set(_verdicts(target).values()) == {"pass"}


def test_a_person_at_the_browser_signs_in(stack: Run, capsys: pytest.CaptureFixture[str]) -> None:
    redirect_uri = f"http://localhost:{_free_port()}/callback"
    visitors: list[threading.Thread] = []

    def open_url(url: str) -> None:
        somebody = HeadlessBrowser(stack.user.username, stack.user.password, origins=[stack.domain], executable=find())
        visitors.append(threading.Thread(target=somebody, args=(url, redirect_uri)))
        visitors[-1].start()

    person = Person(open_url, patience=60)
    client = KnownClient(stack.client_id, redirect_uri)
    journey = person.travel(f"{stack.bridge}/authorize?{_query(stack, client)}", redirect_uri)
    for visitor in visitors:
        visitor.join()
    assert journey.returned is not None
    assert journey.returned.startswith(f"{redirect_uri}?")
    assert "Waiting for you (1): sign in and agree." in capsys.readouterr().err


def test_who_does_not_come_once_is_not_asked_again() -> None:
    opened: list[str] = []
    person = Person(opened.append, patience=0.1)
    redirect_uri = f"http://127.0.0.1:{_free_port()}/callback"
    for _ in range(2):
        with pytest.raises(Blocked) as blocked:
            person.travel("http://localhost:1/authorize", redirect_uri)
        assert blocked.value.missing is Capability.PERSON
    assert len(opened) == 1


@pytest.mark.parametrize("redirect_uri", ["https://client.example/callback", "http://mcp.example/callback"])
def test_a_person_cannot_come_back_to_another_machine(redirect_uri: str) -> None:
    with pytest.raises(Blocked, match="cannot be seen"):
        Person(lambda url: None).travel("http://localhost:1/authorize", redirect_uri)


def test_a_script_that_fails_is_told_and_does_not_end_the_run(stack: Run) -> None:
    def broken(page: object) -> None:
        raise KeyError("MCP_USERNAME")

    by_script = BrowserTraveller("", "", target=stack.server, executable=find, script=broken, origins=[stack.domain])
    target = Target(stack.server, sign_in=by_script, may_register=True)
    report = judge(target, _LOGIN)
    assert {result.verdict for result in report.results} == {"blocked"}
    assert "The sign-in script failed: KeyError: 'MCP_USERNAME'." in report.results[0].received


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "has no function sign_in"),
        ("sign_in = 3", "has no function sign_in"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("def sign_in(page:", "SyntaxError"),
    ],
)
def test_what_is_no_script_is_told_with_a_cure(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SetupError, match=words) as error:
        load(file)
    assert "def sign_in(page)" in error.value.cure


def test_one_command_judges_a_strangers_server_with_a_name(stack: Run, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    command = [sys.executable, "-m", "mcp_demo.cli", "conformance", "run", stack.server, "--sign-in"]
    command += [stack.user.username, "--client", stack.client_id, "--redirect-uri"]
    command += [f"{stack.clients['static']}/callback", "--select", "rs.bearer", "--report", f"json={out}"]
    command += ["--sign-in-at", stack.domain]
    environment = {**os.environ, "MCP_PASSWORD": stack.user.password}
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
    report = json.loads(out.read_text(encoding="utf-8"))
    assert {result["verdict"] for result in report["results"]} == {"pass"}
    assert "Signs in through the pages" in run.stdout


def test_the_password_is_not_typed_at_an_origin_that_nobody_named(stack: Run) -> None:
    redirect_uri = f"{stack.clients['static']}/callback"
    client = KnownClient(stack.client_id, redirect_uri)
    url = f"{stack.bridge}/authorize?{_query(stack, client)}"
    wary = BrowserTraveller(stack.user.username, stack.user.password, target=stack.server, executable=find)
    try:
        journey = wary.travel(url, redirect_uri)
    finally:
        wary.close()
    assert journey.returned is None
    assert journey.stranger == stack.domain
    assert f"--sign-in-at {stack.domain}" in journey.end
    assert [stop.url.partition("?")[0] for stop in journey.stops] == [f"{stack.bridge}/authorize"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--sign-in", "demo"), "$MCP_PASSWORD"),
        (("--sign-in-script", "/nowhere.py"), "cannot be loaded"),
    ],
)
def test_a_sign_in_that_cannot_be_is_an_environment_problem(options: tuple[str, ...], words: str) -> None:
    command = [sys.executable, "-m", "mcp_demo.cli", "conformance", "run", "http://localhost:1/mcp", *options]
    environment = {name: value for name, value in os.environ.items() if name != "MCP_PASSWORD"}
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert run.returncode == 4
    assert words in run.stderr
    assert "Traceback" not in run.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _query(run: Run, client: KnownClient) -> str:
    from urllib.parse import urlencode

    from mcp_demo import cognito
    from mcp_demo.oauth import pkce

    return urlencode(
        {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": client.redirect_uri,
            "scope": cognito.scopes(run.server)[0],
            "state": "person",
            "code_challenge": pkce.challenge(pkce.new_verifier()),
            "code_challenge_method": "S256",
            "resource": run.server,
        }
    )
