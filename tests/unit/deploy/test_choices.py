"""What an administrator chooses is held against the template, to its last character."""

import re
from pathlib import Path

import pytest

from mcp_demo.deploy import choices

DOCS = Path(__file__).parents[3] / "docs" / "aws.md"


def test_a_choice_that_the_template_allows_is_read() -> None:
    assert choices.read(["registration.MaxClients=12", f"registration.InitialAccessTokens=ci:{'a' * 64}"]) == {
        "registration": {"MaxClients": "12", "InitialAccessTokens": "ci:" + "a" * 64}
    }


@pytest.mark.parametrize("value", ["", "client.example", "localhost,*.example.com,xn--bcher-kva.example,10.0.0.1"])
def test_hosts_of_documents_are_listed_as_they_are_written(value: str) -> None:
    assert choices.read([f"server.DocumentHosts={value}"]) == {"server": {"DocumentHosts": value}}


@pytest.mark.parametrize(
    "value",
    [
        "https://client.example", "client.example:443", "client.example/a", "Client.example", "a,", ",a", "a,,b",
        "a, b", "*", "*.", "a.*.b", "-a", "a-", "a..b", '"]', "a\n", "a" * 1025, "a" * 1024 + "!",
    ],
)  # fmt: skip
def test_what_is_no_list_of_hosts_is_refused_before_anything_is_deployed(value: str) -> None:
    with pytest.raises(ValueError, match="DocumentHosts"):
        choices.read([f"server.DocumentHosts={value}"])


@pytest.mark.parametrize("value", ["a" * 64 + "\n", "a" * 65, "\n" + "a" * 64, "a" * 64 + "\n\n"])
def test_a_pattern_is_of_the_whole_value_and_a_line_end_is_none_of_it(value: str) -> None:
    with pytest.raises(ValueError, match="InitialAccessTokens"):
        choices.read([f"registration.InitialAccessTokens={value}"])


@pytest.mark.parametrize("day", ["2027-13-99", "2027-02-29", "0000-01-01", "9999-12-31"])
def test_a_last_day_that_no_calendar_has_is_refused_before_registration_would_fail_of_it(day: str) -> None:
    with pytest.raises(ValueError, match=f"InitialAccessTokens.*{day}.*2027-01-31"):
        choices.read([f"registration.InitialAccessTokens=ci:{'a' * 64}:{day}"])


@pytest.mark.parametrize("value", ["١٢", "²", "１２", "12\n", " 12", "-1", "1.5", ""])
def test_a_number_is_written_in_plain_digits(value: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        choices.read([f"registration.MaxClients={value}"])


@pytest.mark.parametrize(
    ("choice", "refused"),
    [
        ("identity.RefreshGraceSeconds=60", None),
        ("identity.RefreshGraceSeconds=61", "60 or less"),
        ("server.KeyRotationDays=15", None),
        ("server.KeyRotationDays=14", "15 or more"),
        ("registration.MaxClients=0", "1 or more"),
    ],
)
def test_a_number_is_within_the_bounds_of_the_template(choice: str, refused: str | None) -> None:
    if refused is None:
        assert choices.read([choice])
        return
    with pytest.raises(ValueError, match=refused):
        choices.read([choice])


def test_a_local_run_keeps_what_is_read_only_at_its_start_and_nothing_else(tmp_path: Path) -> None:
    assert choices.kept(tmp_path) == {}
    assert not choices.keep(tmp_path, choices.read(["identity.Mfa=ON", "server.Tracing=Active"]))
    assert choices.kept(tmp_path) == {}
    assert choices.keep(tmp_path, choices.read(["identity.AccentColor=0a5c36", "identity.Mfa=ON"]))
    assert choices.keep(tmp_path, choices.read(["identity.RefreshGraceSeconds=5"]))
    assert choices.kept(tmp_path) == {"identity": {"AccentColor": "0a5c36", "RefreshGraceSeconds": "5"}}
    assert choices.keep(tmp_path, choices.read(["identity.AccentColor="]))
    assert choices.kept(tmp_path) == {"identity": {"AccentColor": "", "RefreshGraceSeconds": "5"}}


@pytest.mark.parametrize(
    "choice",
    [
        "registration.RedirectUris={{resolve:secretsmanager:foreign}}",
        "registration.ApprovalEmail={{resolve:secretsmanager:foreign}}@evil.example",
        "identity.SamlMetadataUrl=https://evil.example/{{resolve:ssm-secure:foreign}}",
        "identity.OidcSecret=ours}}{{resolve:secretsmanager:foreign",
    ],
)
def test_no_choice_makes_cloudformation_look_up_a_secret(choice: str) -> None:
    with pytest.raises(ValueError, match="as it stands"):
        choices.read([choice])


def test_a_boundary_is_for_every_stack_that_has_roles_beside_what_else_is_chosen() -> None:
    arn = "arn:aws:iam::123456789012:policy/mcp-demo-boundary"
    chosen = choices.within(arn, choices.read(["identity.Mfa=ON"]))
    assert chosen.keys() == {"identity", "registration", "server"}
    assert chosen["identity"] == {"Mfa": "ON", "PermissionsBoundary": arn}
    assert choices.within("", {})["server"] == {"PermissionsBoundary": ""}


@pytest.mark.parametrize("wrong", ["mcp-demo-boundary", "arn:aws:iam::1:policy/x", "arn:aws:iam::123456789012:role/x"])
def test_a_boundary_is_the_arn_of_a_policy(wrong: str) -> None:
    with pytest.raises(ValueError, match="managed policy"):
        choices.within(wrong, {})


def test_every_choice_is_explained_with_a_value_that_can_be_chosen() -> None:
    text = DOCS.read_text(encoding="utf-8")
    names = {f"{stack}.{name}" for stack, names in choices.CHOOSABLE.items() for name in names}
    same = {"endpoints.LogRetentionDays", "registration.LogRetentionDays"}  # "the same of `endpoints` and …"
    written = re.findall(r"`((?:endpoints|identity|registration|server|hardening)\.\w+)=([^`]*)`", text)
    assert names - {name for name, _ in written} == same
    for name, value in written:
        if not re.search(r"…|\$\(", value):  # whole, not a shape to be filled in
            choices.read([f"{name}={value}"])
