"""The bucket that Lambda reads its zips from. CloudFormation needs the code before any stack, so no stack owns it."""

from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from mcp_demo.deploy.package import Package
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import Plan
from mcp_demo.errors import SetupError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def upload(profile: Profile, name: str, package: Package) -> str:
    """Put a zip where Lambda reads it; a zip of the same name is the same zip. Returns the bucket.

    Raises:
        SetupError: Somebody else has a bucket of this name.
    """
    bucket, s3 = code_bucket(profile, name), profile.client("s3")
    # First, since anybody can foresee the name, make the bucket in an account of theirs, and let us find a zip there.
    _make_bucket(s3, bucket, profile.session.region_name or "us-east-1")
    try:
        s3.head_object(Bucket=bucket, Key=package.key)
    except ClientError:
        s3.put_object(Bucket=bucket, Key=package.key, Body=package.content)
    return bucket


def with_code(plan: Plan, bucket: str, package: Package) -> Plan:
    """The plan of a stack whose functions run from a zip in a bucket."""
    return replace(plan, parameters={**plan.parameters, "CodeBucket": bucket, "CodeKey": package.key})


def remove_code(profile: Profile, name: str = "mcp-demo") -> None:
    """Delete the code and its bucket, once the stack is gone; fine when they are gone already."""
    s3, bucket = profile.client("s3"), code_bucket(profile, name)
    try:
        # By version, for somebody may have versions switched on: a bucket is deleted only when none is left.
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for item in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                s3.delete_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])
        s3.delete_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "NoSuchBucket":
            raise


def has_code(profile: Profile, name: str) -> bool:
    """Whether the bucket is there."""
    try:
        profile.client("s3").list_objects_v2(Bucket=code_bucket(profile, name), MaxKeys=1)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "NoSuchBucket":
            return False
        raise
    return True


def code_bucket(profile: Profile, name: str = "mcp-demo") -> str:
    """The name of the bucket with the code; names of buckets are unique in the world."""
    account = profile.client("sts").get_caller_identity()["Account"]
    return f"{name}-code-{account}-{profile.session.region_name}"


def _make_bucket(s3: "S3Client", bucket: str, region: str) -> None:
    try:
        if region == "us-east-1":  # the one Region that must not be named
            s3.create_bucket(Bucket=bucket)
        else:
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})  # pyright: ignore[reportArgumentType]
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code == "BucketAlreadyExists":
            raise SetupError(
                f"The bucket {bucket} is in somebody else's account: code in it would run as yours.",
                "Deploy under another --name.",
            ) from None
        if code != "BucketAlreadyOwnedByYou":
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
