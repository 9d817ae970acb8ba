"""Files are written whole or not at all, keys are made once, templates are found."""

import base64
from pathlib import Path

import pytest

from mcp_demo.deploy import files, templates
from mcp_demo.deploy.files import env_folder, private_folder, write_private
from mcp_demo.deploy.secrets import envelope_keys
from mcp_demo.deploy.users import make_password
from mcp_demo.errors import SetupError


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "settings.env"
    write_private(target, "old")

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_private(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_cannot_be_made_is_a_set_up_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="cannot be written") as caught:
        private_folder(tmp_path / "file" / "state")
    assert "--state" in caught.value.cure


def test_envelope_keys_are_made_once(tmp_path: Path) -> None:
    first = envelope_keys(tmp_path / "keys.json")
    assert envelope_keys(tmp_path / "keys.json") == first
    assert envelope_keys(tmp_path / "other.json") != first
    assert len(base64.urlsafe_b64decode(first[0] + "=")) == 32


def test_passwords_satisfy_the_policy_of_the_pool() -> None:
    for password in {make_password() for _ in range(50)}:
        assert len(password) >= 12
        assert any(c.islower() for c in password) and any(c.isupper() for c in password)
        assert any(c.isdigit() for c in password) and any(c in "-_.!" for c in password)


def test_profiles_do_not_share_a_folder(tmp_path: Path) -> None:
    assert env_folder(tmp_path, "local") != env_folder(tmp_path, "aws")


def test_the_template_is_found_in_a_checkout_and_inside_a_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "AWS::Cognito::UserPool" in templates.template("identity")
    (tmp_path / "infrastructure").mkdir()
    (tmp_path / "infrastructure" / "identity.yaml").write_text("packaged")
    monkeypatch.setattr(templates, "_PACKAGE", tmp_path)
    assert templates.template("identity") == "packaged"


def test_a_template_that_does_not_exist_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"infrastructure/nothing\.yaml"):
        templates.template("nothing")
