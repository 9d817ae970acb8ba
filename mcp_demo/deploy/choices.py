"""What an administrator chooses: parameters of the templates, as `STACK.PARAMETER=VALUE`.

A choice stays until another takes its place, since stacks keep the values of parameters that a deployment does not
name. What the deployment itself works out, such as URLs and ids, cannot be chosen.
"""

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mcp_demo.dcr import initial_access
from mcp_demo.deploy.files import write_private
from mcp_demo.deploy.templates import template

Choices = dict[str, dict[str, str]]
"""Values of parameters, by stack."""

CHOOSABLE = {
    "endpoints": ("DomainName", "HostedZoneId", "LogRetentionDays"),
    "identity": (
        "Mfa", "Sms", "PoolDomainName", "PoolCertificateArn", "HostedZoneId", "AccentColor", "OidcIssuer", "OidcName",
        "OidcClientId", "OidcSecret", "GoogleClientId", "GoogleSecret", "SamlMetadataUrl", "SamlName", "MailFrom",
        "MailIdentity", "Messages", "ThreatProtection", "RefreshGraceSeconds",
    ),
    "registration": (
        "Strategy", "PrivateSchemes", "RedirectUris", "Scopes", "Approval", "ApprovalEmail", "InitialAccessTokens",
        "ApiKeys", "RegistrationsPerDay", "DomainName", "HostedZoneId", "TruststoreUri", "UnusedDays", "MaxClients",
        "RequestsPerSecond", "Burst", "ApiLogRole", "LogRetentionDays",
    ),
    "server": ("Architecture", "DocumentHosts", "Tracing", "KeyRotationDays", "LogRetentionDays"),
    "hardening": ("AlarmEmail", "Registrations", "RefusedTokens", "Firewall", "RequestsPerAddress"),
}  # fmt: skip
"""The parameters that are a matter of choice, by stack."""

KEPT_FILE = "choices.json"
"""What a local run starts with, beside its env files."""

_READ_AT_START = ("AccentColor", "RefreshGraceSeconds")
"""Parameters of the stack `identity` that the local sign-in pages read only when they start."""


def read(given: Iterable[str]) -> Choices:
    """Choices from the command line.

    Raises:
        ValueError: One names no parameter that can be chosen, or a value that the template does not allow.
    """
    choices: Choices = {}
    for text in given:
        name, equals, value = text.partition("=")
        stack, _, parameter = name.partition(".")
        if not equals or parameter not in CHOOSABLE.get(stack, ()):
            names = ", ".join(f"{stack}.{parameter}" for stack, names in CHOOSABLE.items() for parameter in names)
            raise ValueError(f"{text} is not like identity.Mfa=ON. To choose from: {names}.")
        _require_allowed(text, parameters(stack)[parameter], value)
        if parameter == "InitialAccessTokens":
            _require_days(text, value)
        choices.setdefault(stack, {})[parameter] = value
    return choices


def within(boundary: str, choices: Choices) -> Choices:
    """The same choices, and a permissions boundary for every role of ours: the ARN of a managed policy, empty for none.

    Raises:
        ValueError: It is no such ARN.
    """
    bounded = [stack for stack in CHOOSABLE if "PermissionsBoundary" in parameters(stack)]
    for stack in bounded:
        _require_allowed(boundary, parameters(stack)["PermissionsBoundary"], boundary)
    return choices | {stack: {**choices.get(stack, {}), "PermissionsBoundary": boundary} for stack in bounded}


def keep(folder: Path, choices: Choices) -> bool:
    """Note what the local sign-in pages read only when they start, for the next run; whether any was chosen.

    The embedded AWS forgets all choices when it ends. Others work at once, and may name what will be gone by then.
    """
    chosen = {name: value for name, value in choices.get("identity", {}).items() if name in _READ_AT_START}
    if chosen:
        write_private(folder / KEPT_FILE, json.dumps({"identity": kept(folder).get("identity", {}) | chosen}))
    return bool(chosen)


def kept(folder: Path) -> Choices:
    """What `keep` noted for a run, at the moment it starts."""
    file = folder / KEPT_FILE
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def parameters(stack: str) -> dict[str, dict[str, Any]]:
    """The parameters of a template, as it declares them."""
    return _read(stack)["Parameters"]


def resources(stack: str) -> dict[str, dict[str, Any]]:
    """The resources of a template, as it declares them; some of them under a condition."""
    return _read(stack)["Resources"]


@cache
def _read(stack: str) -> dict[str, Any]:
    return yaml.load(template(stack), _Template)  # noqa: S506 - a safe loader that reads tags as text


def _require_allowed(text: str, declared: dict[str, Any], value: str) -> None:
    allowed = [str(one) for one in declared.get("AllowedValues", ())]
    if allowed and value not in allowed:
        raise ValueError(f"{text}: it has to be one of {', '.join(allowed)}.")
    if declared["Type"] == "Number" and not (value.isascii() and value.isdigit()):
        raise ValueError(f"{text}: it has to be a whole number.")
    if declared["Type"] == "Number":
        _require_bounds(text, declared, int(value))
    pattern = declared.get("AllowedPattern")  # of the whole value; a `$` alone would let a line end through
    if pattern is not None and not re.fullmatch(pattern, value):
        raise ValueError(f"{text}: {declared.get('ConstraintDescription') or declared.get('Description', '')}")
    longest = declared.get("MaxLength")
    if longest is not None and len(value) > longest:
        raise ValueError(f"{text[:80]}: it has to be no longer than {longest} characters.")
    if "{{" in value or "}}" in value:  # CloudFormation would put what it names, such as a secret, in its place
        raise ValueError(f"{text}: a choice is a value as it stands, and names nothing to be looked up.")


def _require_bounds(text: str, declared: dict[str, Any], number: int) -> None:
    least, most = declared.get("MinValue"), declared.get("MaxValue")
    if least is not None and number < least:
        raise ValueError(f"{text}: it has to be {least} or more.")
    if most is not None and number > most:
        raise ValueError(f"{text}: it has to be {most} or less.")


def _require_days(text: str, value: str) -> None:
    """Refuse a day that a pattern lets through and no calendar has: every registration would fail of it."""
    try:
        initial_access.parse(value)
    except ValueError as error:
        raise ValueError(f"{text}: {error}") from None


class _Template(yaml.SafeLoader):
    """Reads a template, whose short functions, like !Ref, are tags of their own."""


_Template.add_multi_constructor("!", lambda loader, suffix, node: None)  # pyright: ignore[reportUnknownMemberType, reportUnknownLambdaType]
