"""The doctor where only a user pool shows what is wrong: each illness is made in the pool of the running system."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.doctor import examine
from conformance.doctor_findings import Diagnosis, Finding
from conformance.documents import LoopbackDocuments
from conformance.mutants.reference import Loopback
from conformance.stack import target_of
from conformance.target import KnownClient, Target
from conformance.traveller import BrowserTraveller
from mcp_demo import cognito
from mcp_demo.deploy.files import env_folder
from mcp_demo.local.browser import find
from mcp_demo.local.domain.app import create_app as create_domain
from mcp_demo.local.domain.pool import Pool
from mcp_demo.local.state import Run
from mcp_demo.server.app import create_app as create_server
from mcp_demo.settings import DomainSettings, ServerSettings

CALLBACK = "http://localhost:3999/callback"
_LOGIN_UNAVAILABLE = "<!doctype html><title>Error</title><h1>Login pages unavailable</h1><p>Contact an administrator."


@dataclass(frozen=True)
class Plan:
    """How a server is set up before a user pool: rightly, unless told otherwise."""

    registered: bool = True
    callbacks: tuple[str, ...] = (CALLBACK,)
    allowed: tuple[str, ...] = ("read", "write")
    hinted: tuple[str, ...] = ()
    domain: str | None = None
    trusted: str | None = None


@contextmanager
def deployed(run: Run, plan: Plan = Plan()) -> Generator[Target]:
    """A server of its own, in front of the pool a facade that has metadata only, as many deployments do."""
    network, settings = Loopback(), DomainSettings.load(env_folder(run.state, "local") / "domain.env")
    pool = Pool(settings)
    with network.port() as port:
        origin = f"http://localhost:{port}"
        url = f"{origin}/mcp"
        if plan.registered:
            scopes: Any = [{"ScopeName": name, "ScopeDescription": name} for name in ("read", "write")]
            pool.api.create_resource_server(UserPoolId=pool.pool_id, Identifier=url, Name="doctor", Scopes=scopes)
        client = pool.api.create_user_pool_client(
            UserPoolId=pool.pool_id,
            ClientName="doctor",
            GenerateSecret=False,
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthFlows=["code"],
            AllowedOAuthScopes=[*(f"{url}/{name}" for name in plan.allowed), *plan.hinted],
            CallbackURLs=list(plan.callbacks),
            SupportedIdentityProviders=["COGNITO"],
        )["UserPoolClient"].get("ClientId", "")
        with network.serving(port, _facade(run, plan, origin)):
            user = BrowserTraveller(
                run.user.username, run.user.password, target=url, executable=find, origins=[run.domain]
            )
            yield Target(url, client=KnownClient(client, CALLBACK), sign_in=user)
        pool.api.delete_user_pool_client(UserPoolId=pool.pool_id, ClientId=client)
        if plan.registered:
            pool.api.delete_resource_server(UserPoolId=pool.pool_id, Identifier=url)


def _facade(run: Run, plan: Plan, origin: str) -> ASGIApp:
    url, domain = f"{origin}/mcp", plan.domain or run.domain
    settings = ServerSettings.model_validate(
        {
            "mcp_url": url,
            "authorization_servers": [origin],
            "issuer": plan.trusted or run.issuer,
            "jwks_uri": run.jwks_uri,
            "allowed_origins": [origin],
        }
    )
    server = create_server(settings)
    document = {
        "issuer": origin,
        "authorization_endpoint": f"{domain}/oauth2/authorize",
        "token_endpoint": f"{domain}/oauth2/token",
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
    }
    metadata = JSONResponse(document, headers={"Access-Control-Allow-Origin": "*"})

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/.well-known/oauth-authorization-server":
            await metadata(scope, receive, send)
        else:
            await server(scope, receive, _hinting(send, plan.hinted))

    return dispatch


def _hinting(send: Send, scopes: tuple[str, ...]) -> Send:
    """Makes challenges ask for other scopes."""

    async def changed(message: Any) -> None:
        headers = message.get("headers", [])
        if scopes and message["type"] == "http.response.start":
            value = " ".join(scopes).encode()
            message["headers"] = [
                (key, b"Bearer " + b", ".join(_rescoped(text, value))) if key == b"www-authenticate" else (key, text)
                for key, text in headers
            ]
        await send(message)

    return changed


def _rescoped(challenge: bytes, scopes: bytes) -> list[bytes]:
    parts = challenge.removeprefix(b"Bearer ").split(b", ")
    return [*(part for part in parts if not part.startswith(b"scope=")), b'scope="' + scopes + b'"']


def _login_layers(found: Diagnosis) -> dict[str, str]:
    return {seen.layer: seen.state for seen in found.layers if seen.layer in ("sign-in", "Cognito", "token")}


def _only(found: Diagnosis) -> Finding:
    assert len([item for item in found.findings if item.layer != "browser"]) == 1, found.findings
    return found.findings[0]


def test_nothing_is_wrong_with_the_running_system(stack: Run) -> None:
    target = target_of(stack.state)
    assert isinstance(target.documents, LoopbackDocuments)
    with target.documents:
        found = examine(target)
    assert found.findings == ()
    assert {seen.state for seen in found.layers} == {"ok"}
    assert found.sentence == "Nothing wrong: a client can find its way, sign in and call the server."


def test_nothing_is_wrong_with_a_facade_that_is_set_up_rightly(stack: Run) -> None:
    with deployed(stack) as target:
        found = examine(target)
    assert [item for item in found.findings if item.layer != "browser"] == []
    assert set(_login_layers(found).values()) == {"ok"}


def test_a_resource_that_is_not_registered_is_proved_by_a_login_without_it(stack: Run) -> None:
    with deployed(stack, Plan(registered=False)) as target:
        found = examine(target)
        finding = _only(found)
        assert (finding.layer, finding.check) == ("Cognito", "as.token.invalid-target")
        assert target.url in finding.change
    assert "without a resource gives tokens" in finding.saw
    assert _login_layers(found) == {"sign-in": "ok", "Cognito": "wrong", "token": "unknown"}


def test_a_callback_that_the_app_client_lacks_is_named_without_any_credential(stack: Run) -> None:
    with deployed(stack, Plan(callbacks=("http://localhost:3999/",))) as target:
        finding = _only(examine(replace(target, sign_in=None)))
    assert (finding.layer, finding.check) == ("Cognito", "as.redirect.exact")
    assert f"Add {CALLBACK}" in finding.change


def test_a_missing_style_is_recognised_by_cognitos_page(stack: Run) -> None:
    """The stand-in has no styles, so its sign-in page is replaced by what Cognito shows."""
    network, settings = Loopback(), DomainSettings.load(env_folder(stack.state, "local") / "domain.env")
    with network.port() as port:
        domain = f"http://localhost:{port}"
        app = create_domain(settings.model_copy(update={"domain": domain, "state_dir": None}))
        with network.serving(port, _unstyled(app)), deployed(stack, Plan(domain=domain)) as target:
            for judged in (replace(target, sign_in=None), target):
                finding = _only(examine(judged))
                assert finding.name == "Cognito has no login page for this app client"
                assert "AWS::Cognito::ManagedLoginBranding" in finding.change


def _unstyled(app: ASGIApp) -> ASGIApp:
    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        shown = scope["type"] == "http" and scope["path"] == "/login"
        await (HTMLResponse(_LOGIN_UNAVAILABLE) if shown else app)(scope, receive, send)

    return dispatch


def test_a_user_pool_without_a_domain_is_a_sign_in_that_leads_nowhere(stack: Run) -> None:
    with deployed(stack, Plan(domain="http://localhost:1")) as target:
        found = examine(replace(target, sign_in=None))
    # The metadata announces both endpoints, and neither is there.
    assert (_only(found).layer, _only(found).check) == ("authorization server", "as.metadata.truthful")
    assert "authorization_endpoint does not answer" in _only(found).saw
    assert _login_layers(found)["sign-in"] == "unknown"


def test_a_scope_that_the_app_client_lacks(stack: Run) -> None:
    with deployed(stack, Plan(allowed=("write",))) as target:
        finding = _only(examine(replace(target, sign_in=None)))
    assert (finding.layer, finding.name) == ("Cognito", "The app client does not allow the scopes that clients ask for")


def test_a_scope_of_another_resource_server(stack: Run) -> None:
    with deployed(stack, Plan(hinted=cognito.scopes(stack.server)[:1])) as target:
        finding = _only(examine(replace(target, sign_in=None)))
    assert finding.name == "A scope belongs to another resource server than the resource"
    assert f"{target.url}/" in finding.change


def test_a_server_that_trusts_another_issuer(stack: Run) -> None:
    with deployed(stack, Plan(trusted=f"{stack.issuer}x")) as target:
        found = examine(target)
    assert (_only(found).layer, _only(found).check) == ("token", "rs.token.issuer")
    assert _login_layers(found) == {"sign-in": "ok", "Cognito": "ok", "token": "wrong"}


def test_behind_a_bridge_it_is_the_bridges_app_client_that_is_named(stack: Run) -> None:
    """The bridge tells its clients nothing of the user pool; the address of each hop does."""
    settings = DomainSettings.load(env_folder(stack.state, "local") / "domain.env")
    pool = Pool(settings)
    bridge = _bridge_client(stack)
    before: Any = pool.api.describe_user_pool_client(UserPoolId=pool.pool_id, ClientId=bridge)["UserPoolClient"]
    kept: Any = {key: before[key] for key in _KEPT if key in before}
    try:
        changed: Any = {**kept, "CallbackURLs": [f"{stack.bridge}/elsewhere"]}
        pool.api.update_user_pool_client(**changed)
        target = Target(stack.server, client=KnownClient(stack.client_id, f"{stack.clients['static']}/callback"))
        finding = _only(examine(target))
    finally:
        pool.api.update_user_pool_client(**kept)
    assert (finding.layer, finding.check) == ("Cognito", "as.redirect.exact")
    assert f"Add {stack.bridge}/callback" in finding.change
    assert bridge in finding.change


_KEPT = (
    "UserPoolId",
    "ClientId",
    "ClientName",
    "CallbackURLs",
    "LogoutURLs",
    "AllowedOAuthFlows",
    "AllowedOAuthScopes",
    "AllowedOAuthFlowsUserPoolClient",
    "SupportedIdentityProviders",
    "ExplicitAuthFlows",
    "TokenValidityUnits",
    "AccessTokenValidity",
    "IdTokenValidity",
    "RefreshTokenValidity",
)


def _bridge_client(run: Run) -> str:
    lines = (env_folder(run.state, "local") / "bridge.env").read_text(encoding="utf-8").splitlines()
    return next(line.partition("=")[2].strip("'\"") for line in lines if line.startswith("MCP_DEMO_BRIDGE_CLIENT_ID="))
