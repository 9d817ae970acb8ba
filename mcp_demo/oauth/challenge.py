"""The `WWW-Authenticate` challenge: building and reading it (RFC 9110 §11.6.1, RFC 6750 §3, RFC 9728 §5.1)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - RFC 9110 §5.6.2, not a password
_QUOTED = r'"((?:[\t \x21\x23-\x5B\x5D-\x7E\x80-\U0010FFFF]|\\[\t \x21-\x7E\x80-\U0010FFFF])*)"'  # RFC 9110 §5.6.4
_ENDS = r"(?=[ \t]*(?:,|\Z))"
_SEPARATOR = re.compile(r"[ \t,]*")
_SCHEME = re.compile(rf"({_TOKEN})(?=[ \t,]|\Z)(?![ \t]*=)")
_PARAMETER = re.compile(rf"({_TOKEN})[ \t]*=[ \t]*(?:({_TOKEN})|{_QUOTED}){_ENDS}")
_TOKEN68 = re.compile(rf"[ \t]+[A-Za-z0-9\-._~+/]+=*{_ENDS}")
_NAME = re.compile(_TOKEN)
_PRINTABLE = re.compile(r"[\x20\x21\x23-\x5B\x5D-\x7E]*")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge: the scheme as sent and its parameters, names in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes named by the challenge, each once (RFC 6750 §3)."""
        return tuple(dict.fromkeys(filter(None, self.parameters.get("scope", "").split(" "))))


def parse(values: Iterable[str]) -> tuple[Challenge, ...]:
    """All challenges of the `WWW-Authenticate` fields of a response. Any text at all may be passed in.

    One field may carry several challenges, and a challenge several parameters, both separated by commas. What does not
    follow the grammar ends the reading of its field; what came before it stands. Where a parameter is repeated, the
    whole challenge is dropped, since the two readings could differ. The data of a token68 is not kept.

    Spec: RFC 9110 §5.6.1 and §11.6.1.
    """
    return tuple(challenge for value in values for challenge in _parse_field(value))


def parse_bearer(values: Iterable[str]) -> Challenge | None:
    """The first Bearer challenge, its scheme matched without regard to case, or None (RFC 9110 §11.1)."""
    return next((challenge for challenge in parse(values) if challenge.scheme.lower() == "bearer"), None)


def build_bearer(parameters: Mapping[str, str]) -> str:
    r"""A Bearer challenge with quoted values, for characters that RFC 6750 §3 allows in them.

    Raises:
        ValueError: A name is no token, or a value holds a quote, a backslash or a character outside printable ASCII.
    """
    for name, value in parameters.items():
        if not _NAME.fullmatch(name) or not _PRINTABLE.fullmatch(value):
            raise ValueError(f"{name!r} has a character that a challenge may not carry")
    return " ".join(filter(None, ("Bearer", ", ".join(f'{name}="{value}"' for name, value in parameters.items()))))


def _parse_field(value: str) -> list[Challenge]:
    challenges: list[Challenge] = []
    position = _skip_separators(value, 0)
    while scheme := _SCHEME.match(value, position):
        # A token68 is never also a parameter: what follows its `=` signs has to be a comma or the end.
        blob = _TOKEN68.match(value, scheme.end())
        parameters, end = ({}, blob.end()) if blob else _parse_parameters(value, scheme.end())
        if parameters is not None:
            challenges.append(Challenge(scheme[1], parameters))
        position = _skip_separators(value, end)
        if "," not in value[end:position]:
            break
    return challenges


def _parse_parameters(value: str, position: int) -> tuple[dict[str, str] | None, int]:
    """The parameters from a position on, or None if one is repeated, and where they end."""
    parameters: dict[str, str] = {}
    repeated = False
    while match := _PARAMETER.match(value, _skip_separators(value, position)):
        name = match[1].lower()
        repeated = repeated or name in parameters
        parameters[name] = match[2] if match[2] is not None else re.sub(r"\\(.)", r"\1", match[3])
        position = match.end()
    return (None if repeated else parameters), position


def _skip_separators(value: str, position: int) -> int:
    match = _SEPARATOR.match(value, position)
    return match.end() if match else position
