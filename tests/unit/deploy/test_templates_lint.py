"""Every template is valid for AWS: cfn-lint has no finding, and nothing is suppressed."""

import subprocess
import sys
from pathlib import Path

import pytest

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
