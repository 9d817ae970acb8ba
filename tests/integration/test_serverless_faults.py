"""One fault at a time in the functions, tables, keys and permissions: a clear error, nothing half-made, well again."""

import io
import json
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
from bridge_login import Person

from mcp_demo.access import AccessFailed, call
from mcp_demo.deploy.profile import Profile
from mcp_demo.local.ports import Ports
from mcp_demo.local.stack import running_stack
from mcp_demo.local.state import Run

pytestmark = pytest.mark.slow

TABLES = {"Contexts": "server", "Clients": "registration", "Families": "registration"}
INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
ADD = {"name": "add_context", "arguments": {"name": "half", "text": "made"}}
NEW_CLIENT = {"client_name": "Faulty", "redirect_uris": ["http://127.0.0.1:9/callback"]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Generator[Run]:
    with running_stack(tmp_path_factory.mktemp("faults"), Ports.free(), served_by="lambda") as run:
        yield run


class Cloud:
    """The embedded AWS in an administrator's hands, who can break one thing and mend it."""

    def __init__(self, run: Run) -> None:
        self.profile = Profile.local(run.aws)
        self.iam: Any = self.profile.client("iam")
        self.functions: Any = self.profile.client("lambda")
        self.tables: Any = self.profile.client("dynamodb")
        self.secrets: Any = self.profile.client("secretsmanager")
        self.pool = run.issuer.rpartition("/")[2]

    def resource(self, stack: str, name: str) -> str:
        """The physical id of a resource."""
        found: Any = self.profile.cloudformation().describe_stack_resource(
            StackName=f"mcp-demo-{stack}", LogicalResourceId=name
        )
        return found["StackResourceDetail"]["PhysicalResourceId"]

    @contextmanager
    def denied(self, stack: str, role: str, *actions: str) -> Generator[None]:
        """A role may not do something, whatever else says that it may."""
        name = self.resource(stack, role)
        statement = {"Effect": "Deny", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.iam.put_role_policy(RoleName=name, PolicyName="fault", PolicyDocument=document)
        try:
            yield
        finally:
            self.iam.delete_role_policy(RoleName=name, PolicyName="fault")

    @contextmanager
    def dropped(self, table: str) -> Generator[None]:
        """A table is not there."""
        name = self.resource(TABLES[table], table)
        made = self.tables.describe_table(TableName=name)["Table"]
        self.tables.delete_table(TableName=name)
        try:
            yield
        finally:
            same = {key: made[key] for key in ("TableName", "KeySchema", "AttributeDefinitions")}
            self.tables.create_table(**same, BillingMode="PAY_PER_REQUEST")

    def new_instances(self, function: str, **variables: str) -> None:
        """End the instances of a function; the next call starts one."""
        known = self.functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        self.functions.update_function_configuration(
            FunctionName=function, Description=uuid.uuid4().hex, Environment={"Variables": {**known, **variables}}
        )

    @contextmanager
    def crashing(self, function: str) -> Generator[None]:
        """The code of a function ends its process."""
        stack: Any = self.profile.cloudformation().describe_stacks(StackName="mcp-demo-server")["Stacks"][0]
        given = {item["ParameterKey"]: item["ParameterValue"] for item in stack["Parameters"]}
        content = io.BytesIO()
        with ZipFile(content, "w") as archive:
            for folder in ("mcp_demo/__init__.py", "mcp_demo/serverless/__init__.py"):
                archive.writestr(folder, "")
            path = f"mcp_demo/serverless/{function.removeprefix('mcp-demo-')}.py"
            archive.writestr(path, "import os\n\ndef handler(event, context):\n    os._exit(3)\n")
        self.functions.update_function_code(FunctionName=function, ZipFile=content.getvalue())
        try:
            yield
        finally:
            self.functions.update_function_code(
                FunctionName=function, S3Bucket=given["CodeBucket"], S3Key=given["CodeKey"]
            )

    @contextmanager
    def throttled(self, function: str) -> Generator[None]:
        """A function gets no instance."""
        self.functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
        try:
            yield
        finally:
            self.functions.delete_function_concurrency(FunctionName=function)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """What a table holds."""
        items: list[dict[str, Any]] = self.tables.scan(TableName=self.resource(TABLES[table], table))["Items"]
        return sorted(items, key=str)

    def app_clients(self) -> list[str]:
        """The app clients of the user pool."""
        found: Any = self.profile.cognito().list_user_pool_clients(UserPoolId=self.pool, MaxResults=60)
        return sorted(client["ClientId"] for client in found["UserPoolClients"])

    def log(self, function: str) -> str:
        """All that a function wrote."""
        pages: Any = self.profile.client("logs").get_paginator("filter_log_events")  # pyright: ignore[reportArgumentType]
        group = f"/aws/lambda/mcp-demo-{function}"
        return "\n".join(event["message"] for page in pages.paginate(logGroupName=group) for event in page["events"])


@pytest.fixture(scope="module")
def cloud(run: Run) -> Cloud:
    return Cloud(run)


@pytest.fixture(scope="module")
def endpoint(run: Run) -> str:
    """Where clients register."""
    found = httpx.get(f"{run.bridge}/.well-known/oauth-authorization-server", timeout=60)
    return found.json()["registration_endpoint"]


def rpc(run: Run, token: str, method: str, params: dict[str, Any]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return httpx.post(run.server, json=message, headers=headers, timeout=60)


def is_unavailable(answer: httpx.Response) -> None:
    """503 with when to come back, in OAuth's form (RFC 6749 section 5.2)."""
    assert answer.status_code == 503, answer.text
    assert answer.json()["error"] == "temporarily_unavailable"
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("fault", ["dynamodb:PutItem", "dynamodb:Query", "dropped"])
async def test_a_tool_without_its_table_says_so_and_stores_nothing(run: Run, cloud: Cloud, fault: str) -> None:
    async with Person(run) as person:
        token = (await person.tokens())["access_token"]
    before = cloud.rows("Contexts")
    with cloud.dropped("Contexts") if fault == "dropped" else cloud.denied("server", "ServerRole", fault):
        failed = rpc(run, token, "tools/call", ADD)
    result = failed.json()["result"]
    assert (failed.status_code, result["isError"]) == (200, True)
    assert "cannot be stored or read now" in result["content"][0]["text"]
    assert "arn:" not in failed.text
    assert cloud.rows("Contexts") == ([] if fault == "dropped" else before)
    assert ("ResourceNotFound" if fault == "dropped" else fault) in cloud.log("server")
    assert not rpc(run, token, "tools/call", ADD).json()["result"]["isError"]


@pytest.mark.parametrize("fault", ["dynamodb:GetItem", "dropped"])
def test_the_bridge_without_its_registry_is_unavailable(run: Run, cloud: Cloud, fault: str) -> None:
    form = {"grant_type": "authorization_code", "client_id": "unknown", "code": "c", "code_verifier": "v" * 43}
    with cloud.dropped("Clients") if fault == "dropped" else cloud.denied("identity", "BridgeRole", fault):
        is_unavailable(httpx.post(f"{run.bridge}/token", data=form, timeout=60))
        page = httpx.get(f"{run.bridge}/authorize", params={"client_id": "unknown"}, timeout=60)
    assert page.status_code == 503
    assert "location" not in page.headers
    assert "temporarily_unavailable" in page.text
    assert httpx.post(f"{run.bridge}/token", data=form, timeout=60).json()["error"] == "invalid_client"
    assert ("ResourceNotFound" if fault == "dropped" else fault) in cloud.log("bridge")


@pytest.mark.parametrize("fault", ["dynamodb:UpdateItem", "dropped"])
async def test_a_refresh_token_outlives_the_table_of_used_ones(run: Run, cloud: Cloud, fault: str) -> None:
    async with Person(run) as person:
        refresh = (await person.tokens())["refresh_token"]
        with cloud.dropped("Families") if fault == "dropped" else cloud.denied("identity", "BridgeRole", fault):
            is_unavailable(await person.refresh(refresh))
        assert (await person.refresh(refresh)).status_code == 200


@pytest.mark.parametrize("action", ["secretsmanager:GetSecretValue", "cognito-idp:DescribeUserPoolClient"])
def test_a_bridge_that_cannot_get_its_secrets_is_unavailable_until_it_can(run: Run, cloud: Cloud, action: str) -> None:
    with cloud.denied("identity", "BridgeRole", action):
        cloud.new_instances("mcp-demo-bridge")
        is_unavailable(httpx.post(f"{run.bridge}/token", data={}, timeout=60))
        is_unavailable(httpx.get(f"{run.bridge}/health", timeout=60))
    assert httpx.get(f"{run.bridge}/health", timeout=60).status_code == 200
    assert action.partition(":")[2] in cloud.log("bridge")


@pytest.mark.parametrize("content", [None, '{"keys": [], "next": "SECRETVALUE"}'])
def test_a_bridge_without_usable_envelope_keys_is_unavailable_until_they_are_back(
    run: Run, cloud: Cloud, content: str | None
) -> None:
    name = "mcp-demo/envelope-keys"
    good = cloud.secrets.get_secret_value(SecretId=name)["SecretString"]
    if content is None:
        cloud.secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    else:
        cloud.secrets.put_secret_value(SecretId=name, SecretString=content)
    cloud.new_instances("mcp-demo-bridge")
    try:
        is_unavailable(httpx.post(f"{run.bridge}/token", data={}, timeout=60))
    finally:
        if content is None:
            cloud.secrets.restore_secret(SecretId=name)
        cloud.secrets.put_secret_value(SecretId=name, SecretString=good)
    assert httpx.get(f"{run.bridge}/health", timeout=60).status_code == 200
    log = cloud.log("bridge")
    assert '"event": "no start"' in log
    assert "SECRETVALUE" not in log
    assert json.loads(good)["next"] not in log


async def test_a_server_that_cannot_fetch_keys_keeps_everybody_out_and_says_to_come_back(
    run: Run, cloud: Cloud
) -> None:
    async with Person(run) as person:
        token = (await person.tokens())["access_token"]
    cloud.new_instances("mcp-demo-server", MCP_DEMO_JWKS_URI="http://127.0.0.1:1/jwks.json")
    try:
        is_unavailable(rpc(run, token, "initialize", INITIALIZE))
    finally:
        cloud.new_instances("mcp-demo-server", MCP_DEMO_JWKS_URI=run.jwks_uri)
    assert rpc(run, token, "initialize", INITIALIZE).status_code == 200


@pytest.mark.parametrize(
    "action", ["dynamodb:UpdateItem", "dynamodb:PutItem", "cognito-idp:CreateUserPoolClient", "dynamodb:*"]
)
def test_a_registration_that_fails_leaves_neither_row_nor_app_client(
    run: Run, cloud: Cloud, endpoint: str, action: str
) -> None:
    before = [row for row in cloud.rows("Clients") if row.get("n") != {"N": "0"}], cloud.app_clients()
    own = action.startswith("cognito")  # one app client each is another strategy than the stack was deployed with
    cloud.new_instances("mcp-demo-register", USER_POOL_ID=cloud.pool if own else "")
    with cloud.denied("registration", "RegisterRole", action):
        failed = httpx.post(endpoint, json=NEW_CLIENT, timeout=60)
    cloud.new_instances("mcp-demo-register", USER_POOL_ID="")
    assert failed.status_code in (500, 503), failed.text
    assert failed.json()["error"] in ("server_error", "temporarily_unavailable")
    assert "arn:" not in failed.text
    assert [row for row in cloud.rows("Clients") if row.get("n") != {"N": "0"}] == before[0]  # and is not counted
    assert cloud.app_clients() == before[1]
    assert "AccessDenied" in cloud.log("register")


@pytest.mark.parametrize(
    ("method", "role", "action"),
    [
        ("GET", "ReadRole", "dynamodb:GetItem"),
        ("PUT", "UpdateRole", "dynamodb:PutItem"),
        ("DELETE", "DeleteRole", "dynamodb:DeleteItem"),
    ],
)
def test_what_fails_for_a_registered_client_can_be_done_again(
    run: Run, cloud: Cloud, endpoint: str, method: str, role: str, action: str
) -> None:
    client: dict[str, Any] = httpx.post(endpoint, json=NEW_CLIENT, timeout=60).json()
    headers = {"Authorization": f"Bearer {client['registration_access_token']}"}
    change = {key: value for key, value in client.items() if not key.startswith("registration_") and "_at" not in key}
    body = {**change, "client_name": "Changed"} if method == "PUT" else None
    before = cloud.rows("Clients"), cloud.app_clients()
    with cloud.denied("registration", role, action):
        failed = httpx.request(method, client["registration_client_uri"], headers=headers, json=body, timeout=60)
    assert failed.status_code in (500, 503), failed.text
    assert failed.json()["error"] in ("server_error", "temporarily_unavailable")
    if method != "DELETE":
        assert (cloud.rows("Clients"), cloud.app_clients()) == before
    again = httpx.request(method, client["registration_client_uri"], headers=headers, json=body, timeout=60)
    assert again.status_code in (200, 204), again.text
    if method != "DELETE":
        httpx.delete(client["registration_client_uri"], headers=headers, timeout=60)
    assert client["client_id"] not in str(cloud.rows("Clients"))
    assert client["registration_access_token"] not in "".join(map(cloud.log, ("register", "read", "update", "delete")))


@pytest.mark.parametrize("function", ["mcp-demo-server", "mcp-demo-bridge"])
@pytest.mark.parametrize("fault", ["crashes", "throttled"])
def test_a_function_that_does_not_answer_is_named_as_what_failed(
    run: Run, cloud: Cloud, function: str, fault: str
) -> None:
    with cloud.crashing(function) if fault == "crashes" else cloud.throttled(function):
        answer = httpx.get(f"{run.bridge if 'bridge' in function else run.server}/x", timeout=60)
        with pytest.raises(AccessFailed) as failed:
            call(run, "whoami", {}, headless=True)
    assert answer.status_code in (429, 500, 502, 503)  # the API answers this by itself
    assert str(answer.status_code) in failed.value.problem
    assert httpx.get(f"{run.bridge}/health", timeout=60).status_code == 200
