"""The deployed registration, spoken to through API Gateway as clients do."""

import json
import time
from collections.abc import Generator
from typing import Any

import httpx
import pytest
from registration_harness import CALLBACK, MANY_A_SECOND, Deployed, bearer, deployed, register

from mcp_demo.deploy.code import remove_code
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.registration import deploy_registration
from mcp_demo.deploy.stacks import delete
from mcp_demo.registry.dynamodb import COUNTER
from mcp_demo.registry.model import hash_secret

READ, WRITE = "http://localhost:3001/mcp/read", "http://localhost:3001/mcp/write"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Generator[Deployed]:
    with deployed(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture(scope="module")
def http() -> Generator[httpx.Client]:
    with httpx.Client(timeout=30, trust_env=False) as client:
        yield client


def test_a_public_client_gets_no_secret(aws: Deployed, http: httpx.Client) -> None:
    answer = http.post(aws.endpoint, json={"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"})
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "client_secret" not in answer.json()


def test_a_confidential_client_gets_a_secret_that_does_not_expire(aws: Deployed) -> None:
    answer = register(aws)
    assert answer["token_endpoint_auth_method"] == "client_secret_basic"
    assert answer["client_secret_expires_at"] == 0
    stored = aws.store.get(answer["client_id"])
    assert stored is not None
    assert stored.secret_hash == hash_secret(answer["client_secret"])


def test_the_answer_names_everything_that_was_registered(aws: Deployed) -> None:
    answer = register(aws, client_name="Tool", scope=f"{READ} admin", logo_uri="https://client.example/l.png", foo=1)
    for name in ("client_id", "client_id_issued_at", "client_secret", "registration_access_token"):
        assert answer.pop(name)
    assert answer.pop("registration_client_uri").startswith(f"{aws.endpoint}/dcr_")
    assert answer == {
        "redirect_uris": [CALLBACK],
        "client_name": "Tool",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "scope": f"{READ} {WRITE}",
        "token_endpoint_auth_method": "client_secret_basic",
        "application_type": "web",
        "client_secret_expires_at": 0,
    }


def test_two_registrations_share_nothing(aws: Deployed) -> None:
    one, other = register(aws, client_name="one"), register(aws, client_name="other")
    for name in ("client_id", "client_secret", "registration_access_token", "registration_client_uri"):
        assert one[name] != other[name]


def test_a_registration_is_read_changed_and_removed_with_its_token(aws: Deployed, http: httpx.Client) -> None:
    answer = register(aws, client_name="old")
    uri, own = answer["registration_client_uri"], bearer(answer["registration_access_token"])
    read = http.get(uri, headers=own)
    assert read.status_code == 200
    secrets = ("client_secret", "client_secret_expires_at")
    assert read.json() == {name: value for name, value in answer.items() if name not in secrets}
    update = {"client_id": answer["client_id"], "redirect_uris": [CALLBACK + "/2"], "client_name": "new"}
    changed = http.put(uri, headers=own, json=update)
    assert changed.status_code == 200
    assert (changed.json()["client_name"], changed.json()["redirect_uris"]) == ("new", [CALLBACK + "/2"])
    removed = http.delete(uri, headers=own)
    assert (removed.status_code, removed.content) == (204, b"")
    assert aws.store.get(answer["client_id"]) is None
    assert http.get(uri, headers=own).status_code == 401


def test_without_its_own_token_a_registration_is_closed(aws: Deployed, http: httpx.Client) -> None:
    mine, other = register(aws), register(aws)
    uri, update = mine["registration_client_uri"], {"client_id": mine["client_id"], "redirect_uris": [CALLBACK]}
    for headers in ({}, bearer("garbage"), bearer(other["registration_access_token"])):
        refusals = [
            http.get(uri, headers=headers),
            http.put(uri, headers=headers, json=update),
            http.delete(uri, headers=headers),
        ]
        for refusal in refusals:
            assert refusal.status_code == 401
            assert refusal.headers["www-authenticate"].startswith("Bearer")
            assert ("error=" in refusal.headers["www-authenticate"]) == bool(headers)
            assert refusal.json()["error"] == "invalid_token"
    assert aws.store.get(mine["client_id"]) is not None


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "invalid_client_metadata"),
        (b"{", "invalid_client_metadata"),
        (b"[]", "invalid_client_metadata"),
        (b'"text"', "invalid_client_metadata"),
        (b"\xff\xfe", "invalid_client_metadata"),
        (b"[" * 20_000, "invalid_client_metadata"),
        (b"{}", "invalid_redirect_uri"),
        (b'{"redirect_uris": "https://client.example/"}', "invalid_redirect_uri"),
        (b'{"redirect_uris": [1]}', "invalid_redirect_uri"),
        (b'{"redirect_uris": ["http://client.example/cb"]}', "invalid_redirect_uri"),
        (b'{"redirect_uris": ["https://a.example/"], "grant_types": "code"}', "invalid_client_metadata"),
        (b'{"redirect_uris": ["https://a.example/"], "response_types": ["token"]}', "invalid_client_metadata"),
        (b'{"redirect_uris": ["https://a.example/"], "client_name": {}}', "invalid_client_metadata"),
        (b'{"redirect_uris": ["https://a.example/"], "client_name": "\\ud800"}', "invalid_client_metadata"),
        (b'{"redirect_uris": ["https://a.example/"], "x": "' + b"x" * 40_000 + b'"}', "invalid_client_metadata"),
    ],
)
def test_a_bad_registration_is_told_as_oauth_tells_it(
    aws: Deployed, http: httpx.Client, body: bytes, error: str
) -> None:
    answer = http.post(aws.endpoint, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"] == error
    assert answer.json()["error_description"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "", 404), ("PATCH", "/x", 404), ("POST", "/x/y", 404), ("DELETE", "", 404)]
)
def test_what_the_gateway_refuses_is_an_oauth_error_too(
    aws: Deployed, http: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = http.request(method, aws.endpoint + path)
    assert answer.status_code == status
    assert answer.json()["error"] == "invalid_request"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(("path", "methods"), [("", "POST"), ("/dcr_x", "GET,PUT,DELETE")])
def test_a_browser_may_call_from_any_origin_and_asks_without_a_token(
    aws: Deployed, http: httpx.Client, path: str, methods: str
) -> None:
    answer = http.options(
        aws.endpoint + path,
        headers={
            "Origin": "http://localhost:6274",
            "Access-Control-Request-Method": methods.partition(",")[0],
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == methods
    assert {"authorization", "content-type"} <= set(answer.headers["access-control-allow-headers"].split(","))


def test_the_request_validator_stops_a_body_before_any_function_runs(aws: Deployed, http: httpx.Client) -> None:
    # CloudFormation of the emulator drops validators, so this one is put on by hand, as the template describes it.
    gateway, api = aws.client("apigateway"), aws.endpoint.split("/")[-3]
    resource = next(item for item in gateway.get_resources(restApiId=api)["items"] if item["path"] == "/register")
    validator = gateway.create_request_validator(restApiId=api, name="body", validateRequestBody=True)["id"]
    change = {"op": "replace", "path": "/requestValidatorId", "value": validator}
    method = {"restApiId": api, "resourceId": resource["id"], "httpMethod": "POST"}
    assert gateway.get_method(**method)["requestModels"] == {"application/json": "ClientMetadata"}
    gateway.update_method(**method, patchOperations=[change])
    try:
        refused = http.post(aws.endpoint, content=b"[]", headers={"content-type": "application/json"})
        assert refused.json() == {
            "error": "invalid_client_metadata",
            "error_description": "The client metadata is not a JSON object of acceptable size.",
        }
        assert refused.status_code == 400
        register(aws)
    finally:
        gateway.update_method(**method, patchOperations=[change | {"value": ""}])


def test_cursor_registers_with_all_three_of_its_redirect_uris(aws: Deployed) -> None:
    uris = [
        "http://localhost:8787/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback",
    ]
    answer = register(aws, redirect_uris=uris, application_type="web", token_endpoint_auth_method="none")
    assert answer["redirect_uris"] == uris
    assert answer["application_type"] == "web"


def test_a_redirect_uri_that_is_refused_is_named(aws: Deployed, http: httpx.Client) -> None:
    uris = ["http://localhost:1/cb", "http://client.example/cb", CALLBACK]
    answer = http.post(aws.endpoint, json={"redirect_uris": uris})
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_redirect_uri"
    assert "redirect_uris[1] http://client.example/cb" in answer.json()["error_description"]


def test_neither_secrets_nor_metadata_reach_a_log(aws: Deployed, http: httpx.Client) -> None:
    answer = register(aws, client_name="planted-name", client_uri="https://planted-uri.example/")
    http.get(answer["registration_client_uri"], headers=bearer(answer["registration_access_token"]))
    http.post(aws.endpoint, json={"redirect_uris": ["http://planted-redirect.example"]})
    logs = aws.client("logs")
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    assert "/aws/lambda/mcp-demo-register" in groups
    deadline = time.monotonic() + 5
    text = ""
    while answer["client_id"] not in text and time.monotonic() < deadline:
        events = [logs.filter_log_events(logGroupName=name)["events"] for name in groups]
        text = json.dumps(events)
    text += aws.ministack.log.read_text()
    assert answer["client_id"] in text
    for planted in (answer["client_secret"], answer["registration_access_token"], "planted-"):
        assert planted not in text


def test_an_expired_client_is_swept_and_its_token_is_dead_before_that(aws: Deployed, http: httpx.Client) -> None:
    answer = register(aws)
    aws.dynamodb.update_item(
        TableName=aws.outputs["ClientsTable"],
        Key={"client_id": {"S": answer["client_id"]}},
        UpdateExpression="SET expires = :past",
        ExpressionAttributeValues={":past": {"N": str(int(time.time()) - 1)}},
    )
    own = bearer(answer["registration_access_token"])
    assert http.get(answer["registration_client_uri"], headers=own).status_code == 401
    assert aws.sweep()["removed"] == 1
    assert aws.store.get(answer["client_id"]) is None
    assert aws.sweep()["removed"] == 0


def test_deploying_again_changes_nothing(aws: Deployed) -> None:
    again = deploy_registration(
        aws.profile, Endpoints(), {"UserPoolId": aws.pool}, lambda _: None, chosen=MANY_A_SECOND
    )
    assert not again.changed
    assert dict(again.outputs) == dict(aws.outputs)


def test_each_role_may_do_what_its_function_does_and_nothing_more(aws: Deployed) -> None:
    iam, functions = aws.client("iam"), aws.client("lambda").list_functions()["Functions"]
    table = {
        "register": {"PutItem", "UpdateItem", "DeleteItem"},
        "read": {"GetItem"},
        "update": {"GetItem", "PutItem"},
        "delete": {"GetItem", "PutItem", "UpdateItem", "DeleteItem"},
        "sweep": {"Scan", "GetItem", "PutItem", "UpdateItem", "DeleteItem"},
    }
    roles = {function["FunctionName"].rpartition("-")[2]: function["Role"] for function in functions}
    assert len(set(roles.values())) == len(roles)
    for name, arn in roles.items():
        role = arn.rpartition("/")[2]
        policies = iam.list_role_policies(RoleName=role)["PolicyNames"]
        assert policies == [name]
        statements = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]["Statement"]
        allowed = {statement["Resource"]: set(_list(statement["Action"])) for statement in statements}
        assert allowed.pop(aws.outputs["ClientsTableArn"]) == {f"dynamodb:{action}" for action in table[name]}
        log, actions = allowed.popitem()
        assert log.endswith(f":log-group:/aws/lambda/mcp-demo-{name}:*")
        assert actions == {"logs:CreateLogStream", "logs:PutLogEvents"}
        assert allowed == {}  # in the strategy `shared` none may touch the user pool


def test_too_many_registrations_are_told_to_wait(tmp_path_factory: pytest.TempPathFactory) -> None:
    with deployed(tmp_path_factory.mktemp("throttled"), {"RequestsPerSecond": "1", "Burst": "2"}) as aws:
        with httpx.Client(timeout=30, trust_env=False) as http:
            answers = [http.post(aws.endpoint, json={"redirect_uris": [CALLBACK]}) for _ in range(4)]
            ours = answers[0].json()
            change = {"redirect_uris": [CALLBACK], "client_id": ours["client_id"]}
            token = bearer(ours["registration_access_token"])
            changes = [http.put(ours["registration_client_uri"], json=change, headers=token) for _ in range(4)]
        assert {200, 429} == {answer.status_code for answer in changes}  # each may send a mail, as a registration does
        refused = [answer for answer in answers if answer.status_code != 201]
        assert len(refused) < len(answers)
        assert {answer.status_code for answer in refused} == {429}
        assert refused[0].json()["error"] == "temporarily_unavailable"
        assert refused[0].headers["retry-after"] == "2"


def test_each_client_can_have_an_app_client_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    choices = {"Strategy": "per-client", **MANY_A_SECOND}
    with deployed(tmp_path_factory.mktemp("per-client"), choices) as aws:
        answer = register(aws)
        assert aws.app_clients() == [f"mcp-dcr.{answer['client_id']}"]
        aws.cognito.create_user_pool_client(UserPoolId=aws.pool, ClientName="mcp-dcr.orphan")
        swept = aws.sweep()
        assert swept == {"removed": 0, "kept": 1, "orphans": 0}  # too young to be sure that it is one
        httpx.delete(
            answer["registration_client_uri"], headers=bearer(answer["registration_access_token"]), trust_env=False
        )
        assert aws.app_clients() == ["mcp-dcr.orphan"]


def test_removal_leaves_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    everything = {"ApiKeys": "on", "Approval": "administrator", "ApprovalEmail": "admin@example.com"}
    everything["InitialAccessTokens"] = f"ci:{hash_secret('let-me-in')}"
    with deployed(tmp_path_factory.mktemp("removed"), everything) as aws:
        for _ in range(2):
            delete(aws.profile.cloudformation(), "mcp-demo-registration", lambda _: None)
            remove_code(aws.profile)
        assert aws.dynamodb.list_tables()["TableNames"] == []
        assert aws.client("s3").list_buckets()["Buckets"] == []
        assert aws.client("lambda").list_functions()["Functions"] == []
        gateway = aws.client("apigateway")
        assert [
            gateway.get_rest_apis()["items"],
            gateway.get_api_keys()["items"],
            gateway.get_usage_plans()["items"],
        ] == [[]] * 3
        assert aws.client("apigatewayv2").get_apis()["Items"] == []
        assert aws.client("sns").list_topics()["Topics"] == []
        assert aws.client("secretsmanager").list_secrets(IncludePlannedDeletion=True)["SecretList"] == []
        assert aws.client("logs").describe_log_groups()["logGroups"] == []
        assert aws.client("iam").list_roles()["Roles"] == []


@pytest.mark.slow
def test_a_thousand_registrations_are_made_listed_and_cleaned_without_slowing_down(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with deployed(tmp_path_factory.mktemp("thousand")) as aws:
        register(aws)  # the cold start is not what this is about
        took: list[float] = []
        with httpx.Client(timeout=30, trust_env=False) as http:
            for number in range(1000):
                started = time.perf_counter()
                answer = http.post(aws.endpoint, json={"redirect_uris": [CALLBACK], "client_name": f"client {number}"})
                took.append(time.perf_counter() - started)
                assert answer.status_code == 201
        first, last = sorted(took[:100])[50], sorted(took[-100:])[50]
        assert last < 2 * first, f"median of the first hundred {first:.4f} s, of the last {last:.4f} s"
        started = time.perf_counter()
        listed = _listed(aws)
        assert len(listed) == 1001
        assert time.perf_counter() - started < 10
        assert aws.app_clients() == []
        for client_id in listed:
            aws.dynamodb.update_item(
                TableName=aws.outputs["ClientsTable"],
                Key={"client_id": {"S": client_id}},
                UpdateExpression="SET expires = :past",
                ExpressionAttributeValues={":past": {"N": "1"}},
            )
        assert aws.sweep() == {"removed": 1001, "kept": 0, "orphans": 0}
        assert [row["client_id"]["S"] for row in aws.rows()] == [COUNTER]


def _listed(aws: Deployed) -> list[str]:
    found: list[str] = []
    after: str | None = None
    while True:
        page = aws.store.list(after=after, limit=100)
        found += [client.client_id for client in page.clients]
        after = page.after
        if after is None:
            return found


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
