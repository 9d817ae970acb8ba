"""`/login`: the sign-in page (Cognito docs › The managed login sign-in endpoint)."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from mcp_demo.local.domain.accounts import SignInRefused
from mcp_demo.local.domain.errors import as_redirect
from mcp_demo.local.domain.forms import Form, PostedForm
from mcp_demo.local.domain.lockout import TOO_MANY
from mcp_demo.local.domain.outcome import form_page, proceed
from mcp_demo.local.domain.parts import Parts
from mcp_demo.local.domain.signin_request import SignInRequest, check, read_request
from mcp_demo.local.domain.signup import confirm_page
from mcp_demo.oauth.errors import OAuthError

WRONG = "The username or the password is wrong."


def login_router(parts: Parts) -> APIRouter:
    """The routes of the sign-in page."""
    router = APIRouter()

    @router.get("/login")
    def show(request: Request) -> Response:
        wanted = read_request(parts, request)
        try:
            check(parts, wanted)
        except OAuthError as error:
            return as_redirect(error, wanted.redirect_uri, wanted.state)
        return login_page(parts, request, wanted, username=wanted.parameters.get("login_hint", ""))

    @router.post("/login")
    def submit(request: Request, form: PostedForm) -> Response:
        wanted = read_request(parts, request)
        parts.browser.check_form(request, form.get("csrf", ""))
        typed = form.get("username", "").strip()
        username = parts.pool.canonical(typed)  # one limit for an account, whichever of its names is tried
        if not parts.lockout.may_try("password", username):
            return login_page(parts, request, wanted, username=typed, problem=TOO_MANY, enrolling="enrol" in form)
        try:
            outcome = parts.accounts.sign_in(username, form.get("password", ""))
        except SignInRefused as refused:
            return _refused(parts, request, wanted, form, refused.reason)
        parts.lockout.succeeded("password", username)
        return proceed(parts, request, wanted, outcome, enrol="enrol" in form)

    return router


def _refused(parts: Parts, request: Request, wanted: SignInRequest, form: Form, reason: str) -> Response:
    username = form.get("username", "").strip()
    if reason == "unconfirmed":
        return confirm_page(parts, request, wanted, username, problem="This account is not confirmed yet.")
    problem = "Set a new password first: follow “Forgot your password?”." if reason == "reset" else WRONG
    return login_page(parts, request, wanted, username=username, problem=problem, enrolling="enrol" in form)


def login_page(
    parts: Parts,
    request: Request,
    wanted: SignInRequest,
    *,
    username: str = "",
    problem: str | None = None,
    notice: str | None = None,
    enrolling: bool = False,
) -> Response:
    """The page with username and password."""
    rules = parts.pool.rules()
    return form_page(
        parts,
        request,
        wanted,
        "login.html",
        username=username,
        problem=problem,
        notice=notice,
        sign_up=rules.self_sign_up,
        offer_mfa=rules.mfa == "OPTIONAL",
        enrolling=enrolling,
        providers=[name for name in wanted.client.providers if name != "COGNITO"],
    )
