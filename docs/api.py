"""Write docs/api.md: what `mcp_demo.client` offers, from its docstrings. `python docs/api.py [--check]`."""

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import mcp_demo.client as package

PAGE = Path(__file__).with_name("api.md")


def page() -> str:
    """The whole page."""
    parts = ["# API of `mcp_demo.client`", _text(package)]
    for name in package.__all__:
        thing = getattr(package, name)
        kind = "class" if inspect.isclass(thing) else "def"
        parts += [f"## {name}", f"```python\n{kind} {name}{_signature(thing)}\n```", _text(thing)]
        if inspect.isclass(thing) and not issubclass(thing, Exception):
            parts += [part for member in _members(thing) for part in member]
    return "\n\n".join(part for part in parts if part) + "\n"


def _members(cls: type) -> list[tuple[str, str]]:
    """The public methods and properties of a class and of those of its bases that are ours."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("mcp_demo"):
            found.update({name: value for name, value in vars(base).items() if not name.startswith("_")})
    shown: list[tuple[str, str]] = []
    for name, value in found.items():
        target = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if inspect.isfunction(target):
            call = (
                ""
                if isinstance(value, property)
                else _signature(target).replace("(self, ", "(").replace("(self)", "()")
            )
            shown.append((f"### {cls.__name__}.{name}", f"`{name}{call}`\n\n{_text(target)}"))
    return shown


def _signature(thing: Any) -> str:
    """The signature as it is written: by names of types, without where they come from."""
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return f"({thing.__mro__[1].__name__})"
    if inspect.isclass(thing) and getattr(thing, "_is_protocol", False):
        return "(Protocol)"
    signature = inspect.signature(thing)
    parameters = [one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()]
    written = str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))
    return re.sub(r"<(?:built-in )?function (\w+)[^>]*>", r"\1", written)


def _text(thing: Any) -> str:
    """A docstring as Markdown: its sections as lists, indented examples as code."""
    lines: list[str] = []
    for line in (inspect.getdoc(thing) or "").splitlines():
        if line.endswith(":") and line.removesuffix(":") in ("Args", "Raises", "Attributes"):
            lines += [f"**{line.removesuffix(':')}**", ""]
        elif line.startswith("    ") and line[4:5] != " " and ": " in line and lines and "    " not in lines[-1][:4]:
            name, _, words = line.strip().partition(": ")
            lines.append(f"- `{name}`: {words}")
        else:
            lines.append(line)
    return "\n".join(lines)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
