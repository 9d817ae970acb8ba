"""The bucket with the code is ours: nobody who foresees its name can put code there for our functions to run."""

import json
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from mcp_demo.deploy.code import code_bucket, upload
from mcp_demo.deploy.package import registration_package
from mcp_demo.deploy.profile import Profile
from mcp_demo.errors import SetupError
from mcp_demo.local.ministack import running_ministack
from mcp_demo.local.ports import Ports

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PACKAGE = registration_package()


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Generator[Profile]:
    with running_ministack(tmp_path_factory.mktemp("code"), Ports.free().aws) as ministack:
        yield Profile.local(ministack.endpoint)


def test_a_bucket_that_somebody_made_before_us_is_not_used(profile: Profile) -> None:
    session = boto3.Session("111111111111", "test", region_name="us-east-1")  # another account of the embedded AWS
    theirs: S3Client = session.client("s3", endpoint_url=profile.endpoint, config=profile.config)  # pyright: ignore[reportUnknownMemberType]
    bucket = code_bucket(profile, "foreseen")
    theirs.create_bucket(Bucket=bucket)
    theirs.delete_public_access_block(Bucket=bucket)
    everybody: dict[str, Any] = {"Effect": "Allow", "Principal": "*", "Action": "s3:*"}
    everybody["Resource"] = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    theirs.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [everybody]}))
    theirs.put_object(Bucket=bucket, Key=PACKAGE.key, Body=b"not ours")
    assert profile.client("s3").head_object(Bucket=bucket, Key=PACKAGE.key)  # we can see it, and must not believe it
    with pytest.raises(SetupError, match="somebody else's account") as refused:
        upload(profile, "foreseen", PACKAGE)
    assert "--name" in refused.value.cure


def test_the_same_code_is_uploaded_once(profile: Profile) -> None:
    bucket = upload(profile, "again", PACKAGE)
    s3 = profile.client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert upload(profile, "again", PACKAGE) == bucket
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 1
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
