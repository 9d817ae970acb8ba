"""Client registration: the code goes into a bucket, then the stack that runs it comes up.

outcome = deploy_registration(profile, endpoints, identity_outputs, progress)   # outputs: RegistrationEndpoint, ...
remove_code(profile)                                                            # bucket and code, after the stack
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError

from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.package import registration_package
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import Outcome, Plan, Progress, deploy
from mcp_demo.deploy.templates import template

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

STACK = "registration"
Strategy = Literal["shared", "per-client"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What an administrator chooses; the other parameters keep the defaults of the template.

    Args:
        strategy: Whether clients share the bridge's app client or each get one of their own.
        approval: Whether new clients wait for `mcp-demo clients approve`.
        private_schemes: Private-use schemes of redirect URIs that are accepted.
        unused_days: After how long without use a client expires.
        initial_access_token_hash: SHA-256, in hex, of a token that registering takes; empty for open registration.
        requests_per_second: Registrations a second; None for the default of the template.
    """

    strategy: Strategy = "shared"
    approval: bool = False
    private_schemes: tuple[str, ...] = ("cursor",)
    unused_days: int = 30
    initial_access_token_hash: str = ""
    requests_per_second: int | None = None


def deploy_registration(
    profile: Profile,
    endpoints: Endpoints,
    identity: Mapping[str, str],
    progress: Progress,
    *,
    name: str = "mcp-demo",
    choices: Choices | None = None,
) -> Outcome:
    """Package, upload and deploy; does nothing when neither code nor template nor choices changed.

    Args:
        profile: Where to deploy to.
        endpoints: Where the other parts are served.
        identity: Outputs of the identity stack.
        progress: Is told each step of CloudFormation.
        name: Starts the name of everything.
        choices: What an administrator chooses.

    Raises:
        DeployFailed: Says which resource failed first, and why.
    """
    bucket, key = _upload(profile, name)
    parameters = _parameters(profile, endpoints, identity, choices or Choices())
    parameters |= {"Name": name, "CodeBucket": bucket, "CodeKey": key}
    return deploy(profile.cloudformation(), Plan(f"{name}-{STACK}", template(STACK), parameters), progress)


def remove_code(profile: Profile, name: str = "mcp-demo") -> None:
    """Delete the code and its bucket, once the stack is gone; fine when they are gone already."""
    s3, bucket = profile.client("s3"), code_bucket(profile, name)
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for item in page.get("Contents", []):
                s3.delete_object(Bucket=bucket, Key=item.get("Key", ""))
        s3.delete_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "NoSuchBucket":
            raise


def code_bucket(profile: Profile, name: str = "mcp-demo") -> str:
    """The name of the bucket with the code; names of buckets are unique in the world."""
    account = profile.client("sts").get_caller_identity()["Account"]
    return f"{name}-code-{account}-{profile.session.region_name}"


def _parameters(
    profile: Profile, endpoints: Endpoints, identity: Mapping[str, str], choices: Choices
) -> dict[str, str]:
    parameters = {
        "BridgeUrl": endpoints.bridge,
        "ScopeCeiling": f"{endpoints.mcp}/read,{endpoints.mcp}/write",
        "Strategy": choices.strategy,
        "UserPoolId": identity["UserPoolId"] if choices.strategy == "per-client" else "",
        "Approval": "administrator" if choices.approval else "automatic",
        "PrivateSchemes": ",".join(choices.private_schemes),
        "UnusedDays": str(choices.unused_days),
        "InitialAccessTokenHash": choices.initial_access_token_hash,
        "BridgeRole": identity.get("BridgeRoleName", ""),
        "EmulatorUrl": profile.endpoint or "",
    }
    if choices.requests_per_second is not None:
        parameters |= {"RequestsPerSecond": str(choices.requests_per_second)}
        parameters |= {"Burst": str(2 * choices.requests_per_second)}
    return parameters


def _upload(profile: Profile, name: str) -> tuple[str, str]:
    """Put the zip where Lambda reads it; a zip of the same name is the same zip."""
    package, bucket, s3 = registration_package(), code_bucket(profile, name), profile.client("s3")
    try:
        s3.head_object(Bucket=bucket, Key=package.key)
    except ClientError:
        _make_bucket(s3, bucket, profile.session.region_name or "us-east-1")
        s3.put_object(Bucket=bucket, Key=package.key, Body=package.content)
    return bucket, package.key


def _make_bucket(s3: "S3Client", bucket: str, region: str) -> None:
    try:
        if region == "us-east-1":  # the one Region that must not be named
            s3.create_bucket(Bucket=bucket)
        else:
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})  # pyright: ignore[reportArgumentType]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "BucketAlreadyOwnedByYou":
            raise
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
