"""Where the CloudFormation templates and IAM policies are: inside the installed package, or beside it in a checkout."""

import json
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent.parent


def template(name: str) -> str:
    """`infrastructure/<name>.yaml` without its lines of comment: CloudFormation takes 51 200 bytes and no more.

    Raises:
        FileNotFoundError: There is no such template.
    """
    lines = _text(f"{name}.yaml").splitlines(keepends=True)
    return "".join(line for line in lines if not line.lstrip().startswith("#"))


def policy(name: str) -> dict[str, Any]:
    """The IAM policy `infrastructure/policies/<name>.json`.

    Raises:
        FileNotFoundError: There is no such policy.
    """
    return json.loads(_text(f"policies/{name}.json"))


def _text(name: str) -> str:
    for folder in (_PACKAGE / "infrastructure", _PACKAGE.parent / "infrastructure"):
        path = folder / name
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(f"infrastructure/{name}")
