import pytest
from fastapi import Request, Response

from mcp_demo.web import sessions as module
from mcp_demo.web.sessions import LIFETIME, Sessions


def request_after(response: Response) -> Request:
    """A request of the browser that got this response."""
    cookie = response.headers["set-cookie"].split(";")[0]
    return Request({"type": "http", "headers": [(b"cookie", cookie.encode())]})


def test_a_session_comes_back_with_its_cookie() -> None:
    sessions, response = Sessions("demo", secure=False), Response()
    started = sessions.start(response)
    assert sessions.find(request_after(response)) is started


def test_a_made_up_cookie_is_no_session() -> None:
    request = Request({"type": "http", "headers": [(b"cookie", b"demo=guess")]})
    assert Sessions("demo", secure=False).find(request) is None


@pytest.mark.parametrize(("age", "alive"), [(LIFETIME - 1, True), (LIFETIME, False), (LIFETIME + 1, False)])
def test_a_session_ends_when_it_was_not_used_for_its_lifetime(age: int, alive: bool) -> None:
    now = 1000.0
    sessions, response = Sessions("demo", secure=False, clock=lambda: now), Response()
    sessions.start(response)
    now += age
    assert (sessions.find(request_after(response)) is not None) is alive


def test_a_renewed_session_no_longer_answers_to_its_old_cookie() -> None:
    sessions, first, second = Sessions("demo", secure=False), Response(), Response()
    started = sessions.start(first)
    assert sessions.renew(request_after(first), second) is started
    assert sessions.find(request_after(first)) is None
    assert sessions.find(request_after(second)) is started


def test_an_ended_session_is_forgotten() -> None:
    sessions, response = Sessions("demo", secure=False), Response()
    sessions.start(response)
    sessions.end(request_after(response), Response())
    assert sessions.find(request_after(response)) is None


def test_over_https_the_cookie_is_bound_to_its_host() -> None:
    response = Response()
    Sessions("demo", secure=True).start(response)
    cookie = response.headers["set-cookie"].lower()
    assert (
        cookie.startswith("__host-demo=") and "; secure" in cookie and "httponly" in cookie and "samesite=lax" in cookie
    )


def test_the_least_recently_used_session_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CAPACITY", 2)
    sessions = Sessions("demo", secure=False)
    responses = [Response() for _ in range(3)]
    for response in responses:
        sessions.start(response)
    assert [sessions.find(request_after(response)) is not None for response in responses] == [False, True, True]
