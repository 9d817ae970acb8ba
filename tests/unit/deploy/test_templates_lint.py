"""Every template is valid for AWS: cfn-lint has no finding and is not silenced, what checkov skips has a reason."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import yaml

from mcp_demo.deploy.templates import template as deployed

TEMPLATES = sorted((Path(__file__).parents[3] / "infrastructure").glob("*.yaml"))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_cfn_lint_has_no_finding_and_is_not_silenced(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert "cfn-lint" not in text
    linted = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "--include-checks", "W", "--", template],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_what_is_deployed_is_the_template_without_its_comments_and_fits(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    sent = deployed(template.stem)
    assert _events(sent) == _events(text)
    assert "checkov" not in sent
    assert len(sent.encode()) <= 51_200


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_whatever_checkov_is_to_skip_has_a_reason(template: Path) -> None:
    skips = [line for line in template.read_text(encoding="utf-8").splitlines() if "checkov" in line]
    assert [line for line in skips if not re.fullmatch(r"    # checkov:skip=CKV2?_AWS_\d+:\w.{20,}", line)] == []


def _events(text: str) -> list[tuple[object, ...]]:
    events = cast("Iterator[object]", yaml.parse(text))  # pyright: ignore[reportUnknownMemberType]
    return [(type(event), getattr(event, "tag", None), getattr(event, "value", None)) for event in events]
