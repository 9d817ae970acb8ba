"""Secrets among the files of the repository: `make secrets`. Exit codes: 0 none, 1 found, 4 not looked.

The tool is detect-secrets, with its detectors of things that are secrets by their form: private keys, JWTs, keys of
cloud services. Those that guess by entropy or by a variable's name find test data by the dozen. Nothing is sent
anywhere to be verified.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_TOOL = "detect-secrets==1.5.0"
_GUESSING = ("KeywordDetector", "Base64HighEntropyString", "HexHighEntropyString")
_PLANTED = {
    ("tests/unit/conformance/test_reports.py", "JSON Web Token"),
    ("tests/unit/exchange/test_redact.py", "JSON Web Token"),
    ("tests/unit/exchange/test_redact.py", "Private Key"),
    ("tests/unit/oauth/test_dpop.py", "JSON Web Token"),
    ("tests/unit/oauth/test_metadata_document.py", "Basic Auth Credentials"),
}
"""Looked at: made up for the tests of what must not leak, or published with an RFC."""


def unexpected(document: dict[str, Any]) -> list[str]:
    """What was found besides what is known, as places."""
    return [
        f"{file}:{found['line_number']}: {found['type']}"
        for file, listed in document["results"].items()
        for found in listed
        if (file, found["type"]) not in _PLANTED
    ]


def main() -> int:
    """The command."""
    command = [sys.executable, "-m", "uv", "tool", "run", "--quiet", "--from", _TOOL, "detect-secrets", "scan"]
    command += ["--no-verify", *(word for name in _GUESSING for word in ("--disable-plugin", name))]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, cwd=_ROOT)
    try:
        found = unexpected(json.loads(run.stdout))
    except (ValueError, KeyError):
        sys.stdout.write(f"Not scanned: {run.stderr.strip()[-200:]}\n")
        return 4
    sys.stdout.write("\n".join([*found, f"{len(found)} secrets found."]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
