"""`/forgotPassword`, `/confirmForgotPassword` (Cognito docs › The managed login password reset endpoints)."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from mcp_demo.local.domain.accounts import AccountProblem
from mcp_demo.local.domain.forms import PostedForm, new_password
from mcp_demo.local.domain.lockout import TOO_MANY
from mcp_demo.local.domain.outcome import form_page
from mcp_demo.local.domain.parts import Parts
from mcp_demo.local.domain.signin_request import SignInRequest, read_request

_SENT = "If there is such an account and its email address is verified, we sent a code to it."


def recovery_router(parts: Parts) -> APIRouter:
    """The routes of a forgotten password."""
    router = APIRouter()

    @router.get("/forgotPassword")
    def show(request: Request) -> Response:
        return form_page(parts, request, read_request(parts, request), "forgot.html")

    @router.post("/forgotPassword")
    def send(request: Request, form: PostedForm) -> Response:
        wanted = read_request(parts, request)
        parts.browser.check_form(request, form.get("csrf", ""))
        username = parts.pool.canonical(form.get("username", "").strip())
        if not username or not parts.lockout.may_try("mail", username):
            return form_page(
                parts, request, wanted, "forgot.html", problem=TOO_MANY if username else "Say who you are."
            )
        parts.accounts.forgot(wanted.client, username)
        step = parts.steps.begin(request, "reset", username=username)
        return _page(parts, request, wanted, step, notice=_SENT)

    @router.post("/confirmForgotPassword")
    def reset(request: Request, form: PostedForm) -> Response:
        wanted = read_request(parts, request)
        parts.browser.check_form(request, form.get("csrf", ""))
        username = parts.steps.read(request, form, "reset")["username"]
        problem = None if parts.lockout.may_try("code", username) else TOO_MANY
        if problem is None:
            try:
                parts.accounts.reset(wanted.client, username, form.get("code", "").strip(), new_password(form))
            except AccountProblem as wrong:
                problem = str(wrong)
        if problem:
            return _page(parts, request, wanted, form["step"], problem=problem)
        parts.lockout.succeeded("code", username)
        parts.lockout.succeeded("password", username)
        parts.steps.end(form, "reset")
        return form_page(
            parts, request, wanted, "done.html", heading="Password changed", text="Sign in with the new one."
        )

    return router


def _page(
    parts: Parts,
    request: Request,
    wanted: SignInRequest,
    step: str,
    problem: str | None = None,
    notice: str | None = None,
) -> Response:
    hint = parts.pool.rules().password_hint
    return form_page(parts, request, wanted, "reset.html", step=step, problem=problem, notice=notice, hint=hint)
