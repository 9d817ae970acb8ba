"""What the deploy step found out, as each process reads it: from the environment, or from an `.env` file.

Application code never asks whether it runs on AWS or on the embedded stack: it reads the settings of its part. Every
part has its own file, so that no process holds a secret it has no use for. All names start with `MCP_DEMO_`.
"""

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from mcp_demo.cognito import SCOPE_NAMES
from mcp_demo.errors import SetupError

Audience = Literal["resource", "scope"]
"""How a token shows that it is meant for the MCP server: by `aud`, or, for pools without resource binding, by scope."""

TokenProfile = Literal["cognito", "rfc9068"]
"""How a token shows that it is an access token: by `token_use`, as Cognito's do, or by `typ` at+jwt (RFC 9068 §2.1)."""

ScopeName = Literal["read", "write"]


def default_state() -> Path:
    """The folder of a local run: `$MCP_DEMO_STATE`, else the user's state directory."""
    if chosen := os.environ.get("MCP_DEMO_STATE"):
        return Path(chosen)
    from platformdirs import user_state_path  # a Lambda function has no such folder, nor this package

    return user_state_path("mcp-demo")


class Settings(BaseSettings):
    """The base of all parts."""

    model_config = SettingsConfigDict(env_prefix="MCP_DEMO_", env_ignore_empty=True, extra="ignore", frozen=True)

    @classmethod
    def load(cls, env_file: Path | None = None) -> Self:
        """Read the settings from the environment, then from `env_file` (else the file `$MCP_DEMO_ENV_FILE` names).

        Raises:
            SetupError: A setting is missing or malformed; names it in one line.
        """
        try:
            return cls(_env_file=env_file or os.environ.get("MCP_DEMO_ENV_FILE"))  # pyright: ignore[reportCallIssue]
        except ValidationError as error:
            names = ", ".join(f"MCP_DEMO_{str(item['loc'][0]).upper()}" for item in error.errors())
            raise SetupError(
                f"Missing or malformed settings: {names}.",
                "Run `mcp-demo deploy`, or set them as .env.example shows.",
            ) from None


class Issuer(BaseModel):
    """An issuer whose access tokens the MCP server accepts."""

    issuer: str = Field(description="As in `iss`.")
    jwks_uri: str = Field(description="Where it publishes its signing keys.")
    audience: Audience = "resource"
    profile: TokenProfile = "cognito"
    scopes: tuple[ScopeName, ...] = Field(
        default=SCOPE_NAMES, description="What it may grant; further scopes in its tokens count for nothing."
    )


class Downstream(BaseModel):
    """An API that the MCP server calls for people, and how it gets tokens for it."""

    url: str = Field(description="Its address, resource-server identifier and audience in one.")
    client_id: str = Field(description="The MCP server's own app client, which acts for people.")
    client_secret: SecretStr
    token_endpoint: str = Field(description="Where that client gets a token of its own.")
    region: str = Field(description="Where GetDerivedToken is called.")
    endpoint: str | None = Field(default=None, description="The stand-in for it; AWS if unset.")


class ServerSettings(Settings):
    """The MCP server (resource server)."""

    mcp_url: str = Field(description="The MCP endpoint: resource identifier, resource-server id and audience in one.")
    authorization_servers: list[str] = Field(description="Issuers the resource metadata names: the bridge.")
    issuer: str = Field(description="The user pool's issuer, as in `iss`.")
    jwks_uri: str = Field(description="Where the user pool publishes its signing keys.")
    audience: Audience = "resource"
    more_issuers: list[Issuer] = Field(default=[], description="Further issuers, each with its own rules.")
    leeway: int = Field(default=0, ge=0, le=300, description="Seconds of tolerance on the times in a token.")
    allowed_origins: list[str] = Field(default=[], description="Origins of browser pages that may call the server.")
    allowed_hosts: list[str] = Field(default=[], description="Values of Host besides that of mcp_url, behind a proxy.")
    contexts_file: Path | None = Field(default=None, description="SQLite file of stored contexts; in memory if unset.")
    contexts_table: str | None = Field(
        default=None, description="DynamoDB table of stored contexts, where several instances run."
    )
    downstream: Downstream | None = Field(
        default=None, description="An API that is called for people by token exchange: JSON; none if unset."
    )


class BridgeSettings(Settings):
    """The authorization bridge."""

    bridge_url: str = Field(description="The bridge's issuer identifier and base URL.")
    mcp_url: str = Field(description="The one resource that tokens are issued for.")
    domain: str = Field(description="Base URL of the user-pool domain.")
    bridge_client_id: str = Field(description="The bridge's app client in the user pool.")
    bridge_client_secret: SecretStr = Field(description="Its secret.")
    envelope_keys: list[SecretStr] = Field(
        min_length=1, description="Keys of the envelopes, 32 bytes base64url; the first seals, all open."
    )
    audience: Audience = "resource"
    clients: str = Field(default="[]", description="Pre-registered clients: a JSON array of RFC 7591 client metadata.")
    trace: bool = Field(default=False, description="Keep the last redacted exchanges in memory for the flow panel.")
    registration_endpoint: str | None = Field(default=None, description="Where clients register, if they may.")
    clients_table: str | None = Field(default=None, description="DynamoDB table of the clients that registered.")
    families_table: str | None = Field(
        default=None, description="DynamoDB table of refresh-token families; without it, in memory of one instance."
    )
    aws_endpoint: str | None = Field(default=None, description="The embedded AWS, if it is not the real one.")
    aws_region: str | None = Field(default=None, description="Region of the tables; else boto3's own choice.")
    aws_access_key_id: str | None = Field(default=None, description="Credentials; else boto3's own chain.")
    aws_secret_access_key: SecretStr | None = Field(default=None, description="Their secret part.")
    metadata_documents: bool = Field(default=True, description="Accept URLs of metadata documents as client ids.")
    metadata_document_hosts: list[str] = Field(
        default=[], description="Hosts whose documents are accepted, `*.example.com` for subdomains; empty for any."
    )
    blocked_document_hosts: list[str] = Field(default=[], description="Hosts whose documents are never accepted.")
    pinned_documents: str = Field(
        default="{}", description="Documents used instead of fetching them: a JSON object by client id URL."
    )
    loopback_documents: bool = Field(
        default=False, description="Accept documents on this machine, over http. For a local stack only."
    )


class ClientSettings(Settings):
    """A browser client."""

    client_url: str = Field(description="The client's own base URL.")
    mcp_url: str = Field(description="The MCP server to call.")
    client_id: str | None = Field(default=None, description="The pre-registered client id, if any.")


class NativeRegistration(BaseModel, frozen=True):
    """Cognito's own dynamic client registration, as its `DcrConfiguration` has it. Off unless set."""

    open: bool = False
    authenticated_grant_types: list[str] = ["authorization_code", "client_credentials"]
    open_grant_types: list[str] = ["authorization_code"]
    allowed_scopes: list[str] = []


class Branding(BaseModel, frozen=True):
    """How the sign-in pages look, besides the CSS that the user pool keeps."""

    logo: Path | None = None
    accent: str | None = Field(default=None, pattern=r"^#[0-9a-fA-F]{6}$")
    background: str | None = Field(default=None, pattern=r"^#[0-9a-fA-F]{6}$")


class DomainSettings(Settings):
    """The local user-pool domain: a stand-in, never on AWS."""

    domain: str = Field(description="Its own base URL.")
    region: str
    user_pool_id: str
    issuer: str = Field(description="The user pool's issuer, as in `iss`.")
    aws_endpoint: str = Field(description="The embedded AWS.")
    key_dir: Path = Field(description="Where the embedded AWS keeps the user pool's signing keys.")
    state_dir: Path | None = Field(
        default=None, description="Where sign-in sessions and refresh tokens outlive a restart; without it, in memory."
    )
    rotation: dict[str, int] = Field(
        default={}, description="App clients whose refresh tokens rotate, with the grace in seconds (0 to 60): JSON."
    )
    native_registration: NativeRegistration | None = Field(
        default=None, description="Cognito's own dynamic client registration: JSON; off without it."
    )
    branding: Branding | None = Field(default=None, description="Logo file and colours of the sign-in pages: JSON.")


class DownstreamSettings(Settings):
    """The API behind the MCP server."""

    downstream_url: str = Field(description="Its own address: resource-server identifier and audience in one.")
    issuer: str = Field(description="The user pool's issuer, as in `iss`.")
    jwks_uri: str = Field(description="Where the user pool publishes its signing keys.")
    scope: str = Field(description="What a person must have granted.")
    actors: list[str] = Field(description="Who may act for people here: app clients.")


class GatewaySettings(Settings):
    """The local host of a part that runs as a Lambda function: a stand-in for the host of its API, never on AWS."""

    api: str = Field(description="Where the embedded AWS serves the API.")
