"""The envelope keys as they rotate: whatever one instance seals, every other opens."""

import json

import pytest

from mcp_demo.bridge.envelope import Envelopes
from mcp_demo.serverless.envelope_keys import rotated, usable

FIRST = '{"keys": [], "next": "0123456789012345678901234567890123456789abc"}'


def test_the_key_that_cloudformation_makes_seals_at_once() -> None:
    assert usable(FIRST) == ["0123456789012345678901234567890123456789abc"]
    envelopes = Envelopes(usable(FIRST), lambda: 0.0)
    assert envelopes is not None


def test_an_instance_of_before_a_rotation_knows_the_key_that_seals_after_it() -> None:
    secret = FIRST
    for _ in range(6):
        following = rotated(secret)
        assert usable(following)[0] in usable(secret)
        assert usable(secret)[0] in usable(following)
        secret = following


def test_a_key_opens_for_two_rotations_after_its_last_seal() -> None:
    secret = rotated(FIRST)
    sealing = usable(secret)[0]
    once, twice = rotated(secret), rotated(rotated(secret))
    assert sealing in usable(once)
    assert sealing in usable(twice)
    assert sealing not in usable(rotated(twice))


@pytest.mark.parametrize("secret", ["", "[]", '{"keys": []}', '{"keys": [1], "next": "x"}', '{"keys": [], "next": 1}'])
def test_another_secret_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match=r"^The secret holds no envelope keys\.$"):
        usable(secret)


def test_a_fresh_key_is_as_long_as_the_cipher_wants() -> None:
    keys = usable(rotated(rotated(FIRST)))
    assert len(set(keys)) == len(keys)
    Envelopes(keys, lambda: 0.0)
    assert json.loads(rotated(FIRST))["keys"] == usable(FIRST)
