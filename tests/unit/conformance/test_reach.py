"""A target must not make the suite ask where only whoever runs the suite can ask (server-side request forgery)."""

import socket
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress

import httpcore
import pytest

from conformance import reach
from conformance.reach import OutOfReach, Reach, zone_of
from conformance.session import Session
from conformance.target import Target
from conformance.wire import NotSent, Unanswered
from mcp_demo.exchange.model import Exchange, Request

_PUBLIC, _PRIVATE, _LOOPBACK = "https://93.184.215.14/mcp", "https://10.1.2.3/mcp", "http://127.0.0.1:3001/mcp"
_INSIDE = ("127.0.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1", "10.0.0.1", "192.168.1.1", "100.64.0.1", "fd00::1")
_METADATA = ("169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "64:ff9b::a9fe:a9fe")


@pytest.mark.parametrize("address", [*_INSIDE, *_METADATA])
def test_a_public_target_sends_nobody_inside(address: str) -> None:
    with pytest.raises(OutOfReach, match="may not send the suite"):
        Reach(_PUBLIC).addresses(address, 80)


@pytest.mark.parametrize("target", [_PRIVATE, _LOOPBACK])
@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1%lo"])
def test_no_target_sends_anybody_to_a_metadata_service(target: str, address: str) -> None:
    with pytest.raises(OutOfReach):
        Reach(target, lambda host, port: [host]).addresses(address, 80)


@pytest.mark.parametrize(
    ("target", "address"),
    [
        (_PUBLIC, "8.8.8.8"),
        (_PRIVATE, "8.8.8.8"),
        (_PRIVATE, "10.9.9.9"),
        (_LOOPBACK, "127.0.0.1"),
        (_LOOPBACK, "::1"),
        (_LOOPBACK, "10.9.9.9"),
        (_LOOPBACK, "8.8.8.8"),
    ],
)
def test_as_far_inside_as_the_target_stands_is_allowed(target: str, address: str) -> None:
    assert Reach(target).addresses(address, 80) == [address]


def test_a_private_target_does_not_reach_this_machine() -> None:
    with pytest.raises(OutOfReach):
        Reach(_PRIVATE).addresses("127.0.0.1", 80)


def test_one_inner_address_among_public_ones_is_enough_to_refuse() -> None:
    names = {"mcp.example": ["8.8.8.8"], "mixed.example": ["8.8.4.4", "127.0.0.1"]}
    with pytest.raises(OutOfReach):
        Reach("https://mcp.example/mcp", lambda host, port: names[host]).addresses("mixed.example", 443)


def test_a_target_that_moves_inside_later_is_still_a_public_one() -> None:
    answers: list[Sequence[str]] = [["8.8.8.8"], ["8.8.8.8"], ["127.0.0.1"]]
    rebinding = Reach("https://mcp.example/mcp", lambda host, port: answers.pop(0))
    assert rebinding.addresses("mcp.example", 443) == ["8.8.8.8"]
    with pytest.raises(OutOfReach):
        rebinding.addresses("mcp.example", 443)


def test_a_name_without_addresses_is_no_connection() -> None:
    def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror("no such name")

    with pytest.raises(httpcore.ConnectError, match="no such name"):
        Reach(_PUBLIC, unknown).addresses("nowhere.example", 443)


@pytest.mark.parametrize(("address", "zone"), [("2606:4700::1", "public"), ("224.0.0.1", "private")])
def test_the_zone_of_other_addresses(address: str, zone: str) -> None:
    assert zone_of(address) == zone


def test_nothing_is_sent_to_this_machine_for_a_public_target(monkeypatch: pytest.MonkeyPatch) -> None:
    real = reach._resolve  # pyright: ignore[reportPrivateUsage]

    def resolve(host: str, port: int) -> Sequence[str]:
        return ["8.8.8.8"] if host == "mcp.example" else real(host, port)

    monkeypatch.setattr(reach, "_resolve", resolve)
    with _counting() as (port, visitors):
        for proxied in (False, True):
            if proxied:
                monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
                monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
            session = Session(Target("https://mcp.example/mcp"))
            for host in ("127.0.0.1", "localhost", "[::1]", "2130706433", "0"):
                with pytest.raises(NotSent, match="may not send the suite"):
                    session.send(_get(f"http://{host}:{port}/latest/meta-data"))
            session.close()
    assert visitors == []


def test_what_is_not_sent_does_not_count_as_silence_of_the_target() -> None:
    with _counting() as (port, visitors):
        session = Session(Target(f"http://127.0.0.1:{port}/mcp"), timeout=2)
        for number in range(4):
            with pytest.raises(NotSent):
                session.send(_get(f"http://169.254.169.254/{number}"))
        with pytest.raises(Unanswered):  # it is asked, and hangs up
            session.send(_get(f"http://127.0.0.1:{port}/mcp"))
        session.close()
    assert visitors


def _get(url: str) -> Exchange:
    return Exchange("A request", "", "", "suite", "target", Request("GET", url))


@contextmanager
def _counting() -> Generator[tuple[int, list[object]]]:
    """A port that notes who connects, and hangs up."""
    visitors: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    visitor, address = listener.accept()
                    visitors.append(address)
                    visitor.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1], visitors
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
