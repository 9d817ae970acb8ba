"""Stack outputs become settings that the parts read back unchanged."""

import stat
from pathlib import Path

import pytest

from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.example import env_example
from mcp_demo.deploy.outputs import jwks_uri, part_settings, write_env_files
from mcp_demo.settings import BridgeSettings, ClientSettings, DomainSettings, ServerSettings, Settings

ROOT = Path(__file__).parents[3]
OUTPUTS = {
    "Region": "eu-central-1",
    "UserPoolId": "eu-central-1_Pool",
    "Issuer": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Pool",
    "DomainUrl": "https://mcp-demo-1.auth.eu-central-1.amazoncognito.com",
    "BridgeClientId": "bridge-id",
    "StaticClientId": "static-id",
    "RefreshGraceSeconds": "30",
    "AccentColor": "",
    "RegistrationEndpoint": "https://api.example.com/v1/register",
    "ClientsTable": "clients",
    "FamiliesTable": "families",
}
ON_AWS = Endpoints(
    mcp="https://mcp.example.com/mcp", bridge="https://auth.example.com", static="https://app.example.com"
)
LOCAL = Endpoints(domain="http://localhost:4567", aws="http://localhost:4566", key_dir=Path("/keys"))
READERS: dict[str, type[Settings]] = {
    "server": ServerSettings,
    "bridge": BridgeSettings,
    "static": ClientSettings,
    "auto": ClientSettings,
    "metadata": ClientSettings,
    "domain": DomainSettings,
}


def _settings(endpoints: Endpoints, secret: str = "hush") -> dict[str, Settings]:
    return part_settings(OUTPUTS, endpoints, bridge_client_secret=secret, envelope_keys=["a2V5", "b2xk"])


@pytest.mark.parametrize("endpoints", [ON_AWS, LOCAL], ids=["aws", "local"])
@pytest.mark.parametrize("secret", ["plain", 'it\'s \\ "quoted" $HOME #x\n'])
def test_every_part_reads_back_what_was_written(endpoints: Endpoints, secret: str, tmp_path: Path) -> None:
    written = _settings(endpoints, secret)
    write_env_files(tmp_path, written)
    assert {part: READERS[part].load(tmp_path / f"{part}.env") for part in written} == written


def test_env_files_are_for_their_owner_only(tmp_path: Path) -> None:
    write_env_files(tmp_path / "env", _settings(LOCAL))
    assert stat.S_IMODE((tmp_path / "env").stat().st_mode) == 0o700
    files = list((tmp_path / "env").iterdir())
    assert len(files) == 7
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_only_the_bridge_gets_its_secrets(tmp_path: Path) -> None:
    write_env_files(tmp_path, _settings(LOCAL, secret="planted-secret"))
    holders = [file.name for file in tmp_path.iterdir() if "planted-secret" in file.read_text()]
    assert holders == ["bridge.env"]


def test_the_stand_in_domain_has_no_settings_on_aws() -> None:
    assert "domain" not in _settings(ON_AWS)
    bridge = _settings(ON_AWS)["bridge"]
    assert isinstance(bridge, BridgeSettings)
    assert bridge.domain == OUTPUTS["DomainUrl"]


def test_keys_are_read_at_the_issuer_on_aws_and_at_the_embedded_aws_locally() -> None:
    assert jwks_uri(OUTPUTS, ON_AWS) == f"{OUTPUTS['Issuer']}/.well-known/jwks.json"
    assert jwks_uri(OUTPUTS, LOCAL) == "http://localhost:4566/eu-central-1_Pool/.well-known/jwks.json"


def test_the_committed_example_is_the_generated_one() -> None:
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == env_example(), "run `make env-example`"


def test_the_example_names_every_setting() -> None:
    text = env_example()
    for part in set(READERS.values()):
        assert all(f"MCP_DEMO_{name.upper()}=" in text for name in part.model_fields)
