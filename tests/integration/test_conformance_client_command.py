"""Judging a client as a command, whatever the command does."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conformance import client_command
from conformance.client_command import Command, exposed, listening_at
from conformance.personas import SCENARIOS
from conformance.personas.serving import free_ports
from mcp_demo.cli import app

_PYTHON = sys.executable
_REFERENCE = (_PYTHON, "-m", "conformance.reference_client")
_SDK = (_PYTHON, str(Path(__file__).with_name("conformance_sdk_client.py")))


def _judge(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["conformance", "client", *arguments])
    return result.exit_code, result.output


@pytest.mark.slow
def test_the_reference_client_passes_as_a_command(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    wanted = ("client.authorize.redirect-scheme", "client.authorize.no-shell", "client.discovery.https")
    selected = [part for name in wanted for part in ("--select", name)]
    code, text = _judge(*selected, "--report", f"json={report}", "--", *_REFERENCE)
    assert code == 0, text
    found = json.loads(report.read_text(encoding="utf-8"))
    assert {result["check"]: result["verdict"] for result in found["results"]} == dict.fromkeys(wanted, "pass")
    assert "opens the browser of $BROWSER" in text


@pytest.mark.slow
def test_a_client_that_follows_the_url_itself_is_judged_too() -> None:
    code, text = _judge("--select", "client.authorize.endpoint-scheme", "--select", "CL-TOKEN-HEADER", "--", *_SDK)
    assert code == 0, text
    assert "follows the authorization URL by itself" in text
    assert "not-applicable  client.authorize.endpoint-scheme" in text
    assert "pass  client.token.header" in text


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("/no/such/program",), "could not be started"),
        ((_PYTHON, "-c", "import os; os.write(1, bytes(range(256)))"), "sent nothing"),
        ((_PYTHON, "-c", "raise SystemExit('no')"), "status 1"),
        ((_PYTHON, "-c", "import time; time.sleep(60)"), "its time was up"),
    ],
)
def test_a_command_that_never_asks_cannot_be_judged(command: tuple[str, ...], words: str) -> None:
    code, text = _judge("--limit", "1", "--", *command)
    assert code == 4, text
    assert words in text
    assert "✓ pass  client." not in text
    assert "Traceback" not in text


def test_a_client_that_gives_up_at_the_refusal_passes_nothing(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    asks = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], data=b'{}')"
    code, _ = _judge("-q", "--report", f"json={report}", "--", _PYTHON, "-c", asks, "{url}", "after")
    summary = json.loads(report.read_text(encoding="utf-8"))["summary"]
    assert code == 1
    assert summary["pass"] == 0
    assert summary["blocked"] > 40


def test_a_silent_client_is_stopped_with_all_that_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = (
        "import subprocess, sys, time, urllib.request, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(note)!r}).write_text(str(child.pid))\n"
        "try: urllib.request.urlopen(sys.argv[1], data=b'{}')\n"
        "except OSError: pass\n"
        "time.sleep(60)\n"
    )
    began = time.monotonic()
    play = Command((_PYTHON, "-c", program), patience=0.5)(SCENARIOS["helpful"], "2026-07-28")
    assert play.ended == "stopped"
    assert time.monotonic() - began < 20
    child = int(note.read_text())
    deadline = time.monotonic() + 5
    while _lives(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(not Path("/proc").exists(), reason="only Linux shows the environment of processes")
def test_what_left_the_clients_session_is_stopped_too(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    daemon = f"import os, pathlib, time; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(60)"
    program = (
        "import os, subprocess, sys, time, pathlib\n"
        f"subprocess.Popen([sys.executable, '-c', {daemon!r}], start_new_session=True)\n"
        f"while not pathlib.Path({str(note)!r}).exists(): time.sleep(0.01)\n"
    )
    play = Command((_PYTHON, "-c", program))(SCENARIOS["helpful"], "2026-07-28")
    assert play.ended == "exited"
    child = int(note.read_text())
    deadline = time.monotonic() + 5
    while _lives(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets orphans fall to a grandparent")
@pytest.mark.parametrize("then", ["", "time.sleep(60)", "os.kill(os.getpid(), 9)"], ids=["exits", "stays", "is killed"])
def test_what_left_the_clients_session_and_wiped_its_environment_is_stopped_too(then: str, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    daemon = (
        "import os, pathlib, signal, time\n"
        "if os.fork(): os._exit(0)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); os.setsid()\n"
        f"pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(60)"
    )
    program = (
        "import os, subprocess, sys, time, pathlib, urllib.request\n"
        f"subprocess.Popen([sys.executable, '-c', {daemon!r}], start_new_session=True, env={{}})\n"
        f"while not pathlib.Path({str(note)!r}).exists(): time.sleep(0.01)\n"
        f"try: urllib.request.urlopen(sys.argv[1], data=b'{{}}')\nexcept OSError: pass\n{then}\n"
    )
    play = Command((_PYTHON, "-c", program), patience=0.5)(SCENARIOS["helpful"], "2026-07-28")
    assert play.ended == ("stopped" if "sleep" in then else "exited")
    assert play.status == {"": 0, "os.kill(os.getpid(), 9)": -9}.get(then)
    assert not _lives(int(note.read_text()))


_ENDED_AT_ONCE = """
import os, subprocess, sys
from conformance import client_keeper

class EndedAtOnce(subprocess.Popen):
    def __init__(self, *words, **options):
        super().__init__(*words, **options)
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

subprocess.Popen = EndedAtOnce
sys.exit(os.WEXITSTATUS(client_keeper.keep(sys.argv[1], ["sh", "-c", "exit 3"])))
"""


def test_the_status_of_a_client_that_ends_at_once_is_kept(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", _ENDED_AT_ONCE, str(tmp_path / "note")], capture_output=True)
    assert (ended.returncode, ended.stderr) == (3, b"")


def test_a_command_that_is_none_is_told_in_words() -> None:
    play = Command(("/nowhere/client",))(SCENARIOS["helpful"], "2026-07-28")
    assert play.ended == "not started"
    assert play.output == "/nowhere/client: No such file or directory"


@pytest.mark.parametrize("trap", ["os.mkfifo(place / 'opened')", "os.symlink('/dev/zero', place / 'opened')"])
def test_a_trap_in_the_place_of_our_own_notes_is_not_walked_into(trap: str) -> None:
    program = f"import os, pathlib; place = pathlib.Path(os.environ['HOME']).parent; {trap}"
    play = Command((_PYTHON, "-c", program))(SCENARIOS["helpful"], "2026-07-28")
    assert play.ended == "exited"
    assert play.opened == ()


def test_output_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_command, "_TOO_MUCH", 1024 * 1024)
    program = "import time\nwhile True: print('x' * 65536, flush=True); time.sleep(0.001)"
    began = time.monotonic()
    play = Command((_PYTHON, "-c", program))(SCENARIOS["helpful"], "2026-07-28")
    assert play.ended == "too slow"
    assert len(play.output) == client_command._MAX_OUTPUT  # pyright: ignore[reportPrivateUsage]
    assert time.monotonic() - began < 20


def test_files_that_cannot_be_read_expose_nothing_and_stop_nothing() -> None:
    with tempfile.TemporaryDirectory() as name, _nobody(Path(name)) as folder:
        for path, mode in (("open", 0o644), ("write-only", 0o244), ("mine", 0o600), ("closed", 0o044)):
            (folder / path).write_text("planted")
            (folder / path).chmod(mode)
        os.mkfifo(folder / "fifo", 0o644)
        (folder / "link").symlink_to(folder / "open")
        (folder / "blind").mkdir()
        (folder / "blind" / "file").write_text("planted")
        (folder / "blind").chmod(0o444)
        (folder / "dark").mkdir(0o000)
        assert exposed(folder, ["planted"]) == ("open",)
        for path in ("blind", "dark"):
            (folder / path).chmod(0o700)


@contextmanager
def _nobody(folder: Path) -> Generator[Path]:
    """Somebody without root's right to read everything."""
    if os.geteuid() != 0:
        yield folder
        return
    os.chown(folder, 65534, 65534)
    os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(("verify", "methods"), [("True", ["CONNECT"]), ("False", ["CONNECT", "GET"])])
def test_a_client_that_takes_any_certificate_is_seen(verify: str, methods: list[str]) -> None:
    asks = (
        "import sys, httpx\n"
        "httpx.post(sys.argv[1])\n"
        f"httpx.get('https://secure.conformance.example/x', verify={verify})\n"
    )
    play = Command((_PYTHON, "-c", asks))(SCENARIOS["helpful"], "2026-07-28")
    assert [hit.request.method for hit in play.hits(party="stranger")] == methods


def test_reports_do_not_name_the_options_of_a_command(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    _judge("-q", "--report", f"json={report}", "--", _PYTHON, "-c", "pass", "--secret", "planted-secret-planted-secret")
    text = report.read_text(encoding="utf-8")
    assert "planted-secret" not in text
    assert json.loads(text)["target"] == f"{_PYTHON} -c pass …"


def _lives(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{number}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("role", [("--role", "client"), ("--select", "client.token")])
def test_a_url_is_not_judged_as_a_client(role: tuple[str, str]) -> None:
    result = CliRunner().invoke(app, ["conformance", "run", "http://localhost:1/mcp", *role])
    assert result.exit_code == 2
    assert "conformance client" in result.output


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells who listens where")
def test_who_listens_where_is_seen() -> None:
    listeners = free_ports()
    try:
        assert listening_at(listeners[0].getsockname()[1]) == ("0100007F",)
    finally:
        for listener in listeners:
            listener.close()
