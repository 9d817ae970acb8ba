import inspect
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_demo.oauth import errors
from mcp_demo.oauth.challenge import build_bearer

# The codes of RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1, RFC 7591 §3.2.2, RFC 8707 §2 and RFC 9449 §5.
REGISTERED = {
    *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"),
    *("unsupported_response_type", "invalid_scope", "access_denied", "invalid_target", "server_error"),
    *("temporarily_unavailable", "invalid_redirect_uri", "invalid_client_metadata", "invalid_token"),
    *("insufficient_scope", "invalid_dpop_proof"),
}


def test_every_registered_code_has_one_class() -> None:
    ours = (kind for kind in errors.OAuthError.__subclasses__() if kind.__module__ == errors.__name__)
    codes = [kind.error for kind in ours]
    assert sorted(codes) == sorted(REGISTERED)


def test_the_tree_at_the_top_names_every_class() -> None:
    named = set(re.findall(r"\b[A-Z]\w+", (inspect.getdoc(errors) or "").partition("Spec:")[0]))
    classes = {
        name for name, value in vars(errors).items() if inspect.isclass(value) and value.__module__ == errors.__name__
    }
    assert classes <= named


@pytest.mark.parametrize(
    ("kind", "status"),
    [(errors.InvalidGrant, 400), (errors.InvalidClient, 401), (errors.InvalidToken, 401), (errors.ServerError, 500)],
)
def test_an_error_has_the_status_of_its_kind_unless_told(kind: type[errors.OAuthError], status: int) -> None:
    assert kind("x").status == status
    assert kind("x", status=418).status == 418
    assert kind("x").as_dict() == {"error": kind.error, "error_description": "x"}


def test_insufficient_scope_says_what_is_needed() -> None:
    error = errors.InsufficientScope("more", ("read", "write"))
    assert (error.status, error.scopes, error.description) == (403, ("read", "write"), "more")


@given(st.text())
def test_a_description_fits_every_place_it_travels_to(quoted: str) -> None:
    error = errors.InvalidRequest(f"The parameter {quoted!r} {quoted}")
    assert re.fullmatch(r"[\x20\x21\x23-\x5B\x5D-\x7E]+", error.description)
    assert error.description in build_bearer(error.as_dict())


@given(st.text(), st.none() | st.text())
def test_the_words_of_a_server_hold_no_control_characters(error: str, description: str | None) -> None:
    assert str(errors.ErrorResponse(error, description)).isprintable()
