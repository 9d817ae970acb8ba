"""Stack outputs become settings: each part gets an env file of its own, for its eyes only."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.example import PREFIX, env_example, plain
from mcp_demo.deploy.files import write_private
from mcp_demo.oauth.redirect_uri import is_loopback
from mcp_demo.settings import (
    Branding,
    BridgeSettings,
    ClientSettings,
    DomainSettings,
    GatewaySettings,
    ServerSettings,
    Settings,
)

_ROTATING = ("BridgeClientId", "StaticClientId")


def part_settings(
    outputs: Mapping[str, str], endpoints: Endpoints, *, bridge_client_secret: str, envelope_keys: list[str]
) -> dict[str, Settings]:
    """The settings of every part, by its name, from the outputs of the stacks."""
    issuer = outputs["Issuer"]
    domain = endpoints.domain or outputs["DomainUrl"]
    return {
        "server": ServerSettings(
            mcp_url=endpoints.mcp,
            authorization_servers=[endpoints.bridge],
            issuer=issuer,
            jwks_uri=jwks_uri(outputs, endpoints),
            audience=endpoints.audience,
            allowed_origins=endpoints.origins,
            contexts_file=endpoints.key_dir.parent.parent / "contexts.sqlite3" if endpoints.key_dir else None,
        ),
        "bridge": BridgeSettings(
            bridge_url=endpoints.bridge,
            mcp_url=endpoints.mcp,
            domain=domain,
            bridge_client_id=outputs["BridgeClientId"],
            bridge_client_secret=SecretStr(bridge_client_secret),
            envelope_keys=[SecretStr(key) for key in envelope_keys],
            audience=endpoints.audience,
            clients=json.dumps([static_client(outputs["StaticClientId"], endpoints)]),
            trace=endpoints.aws is not None,
            loopback_documents=endpoints.aws is not None,
            registration_endpoint=outputs["RegistrationEndpoint"],
            clients_table=outputs["ClientsTable"],
            families_table=outputs["FamiliesTable"],
            aws_region=outputs["Region"],
            **(_embedded(endpoints.aws) if endpoints.aws else {}),
        ),
        **client_settings(outputs, endpoints),
        **domain_settings(outputs, endpoints),
    }


def client_settings(outputs: Mapping[str, str], endpoints: Endpoints) -> dict[str, Settings]:
    """The settings of the browser clients, by part."""
    urls = {"static": endpoints.static, "auto": endpoints.auto, "metadata": endpoints.metadata}
    known = {"static": outputs["StaticClientId"]}
    return {
        part: ClientSettings(client_url=url, mcp_url=endpoints.mcp, client_id=known.get(part))
        for part, url in urls.items()
    }


def domain_settings(outputs: Mapping[str, str], endpoints: Endpoints) -> dict[str, Settings]:
    """The settings of the stand-in for the user pool's domain; none on AWS."""
    if not endpoints.aws or not endpoints.key_dir:
        return {}
    return {
        "domain": DomainSettings(
            domain=endpoints.domain or outputs["DomainUrl"],
            region=outputs["Region"],
            user_pool_id=outputs["UserPoolId"],
            issuer=outputs["Issuer"],
            aws_endpoint=endpoints.aws,
            key_dir=endpoints.key_dir,
            # The embedded AWS drops this property of app clients, so the stand-in is told.
            rotation={outputs[client]: int(outputs["RefreshGraceSeconds"]) for client in _ROTATING},
            state_dir=endpoints.key_dir.parent.parent / "domain",
            # Nor does it know styles of the sign-in pages.
            branding=Branding(accent=f"#{accent}") if (accent := outputs["AccentColor"]) else None,
        )
    }


def local_hosts(outputs: Mapping[str, str], endpoints: Endpoints) -> dict[str, Settings]:
    """The settings of what stands in for the hosts of the pool's domain and of the APIs; none on AWS."""
    if not endpoints.aws:
        return {}
    apis = {"server": outputs["ServerApiId"], "bridge": outputs["BridgeApiId"]}
    hosts = {part: GatewaySettings(api=f"{endpoints.aws}/_aws/execute-api/{api}") for part, api in apis.items()}
    return {**hosts, **domain_settings(outputs, endpoints)}


def jwks_uri(outputs: Mapping[str, str], endpoints: Endpoints) -> str:
    """Where the user pool publishes its keys: at its issuer, which the embedded AWS serves under its own address."""
    if endpoints.aws:
        return f"{endpoints.aws}/{outputs['UserPoolId']}/.well-known/jwks.json"
    return f"{outputs['Issuer']}/.well-known/jwks.json"


def write_env_files(folder: Path, settings: Mapping[str, Settings]) -> None:
    """Write `<part>.env` for each part, whole or not at all, readable by its owner only, and `.env.example` beside."""
    write_private(folder / ".env.example", env_example())
    for part, values in settings.items():
        write_private(folder / f"{part}.env", env_file(values))


def env_file(settings: Settings) -> str:
    """Settings as lines of an env file."""
    values = settings.model_dump(mode="python", exclude_none=True)
    return "".join(f"{PREFIX}{name.upper()}={_quoted(value)}\n" for name, value in values.items())


def static_client(client_id: str, endpoints: Endpoints) -> dict[str, Any]:
    """The pre-registered client, as the bridge is told of it (RFC 7591 client metadata)."""
    callback = f"{endpoints.static}/callback"
    redirect_uris = [callback]
    if is_loopback(callback):  # scripts and SDK clients on this machine, which bring their own port (RFC 8252 §7.3)
        redirect_uris.append("http://127.0.0.1/callback")
    return {
        "client_id": client_id,
        "client_name": "Static client",
        "redirect_uris": redirect_uris,
        "scope": f"{endpoints.mcp}/read {endpoints.mcp}/write",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "application_type": "native" if is_loopback(callback) else "web",
    }


def _embedded(aws: str) -> dict[str, Any]:
    """How to reach the embedded AWS: its published credentials, which open nothing else."""
    return {"aws_endpoint": aws, "aws_access_key_id": "test", "aws_secret_access_key": SecretStr("test")}


def _quoted(value: Any) -> str:
    text = plain(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"
