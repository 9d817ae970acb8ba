import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_demo.oauth import scopes
from mcp_demo.oauth.errors import InvalidScope

tokens = st.from_regex(r"[\x21\x23-\x5B\x5D-\x7E]{1,20}", fullmatch=True)


def test_tokens_are_read_in_order_and_once() -> None:
    assert scopes.parse("b a b") == ("b", "a")
    assert scopes.parse("") == ()
    assert scopes.parse("http://localhost:3001/mcp/read") == ("http://localhost:3001/mcp/read",)


@pytest.mark.parametrize("value", [" a", "a ", "a  b", " ", 'a"', "a\\", "a\tb", "a\n", "é", "\x7f"])
def test_what_is_no_scope_token_is_refused(value: str) -> None:
    with pytest.raises(InvalidScope):
        scopes.parse(value)


@given(st.lists(tokens, unique=True))
def test_joined_tokens_are_read_back(values: list[str]) -> None:
    assert scopes.parse(scopes.join(values)) == tuple(values)


def test_a_step_up_asks_for_what_was_granted_and_what_is_challenged() -> None:
    assert scopes.union(("read", "extra"), ("write", "read")) == ("read", "extra", "write")


def test_scopes_are_compared_whole_and_case_sensitively() -> None:
    assert scopes.missing(("read", "Read", "write"), ("read", "writer")) == ("Read", "write")


@pytest.mark.parametrize(
    ("challenged", "supported", "expected"),
    [
        (("a",), ("b",), ("a",)),
        (None, ("b", "c"), ("b", "c")),
        ((), ("b",), ("b",)),
        (None, (), None),
        (None, None, None),
        ((), None, None),
    ],
)
def test_the_challenge_goes_before_the_metadata(
    challenged: tuple[str, ...] | None, supported: tuple[str, ...] | None, expected: tuple[str, ...] | None
) -> None:
    assert scopes.select(challenged, supported) == expected
