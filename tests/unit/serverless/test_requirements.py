"""What the Lambda functions are packed with is what everything else is tested with."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def _pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_functions_get_the_locked_versions() -> None:
    locked, packed = _pins(ROOT / "requirements.lock"), _pins(ROOT / "mcp_demo" / "serverless" / "requirements.txt")
    assert "mangum" in packed
    assert {name: locked.get(name) for name in packed} == packed
