"""Something to harden: a deployment of its own beside the running system, and a server that trusts two issuers."""

import base64
import hmac
import logging
import re
import secrets
import struct
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
from joserfc.jwk import RSAKey
from playwright.sync_api import sync_playwright

from conformance.issuer import TestIssuer
from conformance.mutants.reference import Loopback
from mcp_demo import cognito
from mcp_demo.bridge.app import create_app as bridge_app
from mcp_demo.deploy.cleanup import remove, take_inventory
from mcp_demo.deploy.hardening import deploy_hardening
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.registration import STACK, deploy_registration
from mcp_demo.deploy.stacks import Event, deploy, outputs
from mcp_demo.deploy.system import identity_plan, stack_name
from mcp_demo.deploy.templates import template
from mcp_demo.lab.browsers import picture
from mcp_demo.lab.display import Picture
from mcp_demo.local.browser import require
from mcp_demo.local.domain.app import create_app as domain_app
from mcp_demo.local.state import Run
from mcp_demo.server.app import create_app as server_app
from mcp_demo.settings import Branding, BridgeSettings, DomainSettings, Issuer, ServerSettings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAME = "lesson-09"
"""Starts the names of all stacks of the lesson."""

_READ_ONLY = ("ClientSecret", "CreationDate", "LastModifiedDate")
_DEADLINE = 20.0
_ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage"]
logging.getLogger("mcp_demo").addHandler(logging.NullHandler())  # what is served here would log into the cells


class Beside:
    """A deployment under another name, and what serves it: the running system is not touched.

    Args:
        run: The running system, whose embedded AWS it uses. What an interrupted visit left there goes first.

    Attributes:
        profile: Makes the clients of AWS services.
    """

    def __init__(self, run: Run) -> None:
        self.profile = Profile.local(run.aws)
        self._run, self._life, self._network = run, ExitStack(), Loopback()
        self.remove()

    def registration(self, **chosen: str) -> str:
        """Deploy client registration with parameters chosen, or change them; its endpoint."""
        pool = {"UserPoolId": self._run.issuer.rpartition("/")[2]}
        wishes = {"ApiLogRole": "existing", **chosen}  # the account's one role for logs belongs to the running system
        made = deploy_registration(self.profile, self._run.endpoints(), pool, _quietly, name=NAME, chosen=wishes)
        return made.outputs["RegistrationEndpoint"]

    def alarms(self, **chosen: str) -> None:
        """Deploy what watches the registration."""
        found = outputs(self.profile.cloudformation(), stack_name(NAME, STACK))
        found["UserPoolId"] = self._run.issuer.rpartition("/")[2]
        deploy_hardening(self.profile, found, _quietly, name=NAME, chosen=chosen)

    def bridge(self, **settings: Any) -> str:
        """Serve a bridge whose clients are those of this registration; its address."""
        table = outputs(self.profile.cloudformation(), stack_name(NAME, STACK))["ClientsTable"]
        port = self._life.enter_context(self._network.port())
        own = {"bridge_url": f"http://localhost:{port}", "clients_table": table, **settings}
        known = BridgeSettings.load(self._run.state / "env" / "bridge.env").model_copy(update=own)
        self._life.enter_context(self._network.serving(port, bridge_app(known)))
        return own["bridge_url"]

    def pool(self, **chosen: str) -> "OwnPool":
        """Deploy a user pool with parameters chosen, or change them."""
        plan = identity_plan(self.profile, self._run.endpoints(), NAME, chosen)
        made = deploy(self.profile.cloudformation(), plan, _quietly).outputs
        return OwnPool(made["UserPoolId"], made["StaticClientId"], made["Issuer"])

    def pages(self, pool: "OwnPool", **branding: str) -> str:
        """Serve the sign-in pages of a user pool, in colours chosen; the link that leads an app's user there."""
        port = self._life.enter_context(self._network.port())
        own: dict[str, Any] = {
            "domain": f"http://localhost:{port}",
            "user_pool_id": pool.id,
            "issuer": pool.issuer,
            "state_dir": None,
            "rotation": {},
            "branding": Branding.model_validate(branding) if branding else None,
        }
        known = DomainSettings.load(self._run.state / "env" / "domain.env").model_copy(update=own)
        self._life.enter_context(self._network.serving(port, domain_app(known)))
        wish = {"response_type": "code", "client_id": pool.client, "scope": "openid", "state": "lesson"}
        wish["redirect_uri"] = f"{self._run.clients['static']}/callback"
        return f"{own['domain']}/oauth2/authorize?{urlencode(wish)}"

    def offer(self, pool: "OwnPool", name: str, host: str) -> list[str]:
        """Let people of an OpenID Connect provider sign in; what the sign-in page offers now."""
        api = self.profile.cognito()
        details = {
            "client_id": "our-pool",
            "client_secret": secrets.token_urlsafe(32),
            "oidc_issuer": f"https://{host}",
            "authorize_scopes": "openid email",
            "attributes_request_method": "GET",
            "authorize_url": f"https://{host}/authorize",
            "token_url": f"https://{host}/token",
            "jwks_uri": f"https://{host}/keys",
        }
        api.create_identity_provider(
            UserPoolId=pool.id,
            ProviderName=name,
            ProviderType="OIDC",
            ProviderDetails=details,
            AttributeMapping={"email": "email"},
        )
        client = api.describe_user_pool_client(UserPoolId=pool.id, ClientId=pool.client)["UserPoolClient"]
        # What an update does not name, Cognito sets back to its default.
        kept: Any = {name: value for name, value in client.items() if value and name not in _READ_ONLY}
        kept["SupportedIdentityProviders"] = ["COGNITO", name]
        changed = api.update_user_pool_client(**kept)["UserPoolClient"]
        return changed.get("SupportedIdentityProviders", [])

    def sign_in_twice(self, pool: "OwnPool", link: str) -> list[Picture]:
        """A new person signs in, sets up a second factor, and comes back another day; the pages on the way."""
        name, password = "ada", f"Aa1!{secrets.token_urlsafe(15)}"
        api = self.profile.cognito()
        email: Any = [{"Name": "email", "Value": "ada@example.com"}, {"Name": "email_verified", "Value": "true"}]
        api.admin_create_user(UserPoolId=pool.id, Username=name, MessageAction="SUPPRESS", UserAttributes=email)
        api.admin_set_user_password(UserPoolId=pool.id, Username=name, Password=password, Permanent=True)

        def days() -> list[Picture]:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=str(require()), args=_ARGUMENTS)
                try:
                    return [*_first_day(browser, link, name, password), _next_day(browser, link, name, password)]
                finally:
                    browser.close()

        with ThreadPoolExecutor(1) as thread:  # a notebook has an event loop, beside which this browser cannot run
            return thread.submit(days).result()

    def state_of(self, alarm: str, *, until: str) -> dict[str, str]:
        """The state of an alarm and why, as soon as it is the one waited for."""
        deadline = time.monotonic() + _DEADLINE
        while True:
            found = self.profile.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"][0]
            if found.get("StateValue") == until or time.monotonic() > deadline:
                return {"state": found.get("StateValue", ""), "reason": found.get("StateReason", "")}
            time.sleep(0.1)

    def remove(self) -> dict[str, int]:
        """End what is served, remove what is deployed, and ask the services what is left."""
        self._life.close()
        folder = self._run.state / NAME
        remove(self.profile, NAME, take_inventory(self.profile, NAME, folder), _quietly)
        left = take_inventory(self.profile, NAME, folder)
        return {"stacks left": len(left.stacks), "resources left": len(left.resources)}


@dataclass(frozen=True, slots=True)
class OwnPool:
    """A user pool of the lesson, and an app client of it."""

    id: str
    client: str
    issuer: str


@dataclass(frozen=True, slots=True)
class Doubled:
    """A server that trusts two issuers.

    Attributes:
        url: Its endpoint.
        first: Makes tokens that name the server in `aud`.
        second: Makes tokens without `aud`, with the server's scopes.
    """

    url: str
    first: TestIssuer
    second: TestIssuer


@contextmanager
def two_issuers() -> Generator[Doubled]:
    """The MCP server, in this process, trusting two issuers, each under a rule of its own."""
    network = Loopback()
    with network.port() as port:
        url = f"http://localhost:{port}/mcp"
        first, second = (
            TestIssuer(f"https://{name}.example", _key(name), url, cognito.scopes(url), audience)
            for name, audience in (("first", "resource"), ("second", "scope"))
        )
        published = {f"{one.issuer}/keys": {"keys": [one.key.as_dict(private=False)]} for one in (first, second)}
        settings = ServerSettings(
            mcp_url=url,
            authorization_servers=[first.issuer, second.issuer],
            issuer=first.issuer,
            jwks_uri=f"{first.issuer}/keys",
            audience="resource",
            more_issuers=[Issuer(issuer=second.issuer, jwks_uri=f"{second.issuer}/keys", audience="scope")],
        )
        keys = httpx.MockTransport(lambda request: httpx.Response(200, json=published[str(request.url)]))
        with network.serving(port, server_app(settings, transport=keys)):
            yield Doubled(url, first, second)


def made_if(stack: str, condition: str) -> dict[str, str]:
    """The resources of a template that exist under a condition only, with their types."""
    found = re.findall(rf"^  (\w+):\n    Type: (\S+)\n    Condition: {condition}$", template(stack), re.MULTILINE)
    return dict(found)


@cache
def _key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": name}, private=True)


def _first_day(browser: "Browser", link: str, name: str, password: str) -> list[Picture]:
    page = _visit(browser, link)
    welcome = picture(page, 560)
    _sign_in(page, name, password)
    setting_up = picture(page, 760)
    page.fill('input[name="code"]', _code(page.inner_text("#secret")))
    page.click("button[type=submit]")
    page.wait_for_url("**/callback?*")
    return [welcome, setting_up]


def _next_day(browser: "Browser", link: str, name: str, password: str) -> Picture:
    page = _visit(browser, link)
    _sign_in(page, name, password)
    return picture(page, 440)


def _visit(browser: "Browser", link: str) -> "Page":
    """A page of a browser without cookies; the app that the sign-in leads back to is not there."""
    page = browser.new_context().new_page()
    page.route("**/callback?*", lambda route: route.fulfill(body="signed in"))
    page.goto(link)
    return page


def _sign_in(page: "Page", name: str, password: str) -> None:
    page.fill('input[name="username"]', name)
    page.fill('input[name="password"]', password)
    with page.expect_navigation():
        page.press('input[name="password"]', "Enter")


def _code(secret: str) -> str:
    """What an authenticator app shows now (RFC 6238)."""
    mac = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(time.time() // 30)), "sha1")
    offset = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[offset : offset + 4])[0] & 0x7FFFFFFF) % 10**6:06d}"


def _quietly(event: Event) -> None:
    """Say nothing: each takes a second or two."""
