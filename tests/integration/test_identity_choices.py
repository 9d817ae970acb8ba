"""What an administrator chooses for the user pool: each choice on the embedded AWS, and all at once, on and off again.

People sign in at the stand-in for the pool's domain, with the settings that the deployment wrote for it.
"""

import json
import re
from collections.abc import Generator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit
from uuid import uuid4

import httpx
import pytest
from company import SECRET, Company, working_company
from domain_harness import DOMAIN, PASSWORD, Browser, claims_of, now_totp
from typer.testing import CliRunner

from mcp_demo import cli
from mcp_demo.deploy import choices
from mcp_demo.deploy.cleanup import remove, take_inventory
from mcp_demo.deploy.code import upload, with_code
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.outputs import domain_settings, write_env_files
from mcp_demo.deploy.profile import Profile, aws_failures
from mcp_demo.deploy.stacks import Event, deploy, find
from mcp_demo.deploy.system import System, deploy_system
from mcp_demo.errors import SetupError
from mcp_demo.local.aws_types import TYPE
from mcp_demo.local.domain.app import create_app
from mcp_demo.local.ministack import MiniStack, free_port, running_ministack
from mcp_demo.local.ports import Ports
from mcp_demo.local.stack import running_stack
from mcp_demo.settings import Branding, DomainSettings

NAME = "chosen"
OFF = {
    "PoolDomainName": "", "AccentColor": "", "OidcIssuer": "", "GoogleClientId": "", "SamlMetadataUrl": "",
    "MailFrom": "", "Messages": "cognito", "Sms": "off", "Mfa": "OPTIONAL", "ThreatProtection": "OFF",
}  # fmt: skip
CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/12345678-1234-1234-1234-123456789012"
PLACES = Endpoints()
CALLBACK = f"{PLACES.static}/callback"


@dataclass
class Chooser:
    """A system on the embedded AWS that is deployed again and again with other choices."""

    profile: Profile
    ministack: MiniStack
    folder: Path

    def deploy(self, **values: str) -> dict[str, str]:
        """Deploy the user pool with choices, and the settings of its domain; the outputs of the stack."""
        system = System(self.profile, self.endpoints, NAME, self.read(values))
        package = system.package("identity")
        assert package
        plan = with_code(system.plan("identity", {}), upload(self.profile, NAME, package), package)
        made = deploy(self.profile.cloudformation(), plan, _silent).outputs
        write_env_files(self.folder, domain_settings(made, self.endpoints))
        return made

    def deploy_all(self, *registration: str, **values: str) -> dict[str, str]:
        """Deploy the whole system with choices for registration and the user pool; the outputs of all stacks."""
        wishes = self.read(values) | choices.read(f"registration.{choice}" for choice in registration)
        return deploy_system(self.profile, self.endpoints, self.folder, _silent, NAME, choices=wishes).outputs

    @property
    def endpoints(self) -> Endpoints:
        """Where the parts would be served."""
        return Endpoints(domain=DOMAIN, aws=self.profile.endpoint, key_dir=self.ministack.key_dir)

    def read(self, values: dict[str, str]) -> choices.Choices:
        """Choices as they are read from the command line; what is not named is off, whatever it was."""
        return choices.read(f"identity.{name}={value}" for name, value in (OFF | values).items())

    def pool(self, outputs: dict[str, str]) -> Any:
        """The pool, as Cognito describes it."""
        return self.profile.cognito().describe_user_pool(UserPoolId=outputs["UserPoolId"])["UserPool"]

    def offered(self, outputs: dict[str, str], client: str = "StaticClientId") -> list[str]:
        """What an app client lets people sign in with."""
        found = self.profile.cognito().describe_user_pool_client(
            UserPoolId=outputs["UserPoolId"], ClientId=outputs[client]
        )
        return found["UserPoolClient"].get("SupportedIdentityProviders", [])

    def secret(self, value: str) -> str:
        """A secret in Secrets Manager; its name."""
        name = f"test/{uuid4().hex}"
        self.profile.client("secretsmanager").create_secret(Name=name, SecretString=value)
        return name

    def zone(self, domain: str) -> str:
        """A zone in Route 53; its id."""
        made = self.profile.client("route53").create_hosted_zone(Name=domain, CallerReference=uuid4().hex)
        return made["HostedZone"]["Id"].rpartition("/")[2]

    def person(self, outputs: dict[str, str], **attributes: str) -> str:
        """Somebody with PASSWORD; the name."""
        cognito, name = self.profile.cognito(), f"user-{uuid4().hex[:8]}"
        given = {"email": f"{name}@example.com", "email_verified": "true", **attributes}
        pool, pairs = outputs["UserPoolId"], [{"Name": key, "Value": value} for key, value in given.items()]
        cognito.admin_create_user(
            UserPoolId=pool,
            Username=name,
            MessageAction="SUPPRESS",
            UserAttributes=pairs,  # pyright: ignore[reportArgumentType]
        )
        cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=PASSWORD, Permanent=True)
        return name

    def mails(self) -> list[dict[str, Any]]:
        """What the embedded AWS sent."""
        found = httpx.get(f"{self.profile.endpoint}/_ministack/ses/messages").json()["messages"]
        return [message for account in found.values() for message in account]


@pytest.fixture(scope="module")
def chooser(tmp_path_factory: pytest.TempPathFactory) -> Generator[Chooser]:
    folder = tmp_path_factory.mktemp("identity")
    with running_ministack(folder, free_port()) as ministack:
        yield Chooser(Profile.local(ministack.endpoint), ministack, folder / "env")


def _silent(event: Event) -> None: ...


# ── people sign in ───────────────────────────────────────────────────────────


def sign_in_pages(chooser: Chooser, outputs: dict[str, str]) -> Browser:
    """A browser at the stand-in for the pool's domain, which has the settings that the deployment wrote."""
    app = create_app(DomainSettings.load(chooser.folder / "domain.env"))
    return Browser(app, outputs["StaticClientId"])


async def authorize(browser: Browser, **changes: str | None) -> httpx.Response:
    """Open the authorization endpoint as the static client would."""
    return await browser.authorize(redirect_uri=CALLBACK, prompt="login", **changes)


async def password_page(browser: Browser, name: str) -> httpx.Response:
    """From the authorization endpoint to what follows the password."""
    await authorize(browser)
    await browser.follow()
    return await browser.submit(username=name, password=PASSWORD)


async def tokens(browser: Browser, response: httpx.Response, **form: str) -> dict[str, Any]:
    """The claims of the access token that a redirect to the app is worth."""
    assert response.headers.get("location", "").startswith(CALLBACK), response.text
    code = dict(parse_qsl(urlsplit(response.headers["location"]).query))["code"]
    answer = await browser.exchange(code, redirect_uri=CALLBACK, **form)
    assert answer.status_code == 200, answer.text
    return claims_of(answer.json()["access_token"])


def bound(claims: dict[str, Any]) -> bool:
    """Whether a token is for the MCP server and says for whom."""
    return claims["aud"] == PLACES.mcp and f"{PLACES.mcp}/read" in claims["scope"].split() and bool(claims["sub"])


@pytest.mark.parametrize("mfa", ["OFF", "OPTIONAL", "ON"])
async def test_a_second_factor_is_left_out_offered_or_asked_for(chooser: Chooser, mfa: str) -> None:
    outputs = chooser.deploy(Mfa=mfa)
    assert chooser.pool(outputs)["MfaConfiguration"] == mfa
    browser, name = sign_in_pages(chooser, outputs), chooser.person(outputs)
    await authorize(browser)
    assert ("Set up an authenticator app" in (await browser.follow()).text) is (mfa == "OPTIONAL")
    offer = {"enrol": "yes"} if mfa == "OPTIONAL" else {}
    response = await browser.submit(username=name, password=PASSWORD, **offer)
    if mfa != "OFF":
        found = re.search(r'<code id="secret">([A-Z2-7]+)</code>', response.text)
        assert found
        response = await browser.submit(code=now_totp(found[1]))
        assert bound(await tokens(browser, response))
        assert "authenticator app" in (await password_page(browser, name)).text
        response = await browser.submit(code=now_totp(found[1], 1))
    assert bound(await tokens(browser, response))


@pytest.fixture(scope="module")
def company() -> Generator[Company]:
    with working_company() as made:
        yield made


def openid(chooser: Chooser, company: Company) -> dict[str, str]:
    return {
        "OidcIssuer": company.url,
        "OidcName": "Company",
        "OidcClientId": "the-pool",
        "OidcSecret": chooser.secret(SECRET),
    }


async def by_company(browser: Browser) -> dict[str, Any]:
    """Sign in with the provider; the claims of the access token."""
    await authorize(browser)
    assert "Continue with Company" in (await browser.follow()).text
    there = (await authorize(browser, identity_provider="Company")).headers["location"]
    back = httpx.get(there).headers["location"]
    assert back.startswith(f"{DOMAIN}/oauth2/idpresponse?")
    return await tokens(browser, await browser.get(back))


async def test_people_of_an_openid_provider_that_the_template_names_sign_in(chooser: Chooser, company: Company) -> None:
    outputs = chooser.deploy(**openid(chooser, company), Mfa="OFF")
    assert chooser.offered(outputs) == chooser.offered(outputs, "BridgeClientId") == ["COGNITO", "Company"]
    first = await by_company(sign_in_pages(chooser, outputs))
    again = await by_company(sign_in_pages(chooser, outputs))
    assert bound(first)
    assert first["username"] == "Company_ada-42"
    assert first["sub"] == again["sub"]
    user = chooser.profile.cognito().admin_get_user(UserPoolId=outputs["UserPoolId"], Username=first["username"])
    found = {item["Name"]: item.get("Value") for item in user["UserAttributes"]}
    assert found["email"] == "ada@company.example"
    assert found.get("email_verified", "false") == "false"  # the provider's word is not taken for it


async def test_a_secret_changed_at_the_provider_is_read_anew_with_the_next_change(
    chooser: Chooser, company: Company
) -> None:
    given = openid(chooser, company)
    chooser.deploy(**{**given, "OidcSecret": chooser.secret("an old one")})
    outputs = chooser.deploy(**given)
    assert bound(await by_company(sign_in_pages(chooser, outputs)))
    template = chooser.profile.cloudformation().get_template(StackName=f"{NAME}-identity")
    described = chooser.profile.cloudformation().describe_stacks(StackName=f"{NAME}-identity")
    assert SECRET not in str(template) + str(described)


def test_a_provider_of_another_name_is_another_provider(chooser: Chooser, company: Company) -> None:
    given = openid(chooser, company)
    chooser.deploy(**given)
    outputs = chooser.deploy(**{**given, "OidcName": "Firm"})
    assert chooser.offered(outputs) == ["COGNITO", "Firm"]
    listed = chooser.profile.cognito().list_identity_providers(UserPoolId=outputs["UserPoolId"])["Providers"]
    assert [item.get("ProviderName") for item in listed] == ["Firm"]


async def test_a_provider_that_is_taken_away_is_offered_no_more(chooser: Chooser, company: Company) -> None:
    chooser.deploy(**openid(chooser, company))
    outputs = chooser.deploy()
    assert chooser.offered(outputs) == ["COGNITO"]
    browser = sign_in_pages(chooser, outputs)
    refused = await authorize(browser, identity_provider="Company")
    assert parse_qs(urlsplit(refused.headers["location"]).query)["error"] == ["invalid_request"]
    listed = chooser.profile.cognito().list_identity_providers(UserPoolId=outputs["UserPoolId"])
    assert listed["Providers"] == []


async def test_the_sign_in_pages_have_the_color_that_was_chosen(chooser: Chooser) -> None:
    async def page(outputs: dict[str, str]) -> str:
        browser = sign_in_pages(chooser, outputs)
        await authorize(browser)
        return (await browser.follow()).text

    assert "--accent: #0a5c36" in await page(chooser.deploy(AccentColor="0a5c36"))
    assert "--accent: #0a5c36" not in await page(chooser.deploy())


@pytest.mark.slow
def test_what_local_sign_in_pages_read_at_their_start_is_kept_for_the_next_run(tmp_path: Path) -> None:
    folder = tmp_path / "env"
    choices.keep(folder, choices.read(["identity.AccentColor=0a5c36", "identity.RefreshGraceSeconds=5"]))
    with running_stack(tmp_path, Ports.free()):
        settings = DomainSettings.load(folder / "domain.env")
        assert set(settings.rotation.values()) == {5}
        assert settings.branding == Branding(accent="#0a5c36")
        words = ["deploy", "--state", str(tmp_path), "--set", "identity.AccentColor="]
        done = CliRunner().invoke(cli.app, words)
        assert (done.exit_code, "when they start: mcp-demo down, then up" in done.stderr) == (0, True)
        assert choices.kept(folder) == {"identity": {"AccentColor": "", "RefreshGraceSeconds": "5"}}
        idle = CliRunner().invoke(cli.app, ["deploy", "--state", str(tmp_path), "--set", "server.Tracing=Active"])
        assert (idle.exit_code, "there are no functions" in idle.stderr) == (2, True)
        CliRunner().invoke(cli.app, ["cleanup", "--yes", "--state", str(tmp_path)])
        assert choices.kept(folder) == {}


# ── what the embedded AWS keeps ──────────────────────────────────────────────


def test_google_and_saml_are_kept_as_they_were_given(chooser: Chooser) -> None:
    client, document = "1-a.apps.googleusercontent.com", "https://idp.example/metadata.xml"
    given = {"GoogleClientId": client, "GoogleSecret": chooser.secret("gs"), "SamlMetadataUrl": document}
    outputs = chooser.deploy(**given)
    cognito, pool = chooser.profile.cognito(), outputs["UserPoolId"]
    assert chooser.offered(outputs) == ["COGNITO", "Google", "SAML"]
    assert outputs["Providers"] == "COGNITO,Google,SAML"
    google = cognito.describe_identity_provider(UserPoolId=pool, ProviderName="Google")["IdentityProvider"]
    saml = cognito.describe_identity_provider(UserPoolId=pool, ProviderName="SAML")["IdentityProvider"]
    assert google.get("ProviderType") == "Google"
    assert google.get("ProviderDetails", {})["client_secret"] == "gs"
    assert (saml.get("ProviderType"), saml.get("ProviderDetails", {})["MetadataURL"]) == ("SAML", document)
    outputs = chooser.deploy()
    assert cognito.list_identity_providers(UserPoolId=pool)["Providers"] == []


def test_the_type_of_providers_is_still_missing_from_the_emulator() -> None:
    known: Any = import_module("ministack.services.cloudformation.provisioners")._RESOURCE_HANDLERS
    assert TYPE not in known, "MiniStack knows it by now: ours can go"


def test_a_domain_of_ones_own_comes_beside_the_other_and_goes_again(chooser: Chooser) -> None:
    domain, zone = "login.example.com", chooser.zone("example.com")
    before = chooser.deploy()
    outputs = chooser.deploy(PoolDomainName=domain, PoolCertificateArn=CERTIFICATE, HostedZoneId=zone)
    assert outputs["DomainUrl"] == f"https://{domain}"
    pool = chooser.pool(outputs)
    assert (pool["CustomDomain"], pool["Domain"]) == (domain, f"{NAME}-000000000000")
    described = chooser.profile.cognito().describe_user_pool_domain(Domain=domain)["DomainDescription"]
    records = chooser.profile.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    alias = next(record for record in records if record["Type"] == "A")
    assert alias["Name"] == f"{domain}."
    assert alias["AliasTarget"]["DNSName"].rstrip(".") == described.get("CloudFrontDistribution")
    assert chooser.deploy()["DomainUrl"] == before["DomainUrl"]
    assert "CustomDomain" not in chooser.pool(outputs)
    records = chooser.profile.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert not [record for record in records if record["Type"] == "A"]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"PoolDomainName": "login.example.com"}, "PoolDomainName needs"),
        ({"OidcIssuer": "https://idp.example"}, "OidcIssuer needs"),
        ({"GoogleClientId": "1-a.apps.googleusercontent.com"}, "GoogleClientId needs"),
        ({"MailFrom": "a@example.com"}, "MailFrom needs"),
    ],
)
def test_half_a_choice_is_refused(chooser: Chooser, chosen: dict[str, str], said: str) -> None:
    plan = System(chooser.profile, chooser.endpoints, "half", chooser.read(chosen)).plan("identity", {})
    with pytest.raises(SetupError, match=said), aws_failures():
        deploy(chooser.profile.cloudformation(), plan, _silent)
    assert find(chooser.profile.cloudformation(), plan.name) is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("identity.PoolCertificateArn=arn:aws:acm:eu-central-1:000000000000:certificate/1", "us-east-1"),
        ("identity.AccentColor=#0A5C36", "hexadecimal"),
        ("identity.OidcIssuer=http://idp.example", "https"),
        ("identity.OidcName=COGNITO", "3 to 32"),
        ("identity.SamlMetadataUrl=http://idp.example/metadata.xml", "https"),
        ("identity.ThreatProtection=on", "one of OFF, AUDIT, ENFORCED"),
        ("identity.CodeKey=x", "To choose from"),
    ],
)
def test_what_the_template_does_not_allow_is_refused_before_anything_is_deployed(wrong: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        choices.read([wrong])


def test_mail_goes_through_ses_if_chosen(chooser: Chooser) -> None:
    outputs = chooser.deploy(MailFrom="no-reply@example.com", MailIdentity="example.com")
    mail = chooser.pool(outputs)["EmailConfiguration"]
    assert mail["EmailSendingAccount"] == "DEVELOPER"
    assert mail["SourceArn"] == "arn:aws:ses:us-east-1:000000000000:identity/example.com"
    invite(chooser, outputs, "first@example.org")
    assert chooser.mails()[-1]["Source"] == "no-reply@example.com"
    outputs = chooser.deploy()
    assert chooser.pool(outputs)["EmailConfiguration"] == {"EmailSendingAccount": "COGNITO_DEFAULT"}


def invite(chooser: Chooser, outputs: dict[str, str], address: str, **attributes: str) -> None:
    given = {"email": address, **attributes}
    chooser.profile.cognito().admin_create_user(
        UserPoolId=outputs["UserPoolId"],
        Username=f"guest-{uuid4().hex[:8]}",
        TemporaryPassword=PASSWORD,
        UserAttributes=[{"Name": key, "Value": value} for key, value in given.items()],
    )


def test_an_invitation_is_in_our_words_if_chosen(chooser: Chooser) -> None:
    outputs = chooser.deploy(Messages="own")
    invite(chooser, outputs, "ada@example.org", given_name="Ada")
    mail = chooser.mails()[-1]
    assert mail["Subject"] == f"Your account at {NAME}"
    assert "Hello Ada," in mail["BodyHtml"]
    assert PASSWORD in mail["BodyHtml"]
    outputs = chooser.deploy()
    invite(chooser, outputs, "bob@example.org")
    assert chooser.mails()[-1]["Subject"] == "Your temporary password"
    functions = chooser.profile.client("lambda").list_functions()["Functions"]
    assert f"{NAME}-messages" not in {item.get("FunctionName") for item in functions}


def test_a_code_by_sms_is_a_second_factor_if_chosen(chooser: Chooser) -> None:
    outputs = chooser.deploy(Sms="on")
    sms = chooser.pool(outputs)["SmsConfiguration"]
    iam, role = chooser.profile.iam(), sms["SnsCallerArn"].rpartition("/")[2]
    found: Any = iam.get_role(RoleName=role)["Role"]
    assert (
        found["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"]
        == sms["ExternalId"]
    )
    outputs = chooser.deploy()
    assert not chooser.pool(outputs).get("SmsConfiguration")
    assert role not in {item["RoleName"] for item in iam.list_roles()["Roles"]}


@pytest.mark.parametrize("mode", ["AUDIT", "ENFORCED"])
def test_threat_protection_takes_the_tier_that_has_it(chooser: Chooser, mode: str) -> None:
    pool = chooser.pool(chooser.deploy(ThreatProtection=mode))
    assert (pool["UserPoolTier"], pool["UserPoolAddOns"]["AdvancedSecurityMode"]) == ("PLUS", mode)
    pool = chooser.pool(chooser.deploy())
    assert (pool["UserPoolTier"], pool["UserPoolAddOns"]["AdvancedSecurityMode"]) == ("ESSENTIALS", "OFF")


def test_app_clients_of_registrations_offer_the_same_providers(chooser: Chooser) -> None:
    chosen = {"SamlMetadataUrl": "https://idp.example/metadata.xml"}
    outputs = chooser.deploy_all("Strategy=per-client", **chosen)
    wish = {"redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none"}
    answer = httpx.post(outputs["RegistrationEndpoint"], json=wish)
    assert answer.status_code == 201, answer.text
    cognito, pool = chooser.profile.cognito(), outputs["UserPoolId"]
    listed = cognito.list_user_pool_clients(UserPoolId=pool)["UserPoolClients"]
    made = next(item for item in listed if answer.json()["client_id"] in item.get("ClientName", ""))
    assert chooser.offered({"UserPoolId": pool, "it": made.get("ClientId", "")}, "it") == ["COGNITO", "SAML"]
    chooser.deploy_all("Strategy=shared")


# ── all at once ──────────────────────────────────────────────────────────────


def everything(chooser: Chooser, company: Company) -> dict[str, str]:
    """Each choice that there is, switched on."""
    on = openid(chooser, company) | {"PoolDomainName": "login.example.net", "HostedZoneId": chooser.zone("example.net")}
    on |= {"PoolCertificateArn": CERTIFICATE, "AccentColor": "0a5c36", "Mfa": "ON", "Sms": "on", "Messages": "own"}
    on |= {"GoogleClientId": "1-a.apps.googleusercontent.com", "GoogleSecret": chooser.secret("gs")}
    on |= {"SamlMetadataUrl": "https://idp.example/metadata.xml", "ThreatProtection": "ENFORCED"}
    on |= {"MailFrom": "no-reply@example.com", "MailIdentity": "example.com"}
    return on


@pytest.mark.slow
async def test_everything_can_be_on_at_once_and_off_again_and_people_sign_in(
    chooser: Chooser, company: Company
) -> None:
    before = chooser.deploy_all()
    plain = chooser.pool(before)
    name = chooser.person(before)
    browser = sign_in_pages(chooser, before)
    assert bound(await tokens(browser, await password_page(browser, name)))

    between = chooser.deploy_all(**everything(chooser, company))
    assert chooser.offered(between) == ["COGNITO", "Company", "Google", "SAML"]
    browser = sign_in_pages(chooser, between)
    page = await password_page(browser, name)
    found = re.search(r'<code id="secret">([A-Z2-7]+)</code>', page.text)
    assert found
    assert bound(await tokens(browser, await browser.submit(code=now_totp(found[1]))))
    assert bound(await by_company(sign_in_pages(chooser, between)))

    after = chooser.deploy_all()
    ours = {"LastModifiedDate", "EstimatedNumberOfUsers"}
    assert after == before
    assert _without(chooser.pool(after), ours) == _without(plain, ours)
    other = chooser.person(after)
    browser = sign_in_pages(chooser, after)
    assert bound(await tokens(browser, await password_page(browser, other)))


def test_what_was_chosen_goes_with_the_rest_and_what_is_yours_stays(chooser: Chooser, company: Company) -> None:
    chosen = everything(chooser, company)
    chooser.deploy(**chosen)
    remove(chooser.profile, NAME, take_inventory(chooser.profile, NAME, chooser.folder), _silent)
    assert take_inventory(chooser.profile, NAME, chooser.folder).is_empty
    assert not chooser.profile.client("lambda").list_functions()["Functions"]
    kept = chooser.profile.client("secretsmanager").get_secret_value(SecretId=chosen["OidcSecret"])
    assert kept["SecretString"] == SECRET


def _without(pool: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return json.loads(json.dumps({name: value for name, value in pool.items() if name not in names}, default=str))
