"""The `WWW-Authenticate` challenge: building and reading it (RFC 9110 §11.6.1, RFC 6750 §3, RFC 9728 §5.1)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - RFC 9110 §5.6.2, not a password
_SPACE = re.compile(r"[ \t]*")
_SEPARATOR = re.compile(r"[ \t,]*")
_SCHEME = re.compile(rf"({_TOKEN})(?=[ \t]|,|$)")
_PARAMETER = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:({_TOKEN})|"((?:[^"\\]|\\.)*)")(?=[ \t]*(?:,|$))')
_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))")
_PRINTABLE = re.compile(r"[\x20\x21\x23-\x5B\x5D-\x7E]*")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge: the scheme as sent and its parameters, names in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes named by the challenge (RFC 6750 §3)."""
        return tuple(self.parameters.get("scope", "").split())


def parse(values: Iterable[str]) -> tuple[Challenge, ...]:
    """All challenges of the `WWW-Authenticate` fields of a response.

    One field may carry several challenges, and a challenge several parameters, both separated by commas. What does not
    follow the grammar ends the reading of its field: better no challenge than a guessed one. Where a parameter is
    repeated, the whole challenge is dropped, since the two readings could differ.

    Spec: RFC 9110 §11.6.1.
    """
    return tuple(challenge for value in values for challenge in _parse_field(value))


def parse_bearer(values: Iterable[str]) -> Challenge | None:
    """The first Bearer challenge, its scheme matched without regard to case, or None (RFC 9110 §11.1)."""
    return next((challenge for challenge in parse(values) if challenge.scheme.lower() == "bearer"), None)


def build_bearer(parameters: Mapping[str, str]) -> str:
    r"""A Bearer challenge with quoted values, for characters that RFC 6750 §3 allows in them.

    Raises:
        ValueError: A value holds a quote, a backslash or a character outside printable ASCII.
    """
    for name, value in parameters.items():
        if not _PRINTABLE.fullmatch(value):
            raise ValueError(f"{name} has a character that a challenge may not carry")
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parameters.items())


def _parse_field(value: str) -> list[Challenge]:
    challenges: list[Challenge] = []
    position = _skip(_SEPARATOR, value, 0)
    while position < len(value):
        scheme = _SCHEME.match(value, position)
        if scheme is None:
            break
        parameters, position, sound = _parse_parameters(value, _skip(_SPACE, value, scheme.end()))
        if parameters is not None:
            challenges.append(Challenge(scheme[1], parameters))
        if not sound:
            break
        position = _skip(_SEPARATOR, value, position)
    return challenges


def _parse_parameters(value: str, position: int) -> tuple[dict[str, str] | None, int, bool]:
    """Parameters up to the next challenge: (parameters or None if one is repeated, position, grammar held)."""
    parameters: dict[str, str] = {}
    repeated = False
    blob = _TOKEN68.match(value, position)
    if blob and not _PARAMETER.match(value, position) and position < len(value) and value[position] != ",":
        return parameters, blob.end(), True
    while match := _PARAMETER.match(value, position):
        name = match[1].lower()
        repeated = repeated or name in parameters
        parameters[name] = match[2] if match[2] is not None else re.sub(r"\\(.)", r"\1", match[3])
        position = _skip(_SEPARATOR, value, match.end())
    at_scheme = position >= len(value) or _SCHEME.match(value, position) is not None or value[position] == ","
    return (None if repeated else parameters), position, at_scheme


def _skip(pattern: re.Pattern[str], value: str, position: int) -> int:
    match = pattern.match(value, position)
    return match.end() if match else position
