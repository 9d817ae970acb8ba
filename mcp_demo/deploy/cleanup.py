"""Remove what was deployed, and prove that it is gone: by asking the services, not by trusting the stack."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mcp_demo.dcr.app_clients import PREFIX
from mcp_demo.deploy.choices import KEPT_FILE
from mcp_demo.deploy.code import code_bucket, has_code, remove_code
from mcp_demo.deploy.profile import Profile, aws_failures
from mcp_demo.deploy.stacks import Progress, delete, find, outputs, pauses
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
            *_pools_and_clients(profile, name),
            *_roles(profile, names),
            *(f"table {table}" for table in _tables(profile, names)),
            *(f"log group {group}" for group in _log_groups(profile, name)),
            *([f"bucket {code_bucket(profile, name)}"] if has_code(profile, name) else []),
            *(f"secret {secret}" for secret in _secrets(profile, name)),
        )
    return Inventory(stacks, resources, tuple(_files(folder)))


def remove(profile: Profile, name: str, inventory: Inventory, progress: Progress) -> None:
    """Delete the stacks, what was made beside them, then the files; can be interrupted and run again.

    Raises:
        SetupError: AWS cannot be used, or a stack cannot be deleted.
    """
    with aws_failures():
        cloudformation = profile.cloudformation()
        execution = _execution_logs(profile, name)
        _delete_log_groups(profile, execution)  # first, for nobody knows its name once the API is gone
        for stack in inventory.stacks:
            delete(cloudformation, stack, progress)
        _delete_log_groups(profile, [*_log_groups(profile, name), *execution])
        for secret in _secrets(profile, name):  # otherwise it keeps its name for another 30 days
            profile.client("secretsmanager").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
        _delete_tables(profile, [stack_name(name, stack) for stack in STACKS])
        remove_code(profile, name)
    for file in inventory.files:
        file.unlink(missing_ok=True)


def _pools_and_clients(profile: Profile, name: str) -> list[str]:
    """User pools, and in each the app clients that registrations have made there; they go with the pool."""
    cognito = profile.cognito()
    pages = cognito.get_paginator("list_user_pools").paginate(PaginationConfig={"PageSize": 60})
    pools = [pool.get("Id", "") for page in pages for pool in page["UserPools"] if pool.get("Name") == name]
    found: list[str] = []
    for pool in pools:
        clients = cognito.get_paginator("list_user_pool_clients").paginate(UserPoolId=pool)
        names = (client.get("ClientName", "") for page in clients for client in page["UserPoolClients"])
        found += [f"user pool {pool}", *(f"app client {client}" for client in names if client.startswith(PREFIX))]
    return found


def _roles(profile: Profile, stacks: list[str]) -> list[str]:
    """CloudFormation starts the name of a role with that of its stack."""
    pages = profile.iam().get_paginator("list_roles").paginate()
    names = [role["RoleName"] for page in pages for role in page["Roles"]]
    return [f"role {role}" for role in names if any(role.startswith(f"{stack}-") for stack in stacks)]


def _tables(profile: Profile, stacks: list[str]) -> list[str]:
    """CloudFormation starts the name of a table with that of its stack, too, and it keeps it when the stack is gone."""
    names = [
        table
        for page in profile.client("dynamodb").get_paginator("list_tables").paginate()
        for table in page["TableNames"]
    ]
    return [table for table in names if any(table.startswith(f"{stack}-") for stack in stacks)]


def _delete_tables(profile: Profile, stacks: list[str]) -> None:
    """Delete tables that somebody chose to keep when their stack was deleted; one that is protected stays."""
    dynamodb = profile.client("dynamodb")
    for table in _tables(profile, stacks):
        with suppress(dynamodb.exceptions.ResourceNotFoundException):  # it is going already
            dynamodb.delete_table(TableName=table)
    for _ in pauses():
        if not _tables(profile, stacks):
            return


def _log_groups(profile: Profile, name: str) -> list[str]:
    """Lambda and API Gateway make log groups again when a late request comes in while a stack is being deleted."""
    prefixes = (f"/aws/lambda/{name}-", f"/aws/apigateway/{name}-")
    return [group for prefix in prefixes for group in _groups(profile, prefix)] + _execution_logs(profile, name)


def _groups(profile: Profile, prefix: str) -> list[str]:
    pages = profile.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    return [group["logGroupName"] for page in pages for group in page["logGroups"]]


def _execution_logs(profile: Profile, name: str) -> list[str]:
    """The log groups that API Gateway itself makes for the registration API, by the API's id."""
    api = outputs(profile.cloudformation(), stack_name(name, "registration")).get("RegistrationApiId")
    return _groups(profile, f"API-Gateway-Execution-Logs_{api}/") if api else []


def _delete_log_groups(profile: Profile, groups: list[str]) -> None:
    logs = profile.client("logs")
    for group in groups:
        with suppress(logs.exceptions.ResourceNotFoundException):
            logs.delete_log_group(logGroupName=group)


def _secrets(profile: Profile, name: str) -> list[str]:
    """Secrets under our name, those that are only waiting for their end included."""
    pages = profile.client("secretsmanager").get_paginator("list_secrets").paginate(IncludePlannedDeletion=True)
    names = [secret["Name"] for page in pages for secret in page["SecretList"]]
    return [secret for secret in names if secret.startswith(f"{name}/")]


def _files(folder: Path) -> list[Path]:
    candidates = [*sorted(folder.glob("*.env")), folder / ".env.example", folder / KEYS_FILE, folder / KEPT_FILE]
    return [path for path in candidates if path.exists()]
