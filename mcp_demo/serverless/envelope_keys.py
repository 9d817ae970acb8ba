"""The bridge's envelope keys as AWS Secrets Manager keeps and rotates them.

The secret is `{"keys": [sealing key, older ones …], "next": key}`. The next key opens envelopes already and seals only
after the following rotation, so at no moment does one instance seal what another cannot open. CloudFormation makes the
first key; no key ever passes through the machine that deploys.

Spec: AWS Secrets Manager User Guide › Rotation by Lambda function.
"""

import base64
import json
import secrets
from typing import Any

import boto3

_AWS: Any = boto3  # the stubs of this service are not installed
_BYTES = 32  # A256GCM
_KEPT = 3
"""Keys that have sealed: two more than needed if a rotation takes as long as the longest envelope lives."""


def usable(secret: str) -> list[str]:
    """The keys for the setting `envelope_keys`: the first seals, all open.

    Raises:
        ValueError: The secret does not have its shape.
    """
    keys, following = _read(secret)
    return [*keys, following]


def rotated(secret: str) -> str:
    """The secret after a rotation: the next key seals from now on, and a fresh one is next.

    Raises:
        ValueError: The secret does not have its shape.
    """
    keys, following = _read(secret)
    fresh = base64.urlsafe_b64encode(secrets.token_bytes(_BYTES)).rstrip(b"=").decode()
    return json.dumps({"keys": [following, *keys][:_KEPT], "next": fresh})


def rotate(event: dict[str, Any], context: object) -> None:
    """The rotation function: Secrets Manager calls it once for each of four steps.

    Raises:
        ValueError: The step is unknown, or the version is none of this secret's that is pending.
    """
    client: Any = _AWS.client("secretsmanager")
    step, secret, version = event["Step"], event["SecretId"], event["ClientRequestToken"]
    stages = client.describe_secret(SecretId=secret)["VersionIdsToStages"].get(version)
    if stages is None and step != "createSecret":
        raise ValueError("This version is not to be rotated.")
    if "AWSCURRENT" in (stages or ()):
        return
    if step == "createSecret":
        _create(client, secret, version)
    elif step == "testSecret":
        usable(client.get_secret_value(SecretId=secret, VersionId=version)["SecretString"])
    elif step == "finishSecret":
        _finish(client, secret, version)
    elif step != "setSecret":  # there is no other system to tell
        raise ValueError(f"There is no step {step}.")


def _create(client: Any, secret: str, version: str) -> None:
    current = client.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")["SecretString"]
    try:
        client.get_secret_value(SecretId=secret, VersionId=version, VersionStage="AWSPENDING")
    except client.exceptions.ResourceNotFoundException:
        client.put_secret_value(
            SecretId=secret, ClientRequestToken=version, SecretString=rotated(current), VersionStages=["AWSPENDING"]
        )


def _finish(client: Any, secret: str, version: str) -> None:
    versions = client.describe_secret(SecretId=secret)["VersionIdsToStages"]
    current = next(name for name, stages in versions.items() if "AWSCURRENT" in stages)
    client.update_secret_version_stage(
        SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=version, RemoveFromVersionId=current
    )


def _read(secret: str) -> tuple[list[str], str]:
    try:
        found: Any = json.loads(secret)
        keys, following = found["keys"], found["next"]
    except (ValueError, KeyError, TypeError):
        raise ValueError("The secret holds no envelope keys.") from None
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in (*keys, following)):  # pyright: ignore[reportUnknownVariableType]
        raise ValueError("The secret holds no envelope keys.")
    return keys, following  # pyright: ignore[reportUnknownVariableType]
