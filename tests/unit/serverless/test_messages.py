"""The words of mail and SMS, from events as AWS documents them. Cognito itself is not here: it replaces the codes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mcp_demo.deploy.package import messages_package
from mcp_demo.serverless.messages import handler

CODE, USER = "{####}", "{username}"


@pytest.fixture(autouse=True)
def product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODUCT", "mcp-demo")


def event(source: str, **attributes: str) -> dict[str, Any]:
    """What Cognito sends (Cognito docs › Custom message Lambda trigger parameters)."""
    return {
        "version": "1",
        "triggerSource": f"CustomMessage_{source}",
        "region": "eu-central-1",
        "userPoolId": "eu-central-1_abc",
        "userName": "ada",
        "callerContext": {"awsSdkVersion": "x", "clientId": "c"},
        "request": {
            "userAttributes": {"sub": "1", "email": "ada@example.com", **attributes},
            "codeParameter": CODE,
            "linkParameter": "{##Click##}",
            "usernameParameter": USER if source == "AdminCreateUser" else None,
        },
        "response": {"smsMessage": None, "emailMessage": None, "emailSubject": None},
    }


def words(source: str, **attributes: str) -> dict[str, str]:
    given = event(source, **attributes)
    answer = handler(given, None)
    assert {name: answer[name] for name in answer if name != "response"} == {
        name: value for name, value in event(source, **attributes).items() if name != "response"
    }
    return answer["response"]


SOURCES = (
    "SignUp", "ResendCode", "ForgotPassword", "UpdateUserAttribute", "VerifyUserAttribute", "Authentication",
    "AdminCreateUser",
)  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_every_kind_of_message_carries_the_code_and_no_link(source: str) -> None:
    said = words(source)
    for text in (said["emailMessage"], said["smsMessage"]):
        assert text.count(CODE) == 1
        assert not any(link in text for link in ("://", "href", "{##Click##}"))
    assert len(said["smsMessage"]) <= 140
    assert 0 < len(said["emailSubject"]) <= 140


def test_an_invitation_names_the_account_too() -> None:
    said = words("AdminCreateUser")
    assert said["emailMessage"].count(USER) == said["smsMessage"].count(USER) == 1


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        ("Ada", "Hello Ada,"),
        ("Zoë O'Neil-Ng", "Hello Zoë O&#x27;Neil-Ng,"),
        ("<b>Ada</b>", "Hello,"),
        ("Your account is locked, see evil.example", "Hello,"),
        ("visit https://evil.example", "Hello,"),
        (CODE, "Hello,"),
        ("A" * 41, "Hello,"),
        ("", "Hello,"),
    ],
)
def test_a_name_greets_only_if_it_is_nothing_but_a_name(name: str, greeting: str) -> None:
    assert f"<p>{greeting}</p>" in words("SignUp", given_name=name)["emailMessage"]


def test_a_kind_that_we_have_no_words_for_keeps_those_of_cognito() -> None:
    assert words("SomethingNew") == event("SomethingNew")["response"]


def test_the_zip_runs_with_the_standard_library_alone(tmp_path: Path) -> None:
    archive, package = tmp_path / "code.zip", messages_package()
    archive.write_bytes(package.content)
    program = "import json, sys; sys.path.insert(0, sys.argv[1])\n"
    program += (
        "from mcp_demo.serverless.messages import handler; print(json.dumps(handler(json.load(sys.stdin), None)))"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(archive)],
        input=json.dumps(event("SignUp")),
        env={"PRODUCT": "x"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert CODE in json.loads(ran.stdout)["response"]["emailMessage"]
    assert messages_package() == package
