"""Remove what was deployed, and prove that it is gone: by asking the services, not by trusting the stack."""

from dataclasses import dataclass
from pathlib import Path

from mcp_demo.deploy.code import code_bucket, remove_code
from mcp_demo.deploy.profile import Profile, aws_failures
from mcp_demo.deploy.stacks import Progress, delete, find
from mcp_demo.deploy.system import KEYS_FILE, STACKS, stack_name


@dataclass(frozen=True, slots=True)
class Inventory:
    """What there is of a deployment.

    Attributes:
        stacks: Stack names, in the order they can be deleted in.
        resources: What the services themselves know under our names.
        files: Env files and keys on this machine.
    """

    stacks: tuple[str, ...]
    resources: tuple[str, ...]
    files: tuple[Path, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there."""
        return not (self.stacks or self.resources or self.files)


def take_inventory(profile: Profile, name: str, folder: Path) -> Inventory:
    """List what there is under a name, in AWS and in the folder of its env files.

    Raises:
        SetupError: AWS cannot be asked.
    """
    with aws_failures():
        cloudformation = profile.cloudformation()
        names = [stack_name(name, stack) for stack in reversed(STACKS)]
        stacks = tuple(stack for stack in names if find(cloudformation, stack))
        resources = (
            *_user_pools(profile, name),
            *_roles(profile, names),
            *_tables(profile, names),
            *(f"log group {group}" for group in _log_groups(profile, name)),
            *_buckets(profile, name),
            *(f"secret {secret}" for secret in _secrets(profile, name)),
        )
    return Inventory(stacks, resources, tuple(_files(folder)))


def remove(profile: Profile, name: str, inventory: Inventory, progress: Progress) -> None:
    """Delete the stacks, what was made beside them, then the files; can be interrupted and run again.

    Raises:
        SetupError: AWS cannot be used, or a stack cannot be deleted.
    """
    with aws_failures():
        cloudformation, logs = profile.cloudformation(), profile.client("logs")
        for stack in inventory.stacks:
            delete(cloudformation, stack, progress)
        for group in _log_groups(profile, name):
            logs.delete_log_group(logGroupName=group)
        for secret in _secrets(profile, name):  # otherwise it keeps its name for another 30 days
            profile.client("secretsmanager").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
        remove_code(profile, name)
    for file in inventory.files:
        file.unlink(missing_ok=True)


def _user_pools(profile: Profile, name: str) -> list[str]:
    pages = profile.cognito().get_paginator("list_user_pools").paginate(PaginationConfig={"PageSize": 60})
    pools = [pool for page in pages for pool in page["UserPools"] if pool.get("Name") == name]
    return [f"user pool {pool.get('Id', name)}" for pool in pools]


def _roles(profile: Profile, stacks: list[str]) -> list[str]:
    """CloudFormation starts the name of a role with that of its stack."""
    pages = profile.iam().get_paginator("list_roles").paginate()
    names = [role["RoleName"] for page in pages for role in page["Roles"]]
    return [f"role {role}" for role in names if any(role.startswith(f"{stack}-") for stack in stacks)]


def _tables(profile: Profile, stacks: list[str]) -> list[str]:
    """CloudFormation starts the name of a table with that of its stack, too."""
    names = [
        table
        for page in profile.client("dynamodb").get_paginator("list_tables").paginate()
        for table in page["TableNames"]
    ]
    return [f"table {table}" for table in names if any(table.startswith(f"{stack}-") for stack in stacks)]


def _log_groups(profile: Profile, name: str) -> list[str]:
    """Lambda and API Gateway make log groups again when a late request comes in while a stack is being deleted."""
    logs, prefixes = profile.client("logs"), (f"/aws/lambda/{name}-", f"/aws/apigateway/{name}-")
    pages = [
        page
        for prefix in prefixes
        for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    ]
    return [group["logGroupName"] for page in pages for group in page["logGroups"]]


def _buckets(profile: Profile, name: str) -> list[str]:
    bucket = code_bucket(profile, name)
    listed = profile.client("s3").list_buckets()["Buckets"]
    return [f"bucket {bucket}" for found in listed if found["Name"] == bucket]


def _secrets(profile: Profile, name: str) -> list[str]:
    """Secrets under our name, those that are only waiting for their end included."""
    pages = profile.client("secretsmanager").get_paginator("list_secrets").paginate(IncludePlannedDeletion=True)
    names = [secret["Name"] for page in pages for secret in page["SecretList"]]
    return [secret for secret in names if secret.startswith(f"{name}/")]


def _files(folder: Path) -> list[Path]:
    candidates = [*sorted(folder.glob("*.env")), folder / ".env.example", folder / KEYS_FILE]
    return [path for path in candidates if path.exists()]
