"""Known vulnerabilities of everything in `requirements.lock`: `make audit`.

The tool is pip-audit, which asks a service on the internet. Where that is out of reach it reports every package as
skipped and still ends with 0, which looks like good news. So what it says is counted here: nothing looked at is told as
nothing known.

Exit codes: 0 all looked at, nothing found · 1 something found · 4 not, or not all, looked at.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_LOCK = Path(__file__).parents[2] / "requirements.lock"
_TOOL = "pip-audit==2.9.0"


def verdict(text: str) -> tuple[int, str]:
    """Exit code and words for what the tool wrote."""
    try:
        listed: list[dict[str, Any]] = json.loads(text)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return 4, "Not audited: the tool said nothing that can be read. Is there a way to the internet?"
    found = [f"{item['name']} {item['version']}: {bug['id']}" for item in listed for bug in item.get("vulns", ())]
    skipped = [item for item in listed if "skip_reason" in item]
    looked = len(listed) - len(skipped)
    if found:
        return 1, "\n".join([*found, f"{len(found)} known vulnerabilities in {looked} packages."])
    if skipped or not listed:
        return (
            4,
            f"Not audited: {len(skipped)} of {len(listed)} packages are unknown to the service, or it is out of reach.",
        )
    return 0, f"No known vulnerabilities in {looked} packages."


def main() -> int:
    """The command."""
    tool = [sys.executable, "-m", "uv", "tool", "run", "--quiet", "--from", _TOOL, "pip-audit", "--format", "json"]
    options = ["--progress-spinner", "off", "--disable-pip", "--require-hashes", "--requirement", str(_LOCK)]
    try:
        run = subprocess.run([*tool, *options], capture_output=True, text=True, timeout=300, check=False)
        code, words = verdict(run.stdout)
    except subprocess.TimeoutExpired:
        code, words = 4, "Not audited: the service does not answer."
    sys.stdout.write(f"{words}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
