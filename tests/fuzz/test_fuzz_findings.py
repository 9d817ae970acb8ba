"""Inputs that once broke a promise, each found by the fuzzing beside this file."""

import json
from typing import Any

import pytest
import routing
from parsers import NOW, PARSERS, URL

_BY_NAME = {parser.name: parser for parser in PARSERS}
_HUGE = 10**400  # JSON may say it; a float cannot hold it
_HALF = "\ud800"  # half a surrogate pair: JSON can escape it, UTF-8 cannot write it


def _assertion(**changes: Any) -> bytes:
    claims = {"iss": "app", "sub": "app", "aud": URL, "jti": "1", "exp": NOW + 60, **changes}
    return b'{"alg":"ES256","kid":"k"}\n' + json.dumps(claims).encode()


def _proof(**changes: Any) -> bytes:
    claims = {"jti": "1", "htm": "POST", "htu": URL, "iat": NOW, **changes}
    return b'{"alg":"ES256","typ":"dpop+jwt"}\n' + json.dumps(claims).encode()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("client assertion, signed", _assertion(exp=_HUGE)),
        ("client assertion, signed", _assertion(iat=_HUGE)),
        ("client assertion, signed", _assertion(nbf=-_HUGE)),
        ("client assertion, signed", _assertion(jti=_HALF)),
        ("DPoP proof", _proof(iat=_HUGE)),
        ("DPoP proof", _proof(jti=_HALF, ath="PEaenWxYddN6Q_NT1PiOYfz4EsZu7jRXRlpAsNpBU-A")),
        ("DPoP proof", _proof(ath=_HALF)),
        ("keys of a client", b'{"keys": 5}'),
        ("keys of a client", b'{"keys": [5]}'),
        ("keys of a client", b'{"keys": [null, "x", []]}'),
        ("keys of a client", b'{"keys": {"kid": "k"}}'),
        ("header routing", routing.request("whoami", name="=?base64?\xe9?=")),
        ("header routing", routing.request("whoami", name="whoami\u212a")),
    ],
)
def test_what_once_broke_a_promise_is_refused_in_words(name: str, data: bytes) -> None:
    _BY_NAME[name].read(data)
