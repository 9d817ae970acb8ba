"""Requirements, checks and selectors fit together."""

import re

import pytest

from conformance import catalogue
from conformance.catalogue import Selection
from conformance.check import Checks
from conformance.requirements import REVISIONS, load
from conformance.views.resource_server import ResourceServer

_CHECKS = catalogue.load()


def test_every_resource_server_requirement_has_a_check_or_a_reason() -> None:
    judged = {requirement.id for check in _CHECKS for requirement in check.requirements}
    assert {item.id for item in load().values() if item.role == "resource-server"} <= judged


def test_checks_say_what_a_reader_needs() -> None:
    for check in _CHECKS:
        assert re.fullmatch(r"[a-z]+(\.[a-z0-9-]+){2,}", check.id)
        assert check.title
        assert check.why
        assert (check.expected and check.fix) if check.judge else check.excluded
        assert len({requirement.role for requirement in check.requirements}) == 1


def test_ids_are_unique() -> None:
    assert len({check.id for check in _CHECKS}) == len(_CHECKS)


def test_an_unknown_requirement_fails_at_import() -> None:
    with pytest.raises(KeyError):
        Checks(ResourceServer).add("rs.a.b", "RS-NO-SUCH-THING", expected="", why="", fix="")


@pytest.mark.parametrize(("revision", "count"), list(zip(REVISIONS, (47, 52, 54), strict=True)))
def test_a_revision_selects_what_applies_in_it(revision: str, count: int) -> None:
    chosen = Selection(revision, roles=("resource-server",)).of(_CHECKS)
    judged = {item.id for check in chosen for item in check.requirements if item.applies(revision)}
    assert len(judged) == count


@pytest.mark.parametrize(
    ("selector", "some", "none"),
    [
        ("rs.challenge", "rs.challenge.grammar", "rs.token.kind"),
        ("rs.challenge.grammar", "rs.challenge.grammar", "rs.challenge.scope-hint"),
        ("rs.token.audience", "rs.token.audience", "rs.token.audience-whole"),
        ("RS-TOK-AUD-EXACT", "rs.token.audience-whole", "rs.token.audience"),
        ("RS-TOK", "rs.token.kind", "rs.challenge.grammar"),
        ("rs.*.grammar", "rs.challenge.grammar", "rs.token.kind"),
        ("RFC 9728", "rs.metadata.well-known-path", "rs.token.expiry"),
        ("RFC9728", "rs.metadata.well-known-path", "rs.token.expiry"),
    ],
)
def test_selectors_mean_checks_requirements_and_documents(selector: str, some: str, none: str) -> None:
    chosen = {check.id for check in Selection(select=(selector,)).of(_CHECKS)}
    assert some in chosen
    assert none not in chosen
    assert not {check.id for check in Selection(exclude=(selector,)).of(_CHECKS)} & chosen


def test_must_only_leaves_out_what_is_recommended() -> None:
    chosen = Selection(must_only=True).of(_CHECKS)
    assert all(any(item.level.startswith("MUST") for item in check.requirements) for check in chosen)
    assert len(chosen) < len(Selection().of(_CHECKS))


def test_a_selector_that_fits_nothing_is_reported() -> None:
    assert Selection(select=("rs.chalenge", "rs.token")).unknown(_CHECKS) == ("rs.chalenge",)
