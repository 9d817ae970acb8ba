"""Everything about registration that can be switched on, all at once, and off again; with sign-ins between."""

import hashlib
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from bridge_login import Person, another_bridge
from registration_harness import bearer
from review_mail import Mailbox, mailbox

from mcp_demo.dcr.review_link import Link, sign
from mcp_demo.deploy import choices
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.registration import deploy_registration
from mcp_demo.deploy.stacks import outputs
from mcp_demo.local.state import Run
from mcp_demo.registry.dynamodb import DynamoDBRegistry

CALLBACK = "http://localhost/callback"
BODY = {
    "client_name": "Tool <b>",
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "none",
}
LISTED = f"ci:{hashlib.sha256(b'let-me-in').hexdigest()}"
OVER = f"past:{hashlib.sha256(b'too-late').hexdigest()}:2020-01-01"
ON = {
    "InitialAccessTokens": f"{LISTED},{OVER}",
    "ApiKeys": "on",
    "RegistrationsPerDay": "500",
    "RedirectUris": "localhost,https://client.example/callback",
    "Scopes": "read",
    "Approval": "administrator",
    "ApprovalEmail": "admin@example.com",
    "RequestsPerSecond": "500",
    "Burst": "1000",
}
OFF = {
    "InitialAccessTokens": "",
    "ApiKeys": "off",
    "RedirectUris": "",
    "Scopes": "read,write",
    "Approval": "automatic",
    "ApprovalEmail": "",
}


class Switched:
    """A registration of its own beside the running one, and its administrator."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.profile = Profile.local(run.aws)
        self.outputs: dict[str, str] = {}

    def choose(self, chosen: dict[str, str]) -> None:
        """Deploy with choices, as `mcp-demo deploy --set` reads them."""
        read = choices.read(f"registration.{name}={value}" for name, value in chosen.items())["registration"]
        identity = outputs(self.profile.cloudformation(), "mcp-demo-identity")
        made = deploy_registration(
            self.profile, self.run.endpoints(), identity, lambda _: None, name="switched", chosen=read
        )
        self.outputs = made.outputs

    @property
    def key(self) -> str:
        return self.profile.client("apigateway").get_api_key(apiKey=self.outputs["ApiKeyId"], includeValue=True)[
            "value"
        ]

    @property
    def store(self) -> DynamoDBRegistry:
        return DynamoDBRegistry(self.profile.client("dynamodb"), self.outputs["ClientsTable"])

    def post(self, headers: dict[str, str] | None = None, **changes: Any) -> httpx.Response:
        return httpx.post(self.outputs["RegistrationEndpoint"], json=BODY | changes, headers=headers, timeout=30)

    def invited(self) -> dict[str, str]:
        return bearer("let-me-in") | {"x-api-key": self.key}

    def register(self, headers: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
        answer = self.post(headers, **changes)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def bridge(self) -> dict[str, Any]:
        """Settings of a bridge whose clients are those of this registration."""
        names = ("clients_table", "families_table", "registration_endpoint")
        keys = ("ClientsTable", "FamiliesTable", "RegistrationEndpoint")
        return dict(zip(names, (self.outputs[key] for key in keys), strict=True))


@pytest.fixture(scope="module")
def switched(stack: Run) -> Switched:
    registration = Switched(stack)
    registration.choose(ON)
    return registration


@pytest.fixture(scope="module")
def mail(switched: Switched) -> Mailbox:
    return mailbox(switched.profile, switched.outputs["ReviewTopic"])


@pytest.fixture
def waiting(switched: Switched, mail: Mailbox) -> tuple[str, str]:
    """A client that waits, and the link to decide upon it."""
    return switched.register(switched.invited())["client_id"], mail.link()


def _status(switched: Switched, client_id: str) -> str:
    client = switched.store.get(client_id)
    assert client is not None
    return client.status


def _decide(link: str, decision: str) -> httpx.Response:
    page, _, query = link.partition("?link=")
    return httpx.post(page, data={"link": query, "decision": decision}, timeout=30)


@pytest.mark.parametrize(
    ("headers", "status", "challenge"),
    [
        ({}, 401, "Bearer"),
        ({"authorization": "Basic bGV0LW1lLWlu"}, 401, "Bearer"),
        (bearer("guessed"), 401, 'Bearer error="invalid_token"'),
        (bearer("too-late"), 401, 'Bearer error="invalid_token"'),
        (bearer("let-me-in") | {"x-api-key": ""}, 403, None),
        (bearer("let-me-in") | {"x-api-key": "guessed"}, 403, None),
    ],
)
def test_without_the_right_credentials_nobody_registers_and_each_is_told_what_is_missing(
    switched: Switched, headers: dict[str, str], status: int, challenge: str | None
) -> None:
    refused = switched.post({"x-api-key": switched.key} | headers)
    assert (refused.status_code, refused.headers.get("www-authenticate")) == (status, challenge)
    assert refused.json()["error"] == ("invalid_token" if status == 401 else "access_denied")
    assert refused.headers["access-control-allow-origin"] == "*"


def test_a_redirect_uri_beside_the_list_is_refused_at_registration_and_at_an_update(
    switched: Switched, mail: Mailbox
) -> None:
    invited, evil = switched.invited(), "https://evil.example/callback"
    refused = switched.post(invited, redirect_uris=[CALLBACK, evil])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_redirect_uri")
    assert f"redirect_uris[1] {evil}" in refused.json()["error_description"]
    client = switched.register(invited, redirect_uris=["http://localhost:50123/any", "https://client.example/callback"])
    mail.read()
    update = {**BODY, "client_id": client["client_id"], "redirect_uris": [evil]}
    own = bearer(client["registration_access_token"])
    refused = httpx.put(client["registration_client_uri"], json=update, headers=own, timeout=30)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_redirect_uri")


def test_nobody_registers_for_more_than_the_ceiling(switched: Switched, mail: Mailbox) -> None:
    client = switched.register(switched.invited(), scope=f"{switched.run.server}/write admin")
    mail.read()
    assert client["scope"] == f"{switched.run.server}/read"


def test_the_message_quotes_what_the_client_says_of_itself(switched: Switched, mail: Mailbox) -> None:
    client = switched.register(switched.invited(), client_name="Übung", client_uri="https://client.example/")
    message = mail.read()
    for said in ('"Übung"', f'"{CALLBACK}"', '"https://client.example/"', client["client_id"]):
        assert said in message
    for secret in (client["registration_access_token"], "let-me-in"):
        assert secret not in message


def test_opening_the_link_decides_nothing_and_shows_markup_as_text(
    switched: Switched, waiting: tuple[str, str]
) -> None:
    client_id, link = waiting
    for page in [httpx.get(link, timeout=30) for _ in range(2)]:
        assert page.status_code == 200
        assert "Approve this application?" in page.text
        assert "Tool &lt;b&gt;" in page.text
        assert "Tool <b>" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
    assert _status(switched, client_id) == "pending"


async def test_an_approved_client_signs_in_and_one_that_waits_does_not(
    switched: Switched, waiting: tuple[str, str]
) -> None:
    client_id, link = waiting
    async with another_bridge(switched.run, **switched.bridge()) as http:
        person = Person(switched.run, client_id, "http://localhost:51000/callback", http=http)
        stopped = await person.open(scope=person.read)
        assert (stopped.status_code, "waits for approval" in stopped.text) == (400, True)
        done = _decide(link, "approve")
        assert (done.status_code, "is approved" in done.text) == (200, True)
        assert await person.tokens(write=False, scope=person.read)


async def test_a_denied_client_is_told_so_and_its_registration_is_closed(switched: Switched, mail: Mailbox) -> None:
    client = switched.register(switched.invited())
    assert "is denied" in _decide(mail.link(), "deny").text
    async with another_bridge(switched.run, **switched.bridge()) as http:
        stopped = await Person(switched.run, client["client_id"], CALLBACK, http=http).open()
        assert (stopped.status_code, "was not approved" in stopped.text) == (400, True)
    own = bearer(client["registration_access_token"])
    assert httpx.get(client["registration_client_uri"], headers=own, timeout=30).status_code == 401


@pytest.mark.parametrize(("first", "second", "status"), [("approve", "deny", "active"), ("deny", "approve", "denied")])
def test_a_link_decides_once(
    switched: Switched, waiting: tuple[str, str], first: str, second: str, status: str
) -> None:
    client_id, link = waiting
    assert _decide(link, first).status_code == 200
    again, other = _decide(link, first), _decide(link, second)
    assert (again.status_code, other.status_code) == (200, 409)
    assert "already" in again.text
    assert "already" in httpx.get(link, timeout=30).text
    assert _status(switched, client_id) == status


def test_a_link_is_good_for_its_own_client_as_long_as_it_lasts(switched: Switched, waiting: tuple[str, str]) -> None:
    client_id, link = waiting
    page, _, token = link.partition("?link=")
    client = switched.store.get(client_id)
    assert client is not None
    assert client.review is not None
    secrets = switched.profile.client("secretsmanager")
    key = secrets.get_secret_value(SecretId="switched/review-key")["SecretString"]
    genuine = Link(client_id, client.review, int(time.time()) + 60)
    other = token.partition(".")[2]
    refused = {
        "": 403,
        token[:-2]: 403,
        f"{sign(key, genuine).partition('.')[0]}.{other}": 403,
        sign(f"{key}x", genuine): 403,
        sign(key, replace(genuine, expires=int(time.time()))): 403,
        sign(key, replace(genuine, client_id="dcr_of_somebody_else")): 404,
        sign(key, replace(genuine, review="of another registration")): 409,
    }
    for forged, status in refused.items():
        assert _decide(f"{page}?link={forged}", "approve").status_code == status
        assert httpx.get(page, params={"link": forged}, timeout=30).status_code == status
    assert _decide(link, "maybe").status_code == 400
    assert _status(switched, client_id) == "pending"
    assert _decide(f"{page}?link={sign(key, genuine)}", "approve").status_code == 200


def test_a_client_that_changes_what_was_approved_waits_again_and_the_old_link_is_dead(
    switched: Switched, mail: Mailbox
) -> None:
    client = switched.register(switched.invited())
    old, own = mail.link(), bearer(client["registration_access_token"])
    update = {**BODY, "client_id": client["client_id"]}
    assert _decide(old, "approve").status_code == 200
    same = httpx.put(client["registration_client_uri"], json=update, headers=own, timeout=30)
    assert (same.status_code, _status(switched, client["client_id"])) == (200, "active")
    other = update | {"redirect_uris": ["https://client.example/callback"]}
    assert httpx.put(client["registration_client_uri"], json=other, headers=own, timeout=30).status_code == 200
    assert _status(switched, client["client_id"]) == "pending"
    message = mail.read()
    assert '"https://client.example/callback"' in message
    assert _decide(old, "approve").status_code == 409
    assert _status(switched, client["client_id"]) == "pending"


def test_the_functions_may_do_what_they_do_and_nothing_more(switched: Switched) -> None:
    iam: Any = switched.profile.iam()
    found = {
        policy: iam.get_role_policy(RoleName=role["RoleName"], PolicyName=policy)["PolicyDocument"]["Statement"]
        for role in iam.list_roles()["Roles"]
        if role["RoleName"].startswith("switched-registration-")
        for policy in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
    }
    allowed = {name: {action for one in policy for action in _list(one["Action"])} for name, policy in found.items()}
    logs = {"logs:CreateLogStream", "logs:PutLogEvents"}
    asks = {"sns:Publish", "secretsmanager:GetSecretValue"}
    assert allowed["initial-access"] == logs
    assert allowed["review"] == logs | {"dynamodb:GetItem", "dynamodb:PutItem", "secretsmanager:GetSecretValue"}
    assert asks <= allowed["register"] & allowed["update"]
    assert not asks & (allowed["read"] | allowed["delete"] | allowed["sweep"])
    assert all(one["Resource"] != "*" for policy in found.values() for one in policy)


def test_a_client_of_which_nobody_can_be_told_is_not_registered(switched: Switched) -> None:
    iam, role = switched.profile.iam(), _role(switched, "RegisterRole")
    deny = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sns:Publish","Resource":"*"}]}'
    before = {client.client_id for client in switched.store.list().clients}
    iam.put_role_policy(RoleName=role, PolicyName="silent", PolicyDocument=deny)
    try:
        refused = switched.post(switched.invited())
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="silent")
    assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
    assert {client.client_id for client in switched.store.list().clients} == before


def test_a_token_that_is_taken_off_the_list_is_refused_from_then_on(switched: Switched, mail: Mailbox) -> None:
    switched.register(switched.invited())
    mail.read()
    switched.choose({"InitialAccessTokens": OVER})
    assert switched.post(switched.invited()).headers["www-authenticate"] == 'Bearer error="invalid_token"'
    switched.choose({"InitialAccessTokens": LISTED})
    switched.register(switched.invited())
    mail.read()


def test_an_api_key_has_its_number_a_day(switched: Switched, mail: Mailbox) -> None:
    switched.choose({"RegistrationsPerDay": "1"})
    answers = [switched.post(switched.invited()) for _ in range(3)]
    assert answers[-1].status_code == 429
    assert answers[-1].json()["error"] == "temporarily_unavailable"
    assert "enough clients for today" in answers[-1].json()["error_description"]
    switched.choose({"RegistrationsPerDay": "500"})


def test_a_domain_with_client_certificates_takes_all_three_settings(switched: Switched) -> None:
    with pytest.raises(ClientError, match="all three"):
        switched.choose({"DomainName": "example.com"})


def test_a_domain_asks_clients_for_certificates(switched: Switched, mail: Mailbox) -> None:
    # How the handshake goes is API Gateway's business, which the emulator leaves out; so is closing the other way in.
    route53, gateway = switched.profile.client("route53"), switched.profile.client("apigateway")
    zone = route53.create_hosted_zone(Name="example.com", CallerReference="mutual-tls")["HostedZone"]["Id"]
    other_way = switched.outputs["RegistrationEndpoint"]
    trust = {"DomainName": "example.com", "HostedZoneId": zone.rpartition("/")[2], "TruststoreUri": "s3://trust/ca.pem"}
    switched.choose(trust)
    assert switched.outputs["RegistrationEndpoint"] == "https://registration.example.com/register"
    (domain,) = gateway.get_domain_names()["items"]
    assert domain["mutualTlsAuthentication"]["truststoreUri"] == "s3://trust/ca.pem"
    (mapping,) = gateway.get_base_path_mappings(domainName=domain["domainName"])["items"]
    assert (mapping["restApiId"], mapping["stage"]) == (switched.outputs["RegistrationApiId"], "v1")
    records = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert "registration.example.com." in {record["Name"] for record in records}
    answer = httpx.post(other_way, json=BODY, headers=switched.invited(), timeout=30)
    mail.read()
    assert answer.json()["registration_client_uri"].startswith("https://registration.example.com/register/dcr_")
    switched.choose(dict.fromkeys(trust, ""))
    assert switched.outputs["RegistrationEndpoint"] == other_way
    assert gateway.get_domain_names()["items"] == []


async def test_all_of_it_goes_off_again_and_leaves_nothing(switched: Switched) -> None:
    switched.choose(OFF)
    client = switched.register(redirect_uris=["http://127.0.0.1/anywhere"])
    assert client["scope"].split() == [f"{switched.run.server}/read", f"{switched.run.server}/write"]
    async with another_bridge(switched.run, **switched.bridge()) as http:
        assert await Person(switched.run, client["client_id"], "http://127.0.0.1:7/anywhere", http=http).tokens()
    ours = switched.profile
    topics = [topic["TopicArn"] for topic in ours.client("sns").list_topics()["Topics"]]
    assert not [topic for topic in topics if topic.endswith("switched-reviews")]
    assert not [one for one in ours.client("secretsmanager").list_secrets()["SecretList"] if "switched" in one["Name"]]
    names = {function["FunctionName"] for function in ours.client("lambda").list_functions()["Functions"]}
    assert {name for name in names if name.startswith("switched-")} == {
        f"switched-{name}" for name in ("register", "read", "update", "delete", "sweep")
    }
    assert {"ApiKeyId", "ReviewTopic"} & switched.outputs.keys() == set()


def test_what_was_off_can_be_on_again(switched: Switched) -> None:
    switched.choose(ON)
    post = mailbox(switched.profile, switched.outputs["ReviewTopic"])
    client = switched.register(switched.invited())
    assert _decide(post.link(), "approve").status_code == 200
    assert _status(switched, client["client_id"]) == "active"


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _role(switched: Switched, resource: str) -> str:
    cloudformation = switched.profile.cloudformation()
    found = cloudformation.describe_stack_resource(StackName="switched-registration", LogicalResourceId=resource)
    return found["StackResourceDetail"].get("PhysicalResourceId", "")
