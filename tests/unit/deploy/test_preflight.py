"""The rules of the preflight: what is wrong, what is worth knowing, and that nobody knows what AWS does not tell."""

import pytest

from conformance.doctor_preflight import Preflight
from mcp_demo.deploy.preflight import (
    MOST_SKEW,
    SERVICES,
    Fact,
    certificates,
    clock,
    functions_at_once,
    permissions,
    quota,
    region_of,
)

_ARN = "arn:aws:iam::111122223333:role/deployer"
_OFFERED = {service: ["eu-central-1", "us-east-1"] for service in SERVICES}


@pytest.mark.parametrize(
    ("skew", "state", "word"),
    [
        (0.0, "ok", "ahead"),
        (MOST_SKEW, "ok", "behind"),
        (MOST_SKEW + 1, "wrong", "301 s behind"),
        (-MOST_SKEW - 1, "wrong", "301 s ahead of"),
        (None, "unknown", "no answer"),
    ],
)
def test_a_clock_may_be_five_minutes_off_and_no_more(skew: float | None, state: str, word: str) -> None:
    fact = clock(skew)
    assert (fact.state, word in fact.text, "NTP" in fact.cure) == (state, True, state == "wrong")


def test_a_region_needs_every_service() -> None:
    assert region_of("eu-central-1", _OFFERED).state == "ok"
    without = region_of("eu-central-1", _OFFERED | {"cognito-idp": ["us-east-1"]})
    assert (without.state, without.text) == ("wrong", "eu-central-1 lacks cognito-idp")
    nowhere = region_of("eu-moon-1", _OFFERED)
    assert (nowhere.state, "AWS_REGION" in nowhere.cure) == ("wrong", True)


def test_a_sign_in_domain_of_ones_own_needs_a_certificate_in_us_east_1() -> None:
    assert certificates("eu-central-1", ["login.example.com"]).state == "ok"
    none = certificates("eu-central-1", [])
    assert (none.state, "in us-east-1, not in eu-central-1" in none.cure) == ("note", True)
    assert certificates("us-east-1", None).state == "unknown"


@pytest.mark.parametrize(
    ("used", "most", "state"),
    [
        (999, 1000.0, "note"),
        (1000, 1000.0, "wrong"),
        (899, 1000.0, "ok"),
        (None, 1000.0, "unknown"),
        (3, None, "unknown"),
    ],
)
def test_there_has_to_be_room_for_one_more(used: int | None, most: float | None, state: str) -> None:
    assert quota("user pools", used, most).state == state


def test_few_functions_at_once_are_worth_knowing() -> None:
    assert [functions_at_once(most).state for most in (10, 1000, None)] == ["note", "ok", "unknown"]


def test_permissions_are_fine_only_if_iam_says_so() -> None:
    assert permissions(_ARN, []).state == "ok"
    assert permissions(_ARN, None).state == "unknown"
    assert permissions("arn:aws:iam::111122223333:root", []).state == "note"
    denied = permissions(_ARN, ["s3:PutObject"])
    assert (denied.state, denied.text) == ("wrong", "not allowed: s3:PutObject")


def test_the_report_has_a_cure_under_each_illness_and_ends_with_the_verdict() -> None:
    report = Preflight((clock(0), clock(900), Fact("permissions", "unknown", "IAM does not say")))
    lines = list(report.lines())
    at = next(number for number, line in enumerate(lines) if "✗ wrong" in line)
    assert lines[at + 1].split()[0] == "Change"
    assert lines[-1].strip() == "Mend this first: clock. A deployment would not get through."
    assert (report.exit_code, report.document()["verdict"]["exit_code"]) == (1, 1)
    assert Preflight((clock(0),)).exit_code == 0
    unknown = Preflight((Fact("permissions", "unknown", "IAM does not say"),))
    assert unknown.sentence == "Nothing wrong as far as AWS tells; not known: permissions."
