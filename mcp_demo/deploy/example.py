"""The text of `.env.example`, made from the settings classes: `python -m mcp_demo.deploy.example > .env.example`."""

import json
import sys
from typing import Any

from pydantic import SecretStr

from mcp_demo.settings import (
    BridgeSettings,
    ClientSettings,
    DomainSettings,
    DownstreamSettings,
    GatewaySettings,
    ServerSettings,
)

PREFIX = "MCP_DEMO_"


def env_example() -> str:
    """What every setting means, made from the settings classes: the text of `.env.example`."""
    lines = ["# The settings of each part. `mcp-demo up` and `mcp-demo deploy` write them; no part reads another's."]
    parts = (ServerSettings, DownstreamSettings, BridgeSettings, ClientSettings, DomainSettings, GatewaySettings)
    for part in parts:
        lines += ["", f"# {(part.__doc__ or '').strip()}"]
        for name, field in part.model_fields.items():
            note = field.description or f"{name.replace('_', ' ').capitalize()}."
            lines.append(f"# {note}")
            example = "" if field.is_required() or field.default is None else plain(field.default)
            lines.append(f"{PREFIX}{name.upper()}={example}")
    return "\n".join(lines) + "\n"


def plain(value: Any) -> str:
    """A setting as an env file has it: lists and objects as JSON, secrets in clear."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value, default=plain) if isinstance(value, bool | list | dict) else str(value)


if __name__ == "__main__":
    sys.stdout.write(env_example())
