"""The small rules of the user-pool domain that need no user pool."""

import threading
from pathlib import Path

import pytest

from mcp_demo.errors import SetupError
from mcp_demo.local.domain.claims import user_claims
from mcp_demo.local.domain.lockout import Lockout
from mcp_demo.local.domain.qr import qr_code
from mcp_demo.local.domain.store import Store


class Clock:
    """Put forward by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize(("age", "alive"), [(9, True), (10, False), (11, False)])
def test_what_is_kept_is_gone_at_exactly_its_expiry(clock: Clock, age: int, alive: bool) -> None:
    store = Store(None, clock)
    store.put("kind", "key", {"a": 1}, expires=1010)
    clock.now += age
    assert (store.get("kind", "key") is not None) is alive
    assert (store.take("kind", "key") is not None) is alive


def test_one_of_many_takers_gets_it(clock: Clock) -> None:
    store = Store(None, clock)
    store.put("kind", "key", {}, expires=2000)
    taken: list[object] = []
    threads = [threading.Thread(target=lambda: taken.append(store.take("kind", "key"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(value is not None for value in taken) == 1


def test_kinds_do_not_see_each_other(clock: Clock) -> None:
    store = Store(None, clock)
    store.put("code", "key", {}, expires=2000)
    assert store.get("refresh", "key") is None


def test_the_store_outlives_its_process_and_is_closed_to_others(clock: Clock, tmp_path: Path) -> None:
    store = Store(tmp_path / "domain", clock)
    store.put("session", "a secret", {"username": "ada"}, expires=2000)
    store.close()
    assert Store(tmp_path / "domain", clock).get("session", "a secret") == {"username": "ada"}
    assert (tmp_path / "domain" / "domain.sqlite").stat().st_mode & 0o077 == 0


def test_too_many_of_a_kind_push_out_those_that_expire_first(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_demo.local.domain.store._CAPACITY", 3)
    store = Store(None, clock)
    for number in range(5):
        store.put("kind", str(number), {}, expires=2000 + number)
    assert [store.get("kind", str(number)) is not None for number in range(5)] == [False, False, True, True, True]


def test_a_folder_that_cannot_be_written_is_one_clear_problem(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="cannot be written"):
        Store(tmp_path / "file", clock)


def test_locks_double_up_to_about_a_quarter_of_an_hour(clock: Clock) -> None:
    lockout = Lockout(Store(None, clock), clock)
    assert all(lockout.may_try("password", "ada") for _ in range(5))
    for wait in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900):
        clock.now += wait - 0.5
        assert not lockout.may_try("password", "ADA")  # nor does trying prolong it
        clock.now += 0.5
        assert lockout.may_try("password", "ada")


def test_a_success_and_a_quiet_quarter_of_an_hour_forget_the_failures(clock: Clock) -> None:
    lockout = Lockout(Store(None, clock), clock)
    for _ in range(4):
        lockout.may_try("password", "ada")
    lockout.succeeded("password", "Ada")
    assert all(lockout.may_try("password", "ada") for _ in range(5))
    clock.now += 1 + 15 * 60
    assert all(lockout.may_try("password", "ada") for _ in range(5))


def test_of_two_attempts_at_once_the_one_that_looked_at_the_clock_first_may_be_counted_last(clock: Clock) -> None:
    lockout = Lockout(Store(None, clock), clock)
    assert lockout.may_try("password", "ada")
    clock.now -= 0.001
    assert lockout.may_try("password", "ada")


def test_locks_are_per_name_and_kind(clock: Clock) -> None:
    lockout = Lockout(Store(None, clock), clock)
    for _ in range(6):
        lockout.may_try("password", "ada")
    assert lockout.may_try("password", "bob")
    assert lockout.may_try("code", "ada")


ATTRIBUTES = {
    "sub": "s",
    "email": "a@example.com",
    "email_verified": "true",
    "phone_number": "+1",
    "phone_number_verified": "false",
    "given_name": "Ada",
    "custom:team": "x",
}


@pytest.mark.parametrize(
    ("scopes", "names"),
    [
        (("openid",), set(ATTRIBUTES) - {"sub"}),
        (("openid", "http://localhost/read"), set(ATTRIBUTES) - {"sub"}),
        (("openid", "email"), {"email", "email_verified"}),
        (("openid", "profile", "phone"), {"given_name", "phone_number", "phone_number_verified"}),
    ],
)
def test_scopes_bound_the_attributes_that_are_shown(scopes: tuple[str, ...], names: set[str]) -> None:
    assert set(user_claims(ATTRIBUTES, scopes)) == names


def test_verified_flags_are_booleans() -> None:
    claims = user_claims(ATTRIBUTES, ("openid",))
    assert (claims["email_verified"], claims["phone_number_verified"]) == (True, False)


def test_a_qr_code_is_an_image_in_the_page() -> None:
    assert qr_code('"><script>', "ABCDEFGH").startswith("data:image/svg+xml")
    assert "<script" not in qr_code('"><script>', "ABCDEFGH")
