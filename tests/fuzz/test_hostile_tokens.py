"""A bounded part of the million tokens, and proof that the tally notices a verifier that lets one through."""

import json

import pytest
from hostile_tokens import RULES, Forge, agrees, present, table

from mcp_demo.oauth import access_token, unverified_token
from mcp_demo.oauth.access_token import AccessToken


async def test_of_many_hostile_tokens_none_is_accepted_and_no_good_one_refused() -> None:
    tally = await present(8_000, seed=8)
    assert tally.wrong == []
    assert len(tally.made) == 13, tally.made
    assert tally.accepted == {name: tally.made[name] for name in ("good", "odd but good")}
    assert set(tally.reasons) == set(unverified_token.REASONS)
    assert "0 judged wrongly" in table(tally, 8)


@pytest.mark.parametrize(
    ("rule", "family"),
    [
        ("_check_signature", "the signature is wrong"),
        ("_check_use", "a claim is wrong"),
        ("_check_audience", "a claim is wrong"),
        ("_unique", "a member appears twice"),
    ],
)
async def test_a_rule_that_is_left_out_is_noticed(rule: str, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if rule == "_unique":
        monkeypatch.setattr(unverified_token, "_JSON", json.JSONDecoder())
    else:
        monkeypatch.setattr(access_token, rule, lambda *given: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    tally = await present(1_500, seed=8)
    assert family in {made.family for made in tally.wrong}


def test_the_other_library_has_a_say() -> None:
    forge = Forge(1)
    assert not agrees(forge, forge.good(), AccessToken(RULES.issuer, "somebody else", "app", "demo", (), 0.0))
