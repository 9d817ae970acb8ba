"""Where the CloudFormation templates are: inside the installed package, or beside it in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def template(name: str) -> str:
    """The text of `infrastructure/<name>.yaml`.

    Raises:
        FileNotFoundError: There is no such template.
    """
    for folder in (_PACKAGE / "infrastructure", _PACKAGE.parent / "infrastructure"):
        path = folder / f"{name}.yaml"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(f"infrastructure/{name}.yaml")
